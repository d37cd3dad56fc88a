-- SPDX-License-Identifier: Apache-2.0
-- packets.v1 from Kafka into ClickHouse (a cluster; 24.10 or newer).
-- Generated: python -m streamer.schema. The servers' macros: cluster, shard, replica

CREATE DATABASE IF NOT EXISTS streamer ON CLUSTER '{cluster}';

-- streamerInPrefix(source_ip, '10.0.0.0/8'), of either family; a bare address is a prefix of one.
CREATE OR REPLACE FUNCTION streamerInPrefix ON CLUSTER '{cluster}' AS (ip, prefix) ->
    ip >= tupleElement(IPv6CIDRToRange(toIPv6(splitByChar('/', concat(prefix, if(position(prefix, ':') = 0, '/32', '/128')))[1]), toUInt8(toUInt8(splitByChar('/', concat(prefix, if(position(prefix, ':') = 0, '/32', '/128')))[2]) + if(position(prefix, ':') = 0, 96, 0) + throwIf(toUInt8(splitByChar('/', concat(prefix, if(position(prefix, ':') = 0, '/32', '/128')))[2]) > if(position(prefix, ':') = 0, 32, 128), 'the prefix is too long'))), 1)
    AND ip <= tupleElement(IPv6CIDRToRange(toIPv6(splitByChar('/', concat(prefix, if(position(prefix, ':') = 0, '/32', '/128')))[1]), toUInt8(toUInt8(splitByChar('/', concat(prefix, if(position(prefix, ':') = 0, '/32', '/128')))[2]) + if(position(prefix, ':') = 0, 96, 0) + throwIf(toUInt8(splitByChar('/', concat(prefix, if(position(prefix, ':') = 0, '/32', '/128')))[2]) > if(position(prefix, ':') = 0, 32, 128), 'the prefix is too long'))), 2);

-- streamerAddress(source_ip): as text, IPv4 without its ::ffff:.
CREATE OR REPLACE FUNCTION streamerAddress ON CLUSTER '{cluster}' AS (ip) ->
    replaceRegexpOne(toString(ip), '^::ffff:', '');

-- streamerProtocolName(network_iana_number): IANA's keyword, else the number.
CREATE OR REPLACE FUNCTION streamerProtocolName ON CLUSTER '{cluster}' AS (number) ->
    transform(toString(number), ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '10', '11', '12', '13', '14', '15', '16', '17', '18', '19', '20', '21', '22', '23', '24', '25', '26', '27', '28', '29', '30', '31', '32', '33', '34', '35', '36', '37', '38', '39', '40', '41', '42', '43', '44', '45', '46', '47', '48', '49', '50', '51', '52', '53', '54', '55', '56', '57', '58', '59', '60', '62', '64', '65', '66', '67', '69', '70', '71', '72', '73', '74', '75', '76', '77', '78', '79', '80', '81', '82', '83', '84', '85', '86', '87', '88', '89', '90', '91', '92', '93', '94', '95', '96', '97', '98', '100', '101', '102', '103', '104', '105', '106', '107', '108', '109', '110', '111', '112', '113', '115', '116', '117', '118', '119', '120', '121', '122', '123', '124', '125', '126', '127', '128', '129', '130', '131', '132', '133', '134', '135', '136', '137', '138', '139', '140', '141', '142', '143', '144', '145'],
        ['hopopt', 'icmp', 'igmp', 'ggp', 'ipv4', 'st', 'tcp', 'cbt', 'egp', 'igp', 'bbn-rcc-mon', 'nvp-ii', 'pup', 'argus', 'emcon', 'xnet', 'chaos', 'udp', 'mux', 'dcn-meas', 'hmp', 'prm', 'xns-idp', 'trunk-1', 'trunk-2', 'leaf-1', 'leaf-2', 'rdp', 'irtp', 'iso-tp4', 'netblt', 'mfe-nsp', 'merit-inp', 'dccp', '3pc', 'idpr', 'xtp', 'ddp', 'idpr-cmtp', 'tp++', 'il', 'ipv6', 'sdrp', 'ipv6-route', 'ipv6-frag', 'idrp', 'rsvp', 'gre', 'dsr', 'bna', 'esp', 'ah', 'i-nlsp', 'swipe', 'narp', 'min-ipv4', 'tlsp', 'skip', 'ipv6-icmp', 'ipv6-nonxt', 'ipv6-opts', 'cftp', 'sat-expak', 'kryptolan', 'rvd', 'ippc', 'sat-mon', 'visa', 'ipcv', 'cpnx', 'cphb', 'wsn', 'pvp', 'br-sat-mon', 'sun-nd', 'wb-mon', 'wb-expak', 'iso-ip', 'vmtp', 'secure-vmtp', 'vines', 'iptm', 'nsfnet-igp', 'dgp', 'tcf', 'eigrp', 'ospfigp', 'sprite-rpc', 'larp', 'mtp', 'ax.25', 'ipip', 'micp', 'scc-sp', 'etherip', 'encap', 'gmtp', 'ifmp', 'pnni', 'pim', 'aris', 'scps', 'qnx', 'a/n', 'ipcomp', 'snp', 'compaq-peer', 'ipx-in-ip', 'vrrp', 'pgm', 'l2tp', 'ddx', 'iatp', 'stp', 'srp', 'uti', 'smp', 'sm', 'ptp', 'isis over ipv4', 'fire', 'crtp', 'crudp', 'sscopmce', 'iplt', 'sps', 'pipe', 'sctp', 'fc', 'rsvp-e2e-ignore', 'mobility header', 'udplite', 'mpls-in-ip', 'manet', 'hip', 'shim6', 'wesp', 'rohc', 'ethernet', 'aggfrag', 'nsh'], toString(number));

-- streamerServiceName(destination_port, network_transport): IANA's name; empty if it has none here.
CREATE OR REPLACE FUNCTION streamerServiceName ON CLUSTER '{cluster}' AS (port, transport) ->
    if(transport = 'udp' AND port IN (512, 513, 514, 520, 521),
        transform(port, [512, 513, 514, 520, 521], ['comsat', 'who', 'syslog', 'router', 'ripng'], ''),
        transform(port, [7, 9, 13, 19, 20, 21, 22, 23, 25, 37, 43, 49, 53, 67, 68, 69, 79, 80, 88, 102, 110, 111, 113, 119, 123, 135, 137, 138, 139, 143, 161, 162, 179, 194, 319, 320, 389, 427, 443, 445, 464, 465, 500, 502, 512, 513, 514, 515, 543, 544, 546, 547, 548, 554, 563, 587, 631, 636, 646, 830, 853, 860, 873, 989, 990, 993, 995, 1080, 1194, 1352, 1433, 1434, 1521, 1701, 1719, 1720, 1723, 1812, 1813, 1883, 1900, 2049, 2152, 2379, 2380, 2404, 3260, 3268, 3269, 3306, 3389, 3478, 3784, 4500, 4739, 4789, 5004, 5060, 5061, 5222, 5269, 5349, 5353, 5355, 5432, 5671, 5672, 5683, 5684, 5985, 5986, 6081, 6343, 6379, 6514, 6653, 8080, 8883, 9100, 9418, 10050, 10051, 11211, 11112, 20000, 27017, 44818, 47808], ['echo', 'discard', 'daytime', 'chargen', 'ftp-data', 'ftp', 'ssh', 'telnet', 'smtp', 'time', 'nicname', 'tacacs', 'domain', 'bootps', 'bootpc', 'tftp', 'finger', 'http', 'kerberos', 'iso-tsap', 'pop3', 'sunrpc', 'ident', 'nntp', 'ntp', 'epmap', 'netbios-ns', 'netbios-dgm', 'netbios-ssn', 'imap', 'snmp', 'snmptrap', 'bgp', 'irc', 'ptp-event', 'ptp-general', 'ldap', 'svrloc', 'https', 'microsoft-ds', 'kpasswd', 'submissions', 'isakmp', 'mbap', 'exec', 'login', 'shell', 'printer', 'klogin', 'kshell', 'dhcpv6-client', 'dhcpv6-server', 'afpovertcp', 'rtsp', 'nntps', 'submission', 'ipp', 'ldaps', 'ldp', 'netconf-ssh', 'domain-s', 'iscsi', 'rsync', 'ftps-data', 'ftps', 'imaps', 'pop3s', 'socks', 'openvpn', 'lotusnote', 'ms-sql-s', 'ms-sql-m', 'ncube-lm', 'l2tp', 'h323gatestat', 'h323hostcall', 'pptp', 'radius', 'radius-acct', 'mqtt', 'ssdp', 'nfs', 'gtp-user', 'etcd-client', 'etcd-server', 'iec-104', 'iscsi-target', 'msft-gc', 'msft-gc-ssl', 'mysql', 'ms-wbt-server', 'stun', 'bfd-control', 'ipsec-nat-t', 'ipfix', 'vxlan', 'avt-profile-1', 'sip', 'sips', 'xmpp-client', 'xmpp-server', 'stuns', 'mdns', 'llmnr', 'postgresql', 'amqps', 'amqp', 'coap', 'coaps', 'wsman', 'wsmans', 'geneve', 'sflow', 'redis', 'syslog-tls', 'openflow', 'http-alt', 'secure-mqtt', 'hp-pdl-datastr', 'git', 'zabbix-agent', 'zabbix-trapper', 'memcache', 'dicom', 'dnp', 'mongodb', 'eip-2', 'bacnet'], ''));

-- The identity (agent_id, agent_ephemeral_id, event_sequence) ends the sort key: an event that was
-- delivered twice is one row after a merge, and with FINAL at once. What a record does not have is
-- zero or empty; addresses of both families are IPv6 (IPv4 mapped). Nothing is ever deleted; to
-- keep 15 days: ALTER TABLE streamer.packets_local ON CLUSTER '{cluster}'
--     MODIFY TTL toDateTime(ts) + INTERVAL 15 DAY SETTINGS ttl_only_drop_parts = 1;
CREATE TABLE IF NOT EXISTS streamer.packets_local ON CLUSTER '{cluster}'
(
    `ts` DateTime64(9, 'UTC') COMMENT '@timestamp' CODEC(Delta(8), ZSTD(1)),
    `event_sequence` UInt64 COMMENT 'event.sequence' CODEC(Delta(8), ZSTD(1)),
    `agent_id` LowCardinality(String) COMMENT 'agent.id' CODEC(ZSTD(1)),
    `agent_ephemeral_id` LowCardinality(String) COMMENT 'agent.ephemeral_id' CODEC(ZSTD(1)),
    `host_name` LowCardinality(String) COMMENT 'host.name' CODEC(ZSTD(1)),
    `network_type` LowCardinality(String) COMMENT 'network.type' CODEC(ZSTD(1)),
    `network_transport` LowCardinality(String) COMMENT 'network.transport' CODEC(ZSTD(1)),
    `network_iana_number` LowCardinality(String) COMMENT 'network.iana_number' CODEC(ZSTD(1)),
    `community_id` String COMMENT 'network.community_id' CODEC(ZSTD(1)),
    `network_direction` LowCardinality(String) COMMENT 'network.direction' CODEC(ZSTD(1)),
    `network_vlan_id` LowCardinality(String) COMMENT 'network.vlan.id' CODEC(ZSTD(1)),
    `network_inner_vlan_id` LowCardinality(String) COMMENT 'network.inner.vlan.id' CODEC(ZSTD(1)),
    `source_ip` IPv6 COMMENT 'source.ip' CODEC(ZSTD(1)),
    `source_port` UInt16 COMMENT 'source.port' CODEC(ZSTD(1)),
    `source_mac` LowCardinality(String) COMMENT 'source.mac' CODEC(ZSTD(1)),
    `destination_ip` IPv6 COMMENT 'destination.ip' CODEC(ZSTD(1)),
    `destination_port` UInt16 COMMENT 'destination.port' CODEC(ZSTD(1)),
    `destination_mac` LowCardinality(String) COMMENT 'destination.mac' CODEC(ZSTD(1)),
    `observer_ingress_interface_name` LowCardinality(String) COMMENT 'observer.ingress.interface.name' CODEC(ZSTD(1)),
    `observer_egress_interface_name` LowCardinality(String) COMMENT 'observer.egress.interface.name' CODEC(ZSTD(1)),
    `packet_hook` LowCardinality(String) COMMENT 'packet.hook' CODEC(ZSTD(1)),
    `packet_ethertype` LowCardinality(String) COMMENT 'packet.ethertype' CODEC(ZSTD(1)),
    `packet_length` UInt32 COMMENT 'packet.length' CODEC(ZSTD(1)),
    `packet_ttl` UInt8 COMMENT 'packet.ttl' CODEC(ZSTD(1)),
    `packet_dscp` UInt8 COMMENT 'packet.dscp' CODEC(ZSTD(1)),
    `packet_ecn` UInt8 COMMENT 'packet.ecn' CODEC(ZSTD(1)),
    `packet_id` UInt32 COMMENT 'packet.id' CODEC(Delta(4), ZSTD(1)),
    `packet_fragment_offset` UInt16 COMMENT 'packet.fragment.offset' CODEC(ZSTD(1)),
    `packet_fragment_more` Bool COMMENT 'packet.fragment.more' CODEC(ZSTD(1)),
    `packet_payload_length` UInt32 COMMENT 'packet.payload_length' CODEC(ZSTD(1)),
    `packet_segments` UInt16 COMMENT 'packet.segments' CODEC(ZSTD(1)),
    `packet_parse` Array(LowCardinality(String)) COMMENT 'packet.parse' CODEC(ZSTD(1)),
    `packet_tcp_flags` Array(LowCardinality(String)) COMMENT 'packet.tcp.flags' CODEC(ZSTD(1)),
    `packet_tcp_seq` UInt32 COMMENT 'packet.tcp.seq' CODEC(Delta(4), ZSTD(1)),
    `packet_tcp_ack` UInt32 COMMENT 'packet.tcp.ack' CODEC(Delta(4), ZSTD(1)),
    `packet_tcp_window` UInt16 COMMENT 'packet.tcp.window' CODEC(ZSTD(1)),
    `packet_icmp_type` UInt8 COMMENT 'packet.icmp.type' CODEC(ZSTD(1)),
    `packet_icmp_code` UInt8 COMMENT 'packet.icmp.code' CODEC(ZSTD(1)),
    `ecs_version` LowCardinality(String) DEFAULT '9.4.0' COMMENT 'ecs.version' CODEC(ZSTD(1)),
    `event_kind` LowCardinality(String) DEFAULT 'event' COMMENT 'event.kind' CODEC(ZSTD(1)),
    `event_category` Array(LowCardinality(String)) DEFAULT ['network'] COMMENT 'event.category' CODEC(ZSTD(1)),
    `event_module` LowCardinality(String) DEFAULT 'streamer' COMMENT 'event.module' CODEC(ZSTD(1)),
    `event_dataset` LowCardinality(String) DEFAULT 'streamer.packet' COMMENT 'event.dataset' CODEC(ZSTD(1))
)
ENGINE = ReplicatedReplacingMergeTree
PARTITION BY toYYYYMMDD(ts)
ORDER BY (toStartOfFiveMinutes(ts), community_id, ts, agent_id, agent_ephemeral_id, event_sequence)
COMMENT 'streamer packets.v1, tables of version 2';

CREATE TABLE IF NOT EXISTS streamer.packets ON CLUSTER '{cluster}' AS streamer.packets_local
ENGINE = Distributed('{cluster}', streamer, packets_local, cityHash64(community_id));

-- Records that do not fit, with the first reason found; empty when all is well.
-- (The consumer itself passes over records without a value.)
CREATE TABLE IF NOT EXISTS streamer.packets_rejected_local ON CLUSTER '{cluster}'
(
    `received` DateTime DEFAULT now(),
    `topic` LowCardinality(String),
    `partition` UInt64,
    `offset` UInt64,
    `reason` LowCardinality(String),
    `record` String CODEC(ZSTD(1))
)
ENGINE = ReplicatedReplacingMergeTree
ORDER BY (topic, partition, offset, cityHash64(record));

CREATE TABLE IF NOT EXISTS streamer.packets_rejected ON CLUSTER '{cluster}' AS streamer.packets_rejected_local
ENGINE = Distributed('{cluster}', streamer, packets_rejected_local, cityHash64(topic, partition, offset));

-- Minutes that got events, and when the last of them came.
CREATE TABLE IF NOT EXISTS streamer.packets_minutes_local ON CLUSTER '{cluster}'
(
    `minute` DateTime('UTC'),
    `arrived` DateTime64(3, 'UTC')
)
ENGINE = ReplicatedReplacingMergeTree(arrived)
ORDER BY (minute);

CREATE TABLE IF NOT EXISTS streamer.packets_minutes ON CLUSTER '{cluster}' AS streamer.packets_minutes_local
ENGINE = Distributed('{cluster}', streamer, packets_minutes_local, cityHash64(minute));

-- Sums by minute and hour. Each refresh writes new ones: read them with FINAL.
-- To keep them for a year: ALTER TABLE … MODIFY TTL minute + INTERVAL 1 YEAR;
CREATE TABLE IF NOT EXISTS streamer.packets_by_minute_local ON CLUSTER '{cluster}'
(
    `minute` DateTime('UTC') CODEC(Delta(4), ZSTD(1)),
    `agent_id` LowCardinality(String),
    `host_name` LowCardinality(String),
    `network_type` LowCardinality(String),
    `network_transport` LowCardinality(String),
    `network_iana_number` LowCardinality(String),
    `network_direction` LowCardinality(String),
    `packets` UInt64 COMMENT 'packets as the hook saw them',
    `segments` UInt64 COMMENT 'packets on the wire',
    `bytes` UInt64 COMMENT 'bytes on the wire',
    `payload_bytes` UInt64 COMMENT 'bytes after the transport headers',
    `resets` UInt64 COMMENT 'TCP packets with RST',
    `opens` UInt64 COMMENT 'TCP packets with SYN and without ACK',
    `unusual` UInt64 COMMENT 'packets with a packet.parse',
    `computed` DateTime64(3, 'UTC')
)
ENGINE = ReplicatedReplacingMergeTree(packets)
PARTITION BY toYYYYMM(minute)
ORDER BY (minute, agent_id, host_name, network_type, network_transport, network_iana_number, network_direction);

CREATE TABLE IF NOT EXISTS streamer.packets_by_minute ON CLUSTER '{cluster}' AS streamer.packets_by_minute_local
ENGINE = Distributed('{cluster}', streamer, packets_by_minute_local);

CREATE TABLE IF NOT EXISTS streamer.packets_by_hour_local ON CLUSTER '{cluster}'
(
    `hour` DateTime('UTC') CODEC(Delta(4), ZSTD(1)),
    `agent_id` LowCardinality(String),
    `host_name` LowCardinality(String),
    `network_type` LowCardinality(String),
    `network_transport` LowCardinality(String),
    `network_iana_number` LowCardinality(String),
    `network_direction` LowCardinality(String),
    `packets` UInt64 COMMENT 'packets as the hook saw them',
    `segments` UInt64 COMMENT 'packets on the wire',
    `bytes` UInt64 COMMENT 'bytes on the wire',
    `payload_bytes` UInt64 COMMENT 'bytes after the transport headers',
    `resets` UInt64 COMMENT 'TCP packets with RST',
    `opens` UInt64 COMMENT 'TCP packets with SYN and without ACK',
    `unusual` UInt64 COMMENT 'packets with a packet.parse',
    `computed` DateTime64(3, 'UTC')
)
ENGINE = ReplicatedReplacingMergeTree(packets)
PARTITION BY toYYYYMM(hour)
ORDER BY (hour, agent_id, host_name, network_type, network_transport, network_iana_number, network_direction);

CREATE TABLE IF NOT EXISTS streamer.packets_by_hour ON CLUSTER '{cluster}' AS streamer.packets_by_hour_local
ENGINE = Distributed('{cluster}', streamer, packets_by_hour_local);

-- Both directions of a conversation in one row; a is the end with the lower address.
CREATE TABLE IF NOT EXISTS streamer.conversations_by_minute_local ON CLUSTER '{cluster}'
(
    `minute` DateTime('UTC') CODEC(Delta(4), ZSTD(1)),
    `community_id` String CODEC(ZSTD(1)),
    `agent_id` LowCardinality(String),
    `network_transport` LowCardinality(String),
    `a_ip` IPv6 CODEC(ZSTD(1)),
    `a_port` UInt16,
    `b_ip` IPv6 CODEC(ZSTD(1)),
    `b_port` UInt16,
    `packets` UInt64,
    `packets_ab` UInt64 COMMENT 'from a to b',
    `bytes` UInt64,
    `bytes_ab` UInt64 COMMENT 'from a to b',
    `computed` DateTime64(3, 'UTC')
)
ENGINE = ReplicatedReplacingMergeTree(packets)
PARTITION BY toYYYYMM(minute)
ORDER BY (minute, community_id, agent_id, network_transport, a_ip, a_port, b_ip, b_port);

CREATE TABLE IF NOT EXISTS streamer.conversations_by_minute ON CLUSTER '{cluster}' AS streamer.conversations_by_minute_local
ENGINE = Distributed('{cluster}', streamer, conversations_by_minute_local);

CREATE TABLE IF NOT EXISTS streamer.packets_parsed ON CLUSTER '{cluster}'
(
    `ts` DateTime64(9, 'UTC'),
    `event_sequence` UInt64,
    `agent_id` LowCardinality(String),
    `agent_ephemeral_id` LowCardinality(String),
    `host_name` LowCardinality(String),
    `network_type` LowCardinality(String),
    `network_transport` LowCardinality(String),
    `network_iana_number` LowCardinality(String),
    `community_id` String,
    `network_direction` LowCardinality(String),
    `network_vlan_id` LowCardinality(String),
    `network_inner_vlan_id` LowCardinality(String),
    `source_ip` IPv6,
    `source_port` UInt16,
    `source_mac` LowCardinality(String),
    `destination_ip` IPv6,
    `destination_port` UInt16,
    `destination_mac` LowCardinality(String),
    `observer_ingress_interface_name` LowCardinality(String),
    `observer_egress_interface_name` LowCardinality(String),
    `packet_hook` LowCardinality(String),
    `packet_ethertype` LowCardinality(String),
    `packet_length` UInt32,
    `packet_ttl` UInt8,
    `packet_dscp` UInt8,
    `packet_ecn` UInt8,
    `packet_id` UInt32,
    `packet_fragment_offset` UInt16,
    `packet_fragment_more` Bool,
    `packet_payload_length` UInt32,
    `packet_segments` UInt16,
    `packet_parse` Array(LowCardinality(String)),
    `packet_tcp_flags` Array(LowCardinality(String)),
    `packet_tcp_seq` UInt32,
    `packet_tcp_ack` UInt32,
    `packet_tcp_window` UInt16,
    `packet_icmp_type` UInt8,
    `packet_icmp_code` UInt8,
    `topic` LowCardinality(String),
    `partition` UInt64,
    `offset` UInt64,
    `reason` String,
    `record` String
)
ENGINE = Null;

CREATE MATERIALIZED VIEW IF NOT EXISTS streamer.packets_writer ON CLUSTER '{cluster}' TO streamer.packets AS
SELECT `ts`, `event_sequence`, `agent_id`, `agent_ephemeral_id`, `host_name`, `network_type`, `network_transport`, `network_iana_number`, `community_id`, `network_direction`, `network_vlan_id`, `network_inner_vlan_id`, `source_ip`, `source_port`, `source_mac`, `destination_ip`, `destination_port`, `destination_mac`, `observer_ingress_interface_name`, `observer_egress_interface_name`, `packet_hook`, `packet_ethertype`, `packet_length`, `packet_ttl`, `packet_dscp`, `packet_ecn`, `packet_id`, `packet_fragment_offset`, `packet_fragment_more`, `packet_payload_length`, `packet_segments`, `packet_parse`, `packet_tcp_flags`, `packet_tcp_seq`, `packet_tcp_ack`, `packet_tcp_window`, `packet_icmp_type`, `packet_icmp_code`
FROM streamer.packets_parsed
WHERE reason = '';

CREATE MATERIALIZED VIEW IF NOT EXISTS streamer.packets_rejected_writer ON CLUSTER '{cluster}'
TO streamer.packets_rejected AS
SELECT topic, partition, offset, reason, record
FROM streamer.packets_parsed
WHERE reason != '';

CREATE MATERIALIZED VIEW IF NOT EXISTS streamer.packets_minutes_writer ON CLUSTER '{cluster}'
TO streamer.packets_minutes AS
SELECT toStartOfMinute(ts) AS minute, now64(3) AS arrived
FROM streamer.packets_parsed
WHERE reason = ''
GROUP BY minute;

CREATE MATERIALIZED VIEW IF NOT EXISTS streamer.packets_by_minute_writer ON CLUSTER '{cluster}'
REFRESH EVERY 1 MINUTE APPEND TO streamer.packets_by_minute_local AS
SELECT
    toStartOfMinute(ts) AS minute,
    agent_id,
    host_name,
    network_type,
    network_transport,
    network_iana_number,
    network_direction,
    count() AS `packets`,
    sum(packet_segments) AS `segments`,
    sum(packet_length) AS `bytes`,
    sum(packet_payload_length) AS `payload_bytes`,
    countIf(has(packet_tcp_flags, 'rst')) AS `resets`,
    countIf(has(packet_tcp_flags, 'syn') AND NOT has(packet_tcp_flags, 'ack')) AS `opens`,
    countIf(notEmpty(packet_parse)) AS `unusual`,
    now64(3) AS computed
FROM streamer.packets_local FINAL
WHERE toStartOfFiveMinutes(ts) IN (SELECT toStartOfFiveMinutes(minute) FROM streamer.packets_minutes WHERE arrived >= (SELECT max(computed) FROM streamer.packets_by_minute_local) - INTERVAL 1 MINUTE)
    AND toStartOfMinute(ts) IN (SELECT minute FROM streamer.packets_minutes WHERE arrived >= (SELECT max(computed) FROM streamer.packets_by_minute_local) - INTERVAL 1 MINUTE)
GROUP BY minute, agent_id, host_name, network_type, network_transport, network_iana_number, network_direction
SETTINGS do_not_merge_across_partitions_select_final = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS streamer.packets_by_hour_writer ON CLUSTER '{cluster}'
REFRESH EVERY 5 MINUTE APPEND TO streamer.packets_by_hour_local AS
SELECT
    toStartOfHour(minute) AS hour,
    agent_id,
    host_name,
    network_type,
    network_transport,
    network_iana_number,
    network_direction,
    sum(`packets`) AS `packets`,
    sum(`segments`) AS `segments`,
    sum(`bytes`) AS `bytes`,
    sum(`payload_bytes`) AS `payload_bytes`,
    sum(`resets`) AS `resets`,
    sum(`opens`) AS `opens`,
    sum(`unusual`) AS `unusual`,
    now64(3) AS computed
FROM streamer.packets_by_minute_local FINAL
WHERE toStartOfHour(minute) IN (
    SELECT toStartOfHour(minute) FROM streamer.packets_by_minute_local
    WHERE computed >= (SELECT max(computed) FROM streamer.packets_by_hour_local) - INTERVAL 1 MINUTE
)
GROUP BY hour, agent_id, host_name, network_type, network_transport, network_iana_number, network_direction;

CREATE MATERIALIZED VIEW IF NOT EXISTS streamer.conversations_by_minute_writer ON CLUSTER '{cluster}'
REFRESH EVERY 1 MINUTE APPEND TO streamer.conversations_by_minute_local AS
SELECT
    toStartOfMinute(ts) AS minute,
    community_id,
    agent_id,
    network_transport,
    if((source_ip, source_port) <= (destination_ip, destination_port), source_ip, destination_ip) AS a_ip,
    if((source_ip, source_port) <= (destination_ip, destination_port), source_port, destination_port) AS a_port,
    if((source_ip, source_port) <= (destination_ip, destination_port), destination_ip, source_ip) AS b_ip,
    if((source_ip, source_port) <= (destination_ip, destination_port), destination_port, source_port) AS b_port,
    count() AS packets,
    countIf((source_ip, source_port) <= (destination_ip, destination_port)) AS packets_ab,
    sum(packet_length) AS bytes,
    sumIf(packet_length, (source_ip, source_port) <= (destination_ip, destination_port)) AS bytes_ab,
    now64(3) AS computed
FROM streamer.packets_local FINAL
WHERE toStartOfFiveMinutes(ts) IN (SELECT toStartOfFiveMinutes(minute) FROM streamer.packets_minutes WHERE arrived >= (SELECT max(computed) FROM streamer.conversations_by_minute_local) - INTERVAL 1 MINUTE)
    AND toStartOfMinute(ts) IN (SELECT minute FROM streamer.packets_minutes WHERE arrived >= (SELECT max(computed) FROM streamer.conversations_by_minute_local) - INTERVAL 1 MINUTE) AND community_id != ''
GROUP BY minute, community_id, agent_id, network_transport, a_ip, a_port, b_ip, b_port
SETTINGS do_not_merge_across_partitions_select_final = 1;

CREATE TABLE IF NOT EXISTS streamer.packets_kafka ON CLUSTER '{cluster}'
(
    `record` String
)
ENGINE = Kafka
SETTINGS
    kafka_broker_list = 'localhost:9092',
    kafka_topic_list = 'packets.v1',
    kafka_group_name = 'clickhouse-packets',
    kafka_format = 'RawBLOB',
    kafka_max_block_size = 262144,
    kafka_poll_max_batch_size = 65536,
    kafka_flush_interval_ms = 2000;

CREATE MATERIALIZED VIEW IF NOT EXISTS streamer.packets_parser ON CLUSTER '{cluster}' TO streamer.packets_parsed AS
WITH
    JSONExtract(record, 'Tuple(`@timestamp` String, `event` Tuple(`sequence` String), `agent` Tuple(`id` String, `ephemeral_id` String), `host` Tuple(`name` String), `network` Tuple(`type` String, `transport` String, `iana_number` String, `community_id` String, `direction` String, `vlan` Tuple(`id` String), `inner` Tuple(`vlan` Tuple(`id` String))), `source` Tuple(`ip` String, `port` String, `mac` String), `destination` Tuple(`ip` String, `port` String, `mac` String), `observer` Tuple(`ingress` Tuple(`interface` Tuple(`name` String)), `egress` Tuple(`interface` Tuple(`name` String))), `packet` Tuple(`hook` String, `ethertype` String, `length` String, `ttl` String, `dscp` String, `ecn` String, `id` String, `fragment` Tuple(`offset` String, `more` String), `payload_length` String, `segments` String, `parse` Array(String), `tcp` Tuple(`flags` Array(String), `seq` String, `ack` String, `window` String), `icmp` Tuple(`type` String, `code` String)))') AS parsed,
    multiIf(
        parsed.`@timestamp` = '', '@timestamp is missing',
        parsed.`@timestamp` != '' AND isNull(parseDateTime64BestEffortOrNull(parsed.`@timestamp`, 9, 'UTC')), '@timestamp is no time',
        parsed.`event`.`sequence` = '', 'event.sequence is missing',
        parsed.`event`.`sequence` != '' AND (isNull(toUInt64OrNull(parsed.`event`.`sequence`)) OR toUInt64OrNull(parsed.`event`.`sequence`) > 9007199254740991), 'event.sequence is no integer from 0 to 9007199254740991',
        parsed.`agent`.`id` = '', 'agent.id is missing',
        parsed.`agent`.`ephemeral_id` = '', 'agent.ephemeral_id is missing',
        parsed.`source`.`ip` != '' AND isNull(toIPv6OrNull(parsed.`source`.`ip`)), 'source.ip is no address',
        parsed.`source`.`port` != '' AND isNull(toUInt16OrNull(parsed.`source`.`port`)), 'source.port is no integer from 0 to 65535',
        parsed.`destination`.`ip` != '' AND isNull(toIPv6OrNull(parsed.`destination`.`ip`)), 'destination.ip is no address',
        parsed.`destination`.`port` != '' AND isNull(toUInt16OrNull(parsed.`destination`.`port`)), 'destination.port is no integer from 0 to 65535',
        parsed.`packet`.`hook` = '', 'packet.hook is missing',
        parsed.`packet`.`length` = '', 'packet.length is missing',
        parsed.`packet`.`length` != '' AND isNull(toUInt32OrNull(parsed.`packet`.`length`)), 'packet.length is no integer from 0 to 4294967295',
        parsed.`packet`.`ttl` != '' AND isNull(toUInt8OrNull(parsed.`packet`.`ttl`)), 'packet.ttl is no integer from 0 to 255',
        parsed.`packet`.`dscp` != '' AND (isNull(toUInt8OrNull(parsed.`packet`.`dscp`)) OR toUInt8OrNull(parsed.`packet`.`dscp`) > 63), 'packet.dscp is no integer from 0 to 63',
        parsed.`packet`.`ecn` != '' AND (isNull(toUInt8OrNull(parsed.`packet`.`ecn`)) OR toUInt8OrNull(parsed.`packet`.`ecn`) > 3), 'packet.ecn is no integer from 0 to 3',
        parsed.`packet`.`id` != '' AND isNull(toUInt32OrNull(parsed.`packet`.`id`)), 'packet.id is no integer from 0 to 4294967295',
        parsed.`packet`.`fragment`.`offset` != '' AND isNull(toUInt16OrNull(parsed.`packet`.`fragment`.`offset`)), 'packet.fragment.offset is no integer from 0 to 65535',
        parsed.`packet`.`fragment`.`more` NOT IN ('', 'true', 'false'), 'packet.fragment.more is neither true nor false',
        parsed.`packet`.`payload_length` != '' AND isNull(toUInt32OrNull(parsed.`packet`.`payload_length`)), 'packet.payload_length is no integer from 0 to 4294967295',
        parsed.`packet`.`segments` != '' AND isNull(toUInt16OrNull(parsed.`packet`.`segments`)), 'packet.segments is no integer from 0 to 65535',
        parsed.`packet`.`tcp`.`seq` != '' AND isNull(toUInt32OrNull(parsed.`packet`.`tcp`.`seq`)), 'packet.tcp.seq is no integer from 0 to 4294967295',
        parsed.`packet`.`tcp`.`ack` != '' AND isNull(toUInt32OrNull(parsed.`packet`.`tcp`.`ack`)), 'packet.tcp.ack is no integer from 0 to 4294967295',
        parsed.`packet`.`tcp`.`window` != '' AND isNull(toUInt16OrNull(parsed.`packet`.`tcp`.`window`)), 'packet.tcp.window is no integer from 0 to 65535',
        parsed.`packet`.`icmp`.`type` != '' AND isNull(toUInt8OrNull(parsed.`packet`.`icmp`.`type`)), 'packet.icmp.type is no integer from 0 to 255',
        parsed.`packet`.`icmp`.`code` != '' AND isNull(toUInt8OrNull(parsed.`packet`.`icmp`.`code`)), 'packet.icmp.code is no integer from 0 to 255',
        ''
    ) AS fault
SELECT
    ifNull(parseDateTime64BestEffortOrNull(parsed.`@timestamp`, 9, 'UTC'), toDateTime64(0, 9, 'UTC')) AS `ts`,
    ifNull(toUInt64OrNull(parsed.`event`.`sequence`), 0) AS `event_sequence`,
    parsed.`agent`.`id` AS `agent_id`,
    parsed.`agent`.`ephemeral_id` AS `agent_ephemeral_id`,
    parsed.`host`.`name` AS `host_name`,
    parsed.`network`.`type` AS `network_type`,
    parsed.`network`.`transport` AS `network_transport`,
    parsed.`network`.`iana_number` AS `network_iana_number`,
    parsed.`network`.`community_id` AS `community_id`,
    parsed.`network`.`direction` AS `network_direction`,
    parsed.`network`.`vlan`.`id` AS `network_vlan_id`,
    parsed.`network`.`inner`.`vlan`.`id` AS `network_inner_vlan_id`,
    ifNull(toIPv6OrNull(parsed.`source`.`ip`), toIPv6('::')) AS `source_ip`,
    ifNull(toUInt16OrNull(parsed.`source`.`port`), 0) AS `source_port`,
    parsed.`source`.`mac` AS `source_mac`,
    ifNull(toIPv6OrNull(parsed.`destination`.`ip`), toIPv6('::')) AS `destination_ip`,
    ifNull(toUInt16OrNull(parsed.`destination`.`port`), 0) AS `destination_port`,
    parsed.`destination`.`mac` AS `destination_mac`,
    parsed.`observer`.`ingress`.`interface`.`name` AS `observer_ingress_interface_name`,
    parsed.`observer`.`egress`.`interface`.`name` AS `observer_egress_interface_name`,
    parsed.`packet`.`hook` AS `packet_hook`,
    parsed.`packet`.`ethertype` AS `packet_ethertype`,
    ifNull(toUInt32OrNull(parsed.`packet`.`length`), 0) AS `packet_length`,
    ifNull(toUInt8OrNull(parsed.`packet`.`ttl`), 0) AS `packet_ttl`,
    ifNull(toUInt8OrNull(parsed.`packet`.`dscp`), 0) AS `packet_dscp`,
    ifNull(toUInt8OrNull(parsed.`packet`.`ecn`), 0) AS `packet_ecn`,
    ifNull(toUInt32OrNull(parsed.`packet`.`id`), 0) AS `packet_id`,
    ifNull(toUInt16OrNull(parsed.`packet`.`fragment`.`offset`), 0) AS `packet_fragment_offset`,
    parsed.`packet`.`fragment`.`more` = 'true' AS `packet_fragment_more`,
    ifNull(toUInt32OrNull(parsed.`packet`.`payload_length`), 0) AS `packet_payload_length`,
    ifNull(toUInt16OrNull(parsed.`packet`.`segments`), 1) AS `packet_segments`,
    parsed.`packet`.`parse` AS `packet_parse`,
    parsed.`packet`.`tcp`.`flags` AS `packet_tcp_flags`,
    ifNull(toUInt32OrNull(parsed.`packet`.`tcp`.`seq`), 0) AS `packet_tcp_seq`,
    ifNull(toUInt32OrNull(parsed.`packet`.`tcp`.`ack`), 0) AS `packet_tcp_ack`,
    ifNull(toUInt16OrNull(parsed.`packet`.`tcp`.`window`), 0) AS `packet_tcp_window`,
    ifNull(toUInt8OrNull(parsed.`packet`.`icmp`.`type`), 0) AS `packet_icmp_type`,
    ifNull(toUInt8OrNull(parsed.`packet`.`icmp`.`code`), 0) AS `packet_icmp_code`,
    _topic AS topic,
    _partition AS partition,
    _offset AS offset,
    multiIf(
        fault = '', '',
        NOT isValidJSON(record), 'not JSON',
        JSONType(record) != 'Object', 'not a JSON object',
        fault
    ) AS reason,
    record
FROM streamer.packets_kafka;
