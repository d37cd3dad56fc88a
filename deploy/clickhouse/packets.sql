-- SPDX-License-Identifier: Apache-2.0
-- packets.v1 from Kafka into ClickHouse. Generated: streamer schema clickhouse --topic packets.v1 --broker HOST:PORT

CREATE DATABASE IF NOT EXISTS streamer;

-- What a record does not have is zero or empty; addresses of both families are IPv6 (IPv4 mapped:
-- 10.0.0.0/8 is isIPAddressInRange(toString(source_ip), '::ffff:10.0.0.0/104')).
-- Nothing is ever deleted; to keep 15 days:
-- ALTER TABLE streamer.packets MODIFY TTL toDateTime(ts) + INTERVAL 15 DAY;
CREATE TABLE IF NOT EXISTS streamer.packets
(
    `ts` DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)) COMMENT '@timestamp',
    `event_sequence` UInt64 CODEC(Delta(8), ZSTD(1)) COMMENT 'event.sequence',
    `agent_id` LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'agent.id',
    `agent_ephemeral_id` LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'agent.ephemeral_id',
    `host_name` LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'host.name',
    `network_type` LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'network.type',
    `network_transport` LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'network.transport',
    `network_iana_number` LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'network.iana_number',
    `community_id` String CODEC(ZSTD(1)) COMMENT 'network.community_id',
    `network_direction` LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'network.direction',
    `network_vlan_id` LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'network.vlan.id',
    `network_inner_vlan_id` LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'network.inner.vlan.id',
    `source_ip` IPv6 CODEC(ZSTD(1)) COMMENT 'source.ip',
    `source_port` UInt16 CODEC(ZSTD(1)) COMMENT 'source.port',
    `source_mac` LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'source.mac',
    `destination_ip` IPv6 CODEC(ZSTD(1)) COMMENT 'destination.ip',
    `destination_port` UInt16 CODEC(ZSTD(1)) COMMENT 'destination.port',
    `destination_mac` LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'destination.mac',
    `observer_ingress_interface_name` LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'observer.ingress.interface.name',
    `observer_egress_interface_name` LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'observer.egress.interface.name',
    `packet_hook` LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'packet.hook',
    `packet_ethertype` LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'packet.ethertype',
    `packet_length` UInt32 CODEC(ZSTD(1)) COMMENT 'packet.length',
    `packet_ttl` UInt8 CODEC(ZSTD(1)) COMMENT 'packet.ttl',
    `packet_dscp` UInt8 CODEC(ZSTD(1)) COMMENT 'packet.dscp',
    `packet_ecn` UInt8 CODEC(ZSTD(1)) COMMENT 'packet.ecn',
    `packet_id` UInt32 CODEC(Delta(4), ZSTD(1)) COMMENT 'packet.id',
    `packet_fragment_offset` UInt16 CODEC(ZSTD(1)) COMMENT 'packet.fragment.offset',
    `packet_fragment_more` Bool CODEC(ZSTD(1)) COMMENT 'packet.fragment.more',
    `packet_payload_length` UInt32 CODEC(ZSTD(1)) COMMENT 'packet.payload_length',
    `packet_segments` UInt16 CODEC(ZSTD(1)) COMMENT 'packet.segments',
    `packet_parse` Array(LowCardinality(String)) CODEC(ZSTD(1)) COMMENT 'packet.parse',
    `packet_tcp_flags` Array(LowCardinality(String)) CODEC(ZSTD(1)) COMMENT 'packet.tcp.flags',
    `packet_tcp_seq` UInt32 CODEC(Delta(4), ZSTD(1)) COMMENT 'packet.tcp.seq',
    `packet_tcp_ack` UInt32 CODEC(Delta(4), ZSTD(1)) COMMENT 'packet.tcp.ack',
    `packet_tcp_window` UInt16 CODEC(ZSTD(1)) COMMENT 'packet.tcp.window',
    `packet_icmp_type` UInt8 CODEC(ZSTD(1)) COMMENT 'packet.icmp.type',
    `packet_icmp_code` UInt8 CODEC(ZSTD(1)) COMMENT 'packet.icmp.code',
    `ecs_version` LowCardinality(String) DEFAULT '9.4.0' CODEC(ZSTD(1)) COMMENT 'ecs.version',
    `event_kind` LowCardinality(String) DEFAULT 'event' CODEC(ZSTD(1)) COMMENT 'event.kind',
    `event_category` Array(LowCardinality(String)) DEFAULT ['network'] CODEC(ZSTD(1)) COMMENT 'event.category',
    `event_module` LowCardinality(String) DEFAULT 'streamer' CODEC(ZSTD(1)) COMMENT 'event.module',
    `event_dataset` LowCardinality(String) DEFAULT 'streamer.packet' CODEC(ZSTD(1)) COMMENT 'event.dataset'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(ts)
ORDER BY (toStartOfFiveMinutes(ts), community_id, ts);

-- Records that are no JSON object or have no @timestamp; empty when all is well.
CREATE TABLE IF NOT EXISTS streamer.packets_rejected
(
    `received` DateTime DEFAULT now(),
    `topic` LowCardinality(String),
    `partition` UInt64,
    `offset` UInt64,
    `record` String CODEC(ZSTD(1))
)
ENGINE = MergeTree
ORDER BY (topic, partition, offset);

CREATE TABLE IF NOT EXISTS streamer.packets_kafka
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

CREATE MATERIALIZED VIEW IF NOT EXISTS streamer.packets_writer TO streamer.packets AS
WITH
    JSONExtract(record, 'Tuple(`@timestamp` String, `event` Tuple(`sequence` UInt64), `agent` Tuple(`id` String, `ephemeral_id` String), `host` Tuple(`name` String), `network` Tuple(`type` String, `transport` String, `iana_number` String, `community_id` String, `direction` String, `vlan` Tuple(`id` String), `inner` Tuple(`vlan` Tuple(`id` String))), `source` Tuple(`ip` IPv6, `port` UInt16, `mac` String), `destination` Tuple(`ip` IPv6, `port` UInt16, `mac` String), `observer` Tuple(`ingress` Tuple(`interface` Tuple(`name` String)), `egress` Tuple(`interface` Tuple(`name` String))), `packet` Tuple(`hook` String, `ethertype` String, `length` UInt32, `ttl` UInt8, `dscp` UInt8, `ecn` UInt8, `id` UInt32, `fragment` Tuple(`offset` UInt16, `more` Bool), `payload_length` UInt32, `segments` UInt16, `parse` Array(String), `tcp` Tuple(`flags` Array(String), `seq` UInt32, `ack` UInt32, `window` UInt16), `icmp` Tuple(`type` UInt8, `code` UInt8)))') AS event,
    parseDateTime64BestEffortOrZero(tupleElement(event, '@timestamp'), 9, 'UTC') AS time
SELECT
    time AS `ts`,
    tupleElement(tupleElement(event, 'event'), 'sequence') AS `event_sequence`,
    tupleElement(tupleElement(event, 'agent'), 'id') AS `agent_id`,
    tupleElement(tupleElement(event, 'agent'), 'ephemeral_id') AS `agent_ephemeral_id`,
    tupleElement(tupleElement(event, 'host'), 'name') AS `host_name`,
    tupleElement(tupleElement(event, 'network'), 'type') AS `network_type`,
    tupleElement(tupleElement(event, 'network'), 'transport') AS `network_transport`,
    tupleElement(tupleElement(event, 'network'), 'iana_number') AS `network_iana_number`,
    tupleElement(tupleElement(event, 'network'), 'community_id') AS `community_id`,
    tupleElement(tupleElement(event, 'network'), 'direction') AS `network_direction`,
    tupleElement(tupleElement(tupleElement(event, 'network'), 'vlan'), 'id') AS `network_vlan_id`,
    tupleElement(tupleElement(tupleElement(tupleElement(event, 'network'), 'inner'), 'vlan'), 'id') AS `network_inner_vlan_id`,
    tupleElement(tupleElement(event, 'source'), 'ip') AS `source_ip`,
    tupleElement(tupleElement(event, 'source'), 'port') AS `source_port`,
    tupleElement(tupleElement(event, 'source'), 'mac') AS `source_mac`,
    tupleElement(tupleElement(event, 'destination'), 'ip') AS `destination_ip`,
    tupleElement(tupleElement(event, 'destination'), 'port') AS `destination_port`,
    tupleElement(tupleElement(event, 'destination'), 'mac') AS `destination_mac`,
    tupleElement(tupleElement(tupleElement(tupleElement(event, 'observer'), 'ingress'), 'interface'), 'name') AS `observer_ingress_interface_name`,
    tupleElement(tupleElement(tupleElement(tupleElement(event, 'observer'), 'egress'), 'interface'), 'name') AS `observer_egress_interface_name`,
    tupleElement(tupleElement(event, 'packet'), 'hook') AS `packet_hook`,
    tupleElement(tupleElement(event, 'packet'), 'ethertype') AS `packet_ethertype`,
    tupleElement(tupleElement(event, 'packet'), 'length') AS `packet_length`,
    tupleElement(tupleElement(event, 'packet'), 'ttl') AS `packet_ttl`,
    tupleElement(tupleElement(event, 'packet'), 'dscp') AS `packet_dscp`,
    tupleElement(tupleElement(event, 'packet'), 'ecn') AS `packet_ecn`,
    tupleElement(tupleElement(event, 'packet'), 'id') AS `packet_id`,
    tupleElement(tupleElement(tupleElement(event, 'packet'), 'fragment'), 'offset') AS `packet_fragment_offset`,
    tupleElement(tupleElement(tupleElement(event, 'packet'), 'fragment'), 'more') AS `packet_fragment_more`,
    tupleElement(tupleElement(event, 'packet'), 'payload_length') AS `packet_payload_length`,
    if(tupleElement(tupleElement(event, 'packet'), 'segments') = 0, 1, tupleElement(tupleElement(event, 'packet'), 'segments')) AS `packet_segments`,
    tupleElement(tupleElement(event, 'packet'), 'parse') AS `packet_parse`,
    tupleElement(tupleElement(tupleElement(event, 'packet'), 'tcp'), 'flags') AS `packet_tcp_flags`,
    tupleElement(tupleElement(tupleElement(event, 'packet'), 'tcp'), 'seq') AS `packet_tcp_seq`,
    tupleElement(tupleElement(tupleElement(event, 'packet'), 'tcp'), 'ack') AS `packet_tcp_ack`,
    tupleElement(tupleElement(tupleElement(event, 'packet'), 'tcp'), 'window') AS `packet_tcp_window`,
    tupleElement(tupleElement(tupleElement(event, 'packet'), 'icmp'), 'type') AS `packet_icmp_type`,
    tupleElement(tupleElement(tupleElement(event, 'packet'), 'icmp'), 'code') AS `packet_icmp_code`
FROM streamer.packets_kafka
WHERE JSONType(record) = 'Object' AND time != 0;

CREATE MATERIALIZED VIEW IF NOT EXISTS streamer.packets_rejected_writer TO streamer.packets_rejected AS
SELECT
    _topic AS topic,
    _partition AS partition,
    _offset AS offset,
    record
FROM streamer.packets_kafka
WHERE JSONType(record) != 'Object'
    OR parseDateTime64BestEffortOrZero(JSONExtractString(record, '@timestamp'), 9, 'UTC') = 0;
