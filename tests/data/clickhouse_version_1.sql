-- SPDX-License-Identifier: Apache-2.0
-- packets.v1 from Kafka into ClickHouse. Generated: streamer schema clickhouse --topic packets.v1 --broker HOST:PORT

CREATE DATABASE IF NOT EXISTS streamer;

-- What a record does not have is zero or empty; addresses of both families are IPv6 (IPv4 mapped:
-- 10.0.0.0/8 is isIPAddressInRange(toString(source_ip), '::ffff:10.0.0.0/104')).
-- Nothing is ever deleted; to keep 15 days:
-- ALTER TABLE streamer.packets MODIFY TTL toDateTime(ts) + INTERVAL 15 DAY;
CREATE TABLE IF NOT EXISTS streamer.packets
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
ENGINE = MergeTree
PARTITION BY toYYYYMM(ts)
ORDER BY (toStartOfFiveMinutes(ts), community_id, ts);

-- Records that are no JSON object or have no @timestamp; empty when all is well.
-- (The consumer itself passes over records without a value.)
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
    JSONExtract(record, 'Tuple(`@timestamp` String, `event` Tuple(`sequence` UInt64), `agent` Tuple(`id` String, `ephemeral_id` String), `host` Tuple(`name` String), `network` Tuple(`type` String, `transport` String, `iana_number` String, `community_id` String, `direction` String, `vlan` Tuple(`id` String), `inner` Tuple(`vlan` Tuple(`id` String))), `source` Tuple(`ip` IPv6, `port` UInt16, `mac` String), `destination` Tuple(`ip` IPv6, `port` UInt16, `mac` String), `observer` Tuple(`ingress` Tuple(`interface` Tuple(`name` String)), `egress` Tuple(`interface` Tuple(`name` String))), `packet` Tuple(`hook` String, `ethertype` String, `length` UInt32, `ttl` UInt8, `dscp` UInt8, `ecn` UInt8, `id` UInt32, `fragment` Tuple(`offset` UInt16, `more` Bool), `payload_length` UInt32, `segments` UInt16, `parse` Array(String), `tcp` Tuple(`flags` Array(String), `seq` UInt32, `ack` UInt32, `window` UInt16), `icmp` Tuple(`type` UInt8, `code` UInt8)))') AS parsed,
    parseDateTime64BestEffortOrZero(parsed.`@timestamp`, 9, 'UTC') AS time
SELECT
    time AS `ts`,
    parsed.`event`.`sequence` AS `event_sequence`,
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
    parsed.`source`.`ip` AS `source_ip`,
    parsed.`source`.`port` AS `source_port`,
    parsed.`source`.`mac` AS `source_mac`,
    parsed.`destination`.`ip` AS `destination_ip`,
    parsed.`destination`.`port` AS `destination_port`,
    parsed.`destination`.`mac` AS `destination_mac`,
    parsed.`observer`.`ingress`.`interface`.`name` AS `observer_ingress_interface_name`,
    parsed.`observer`.`egress`.`interface`.`name` AS `observer_egress_interface_name`,
    parsed.`packet`.`hook` AS `packet_hook`,
    parsed.`packet`.`ethertype` AS `packet_ethertype`,
    parsed.`packet`.`length` AS `packet_length`,
    parsed.`packet`.`ttl` AS `packet_ttl`,
    parsed.`packet`.`dscp` AS `packet_dscp`,
    parsed.`packet`.`ecn` AS `packet_ecn`,
    parsed.`packet`.`id` AS `packet_id`,
    parsed.`packet`.`fragment`.`offset` AS `packet_fragment_offset`,
    parsed.`packet`.`fragment`.`more` AS `packet_fragment_more`,
    parsed.`packet`.`payload_length` AS `packet_payload_length`,
    if(parsed.`packet`.`segments` = 0, 1, parsed.`packet`.`segments`) AS `packet_segments`,
    parsed.`packet`.`parse` AS `packet_parse`,
    parsed.`packet`.`tcp`.`flags` AS `packet_tcp_flags`,
    parsed.`packet`.`tcp`.`seq` AS `packet_tcp_seq`,
    parsed.`packet`.`tcp`.`ack` AS `packet_tcp_ack`,
    parsed.`packet`.`tcp`.`window` AS `packet_tcp_window`,
    parsed.`packet`.`icmp`.`type` AS `packet_icmp_type`,
    parsed.`packet`.`icmp`.`code` AS `packet_icmp_code`
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

-- What a record does not have is zero or empty; addresses of both families are IPv6 (IPv4 mapped:
-- 10.0.0.0/8 is isIPAddressInRange(toString(source_ip), '::ffff:10.0.0.0/104')).
-- Nothing is ever deleted; to keep 15 days:
-- ALTER TABLE streamer.stats MODIFY TTL toDateTime(ts) + INTERVAL 15 DAY;
CREATE TABLE IF NOT EXISTS streamer.stats
(
    `ts` DateTime64(9, 'UTC') COMMENT '@timestamp' CODEC(Delta(8), ZSTD(1)),
    `event_sequence` UInt64 COMMENT 'event.sequence' CODEC(Delta(8), ZSTD(1)),
    `agent_id` LowCardinality(String) COMMENT 'agent.id' CODEC(ZSTD(1)),
    `agent_ephemeral_id` LowCardinality(String) COMMENT 'agent.ephemeral_id' CODEC(ZSTD(1)),
    `host_name` LowCardinality(String) COMMENT 'host.name' CODEC(ZSTD(1)),
    `packets_seen` UInt64 COMMENT 'ledger.packets.seen' CODEC(ZSTD(1)),
    `packets_segments` UInt64 COMMENT 'ledger.packets.segments' CODEC(ZSTD(1)),
    `packets_filtered_self` UInt64 COMMENT 'ledger.packets.filtered.self' CODEC(ZSTD(1)),
    `packets_dropped_ring_full` UInt64 COMMENT 'ledger.packets.dropped.ring_full' CODEC(ZSTD(1)),
    `packets_emitted` UInt64 COMMENT 'ledger.packets.emitted' CODEC(ZSTD(1)),
    `packets_unaccounted` UInt64 COMMENT 'ledger.packets.unaccounted' CODEC(ZSTD(1)),
    `packets_hooks_tc_ingress_seen` UInt64 COMMENT 'ledger.packets.hooks.tc.ingress.seen' CODEC(ZSTD(1)),
    `packets_hooks_tc_ingress_segments` UInt64 COMMENT 'ledger.packets.hooks.tc.ingress.segments' CODEC(ZSTD(1)),
    `packets_hooks_tc_ingress_filtered_self` UInt64 COMMENT 'ledger.packets.hooks.tc.ingress.filtered.self' CODEC(ZSTD(1)),
    `packets_hooks_tc_ingress_dropped_ring_full` UInt64 COMMENT 'ledger.packets.hooks.tc.ingress.dropped.ring_full' CODEC(ZSTD(1)),
    `packets_hooks_tc_ingress_emitted` UInt64 COMMENT 'ledger.packets.hooks.tc.ingress.emitted' CODEC(ZSTD(1)),
    `packets_hooks_tc_ingress_unaccounted` Int64 COMMENT 'ledger.packets.hooks.tc.ingress.unaccounted' CODEC(ZSTD(1)),
    `packets_hooks_tc_egress_seen` UInt64 COMMENT 'ledger.packets.hooks.tc.egress.seen' CODEC(ZSTD(1)),
    `packets_hooks_tc_egress_segments` UInt64 COMMENT 'ledger.packets.hooks.tc.egress.segments' CODEC(ZSTD(1)),
    `packets_hooks_tc_egress_filtered_self` UInt64 COMMENT 'ledger.packets.hooks.tc.egress.filtered.self' CODEC(ZSTD(1)),
    `packets_hooks_tc_egress_dropped_ring_full` UInt64 COMMENT 'ledger.packets.hooks.tc.egress.dropped.ring_full' CODEC(ZSTD(1)),
    `packets_hooks_tc_egress_emitted` UInt64 COMMENT 'ledger.packets.hooks.tc.egress.emitted' CODEC(ZSTD(1)),
    `packets_hooks_tc_egress_unaccounted` Int64 COMMENT 'ledger.packets.hooks.tc.egress.unaccounted' CODEC(ZSTD(1)),
    `packets_hooks_xdp_ingress_seen` UInt64 COMMENT 'ledger.packets.hooks.xdp.ingress.seen' CODEC(ZSTD(1)),
    `packets_hooks_xdp_ingress_segments` UInt64 COMMENT 'ledger.packets.hooks.xdp.ingress.segments' CODEC(ZSTD(1)),
    `packets_hooks_xdp_ingress_filtered_self` UInt64 COMMENT 'ledger.packets.hooks.xdp.ingress.filtered.self' CODEC(ZSTD(1)),
    `packets_hooks_xdp_ingress_dropped_ring_full` UInt64 COMMENT 'ledger.packets.hooks.xdp.ingress.dropped.ring_full' CODEC(ZSTD(1)),
    `packets_hooks_xdp_ingress_emitted` UInt64 COMMENT 'ledger.packets.hooks.xdp.ingress.emitted' CODEC(ZSTD(1)),
    `packets_hooks_xdp_ingress_unaccounted` Int64 COMMENT 'ledger.packets.hooks.xdp.ingress.unaccounted' CODEC(ZSTD(1)),
    `packets_hooks_socket_ingress_seen` UInt64 COMMENT 'ledger.packets.hooks.socket.ingress.seen' CODEC(ZSTD(1)),
    `packets_hooks_socket_ingress_segments` UInt64 COMMENT 'ledger.packets.hooks.socket.ingress.segments' CODEC(ZSTD(1)),
    `packets_hooks_socket_ingress_filtered_self` UInt64 COMMENT 'ledger.packets.hooks.socket.ingress.filtered.self' CODEC(ZSTD(1)),
    `packets_hooks_socket_ingress_dropped_ring_full` UInt64 COMMENT 'ledger.packets.hooks.socket.ingress.dropped.ring_full' CODEC(ZSTD(1)),
    `packets_hooks_socket_ingress_emitted` UInt64 COMMENT 'ledger.packets.hooks.socket.ingress.emitted' CODEC(ZSTD(1)),
    `packets_hooks_socket_ingress_unaccounted` Int64 COMMENT 'ledger.packets.hooks.socket.ingress.unaccounted' CODEC(ZSTD(1)),
    `packets_hooks_socket_egress_seen` UInt64 COMMENT 'ledger.packets.hooks.socket.egress.seen' CODEC(ZSTD(1)),
    `packets_hooks_socket_egress_segments` UInt64 COMMENT 'ledger.packets.hooks.socket.egress.segments' CODEC(ZSTD(1)),
    `packets_hooks_socket_egress_filtered_self` UInt64 COMMENT 'ledger.packets.hooks.socket.egress.filtered.self' CODEC(ZSTD(1)),
    `packets_hooks_socket_egress_dropped_ring_full` UInt64 COMMENT 'ledger.packets.hooks.socket.egress.dropped.ring_full' CODEC(ZSTD(1)),
    `packets_hooks_socket_egress_emitted` UInt64 COMMENT 'ledger.packets.hooks.socket.egress.emitted' CODEC(ZSTD(1)),
    `packets_hooks_socket_egress_unaccounted` Int64 COMMENT 'ledger.packets.hooks.socket.egress.unaccounted' CODEC(ZSTD(1)),
    `records_emitted` UInt64 COMMENT 'ledger.records.emitted' CODEC(ZSTD(1)),
    `records_in_ring` UInt64 COMMENT 'ledger.records.in_ring' CODEC(ZSTD(1)),
    `records_drained` UInt64 COMMENT 'ledger.records.drained' CODEC(ZSTD(1)),
    `records_rejected` Map(LowCardinality(String), UInt64) COMMENT 'ledger.records.rejected' CODEC(ZSTD(1)),
    `records_encoded` UInt64 COMMENT 'ledger.records.encoded' CODEC(ZSTD(1)),
    `records_open` UInt64 COMMENT 'ledger.records.open' CODEC(ZSTD(1)),
    `records_sealed` UInt64 COMMENT 'ledger.records.sealed' CODEC(ZSTD(1)),
    `records_queued` UInt64 COMMENT 'ledger.records.queued' CODEC(ZSTD(1)),
    `records_in_flight` UInt64 COMMENT 'ledger.records.in_flight' CODEC(ZSTD(1)),
    `records_acknowledged` UInt64 COMMENT 'ledger.records.acknowledged' CODEC(ZSTD(1)),
    `records_failed` Map(LowCardinality(String), UInt64) COMMENT 'ledger.records.failed' CODEC(ZSTD(1)),
    `records_unaccounted` UInt64 COMMENT 'ledger.records.unaccounted' CODEC(ZSTD(1)),
    `lost` UInt64 COMMENT 'ledger.lost' CODEC(ZSTD(1)),
    `undelivered` UInt64 COMMENT 'ledger.undelivered' CODEC(ZSTD(1)),
    `unaccounted` UInt64 COMMENT 'ledger.unaccounted' CODEC(ZSTD(1)),
    `pump_sequence_gaps` UInt64 COMMENT 'ledger.pump.sequence_gaps' CODEC(ZSTD(1)),
    `pump_pauses` UInt64 COMMENT 'ledger.pump.pauses' CODEC(ZSTD(1)),
    `pump_batches` UInt64 COMMENT 'ledger.pump.batches' CODEC(ZSTD(1)),
    `pump_raw_bytes` UInt64 COMMENT 'ledger.pump.raw_bytes' CODEC(ZSTD(1)),
    `pump_sealed_bytes` UInt64 COMMENT 'ledger.pump.sealed_bytes' CODEC(ZSTD(1)),
    `pump_cpu_ns` UInt64 COMMENT 'ledger.pump.cpu_ns' CODEC(ZSTD(1)),
    `delivery_queued_bytes` UInt64 COMMENT 'ledger.delivery.queued_bytes' CODEC(ZSTD(1)),
    `delivery_in_flight_bytes` UInt64 COMMENT 'ledger.delivery.in_flight_bytes' CODEC(ZSTD(1)),
    `delivery_acknowledged_bytes` UInt64 COMMENT 'ledger.delivery.acknowledged_bytes' CODEC(ZSTD(1)),
    `delivery_acknowledged_batches` UInt64 COMMENT 'ledger.delivery.acknowledged_batches' CODEC(ZSTD(1)),
    `delivery_retries` UInt64 COMMENT 'ledger.delivery.retries' CODEC(ZSTD(1)),
    `ring_fill_bytes` UInt64 COMMENT 'ledger.ring.fill_bytes' CODEC(ZSTD(1)),
    `ring_size_bytes` UInt64 COMMENT 'ledger.ring.size_bytes' CODEC(ZSTD(1)),
    `ecs_version` LowCardinality(String) DEFAULT '9.4.0' COMMENT 'ecs.version' CODEC(ZSTD(1)),
    `event_kind` LowCardinality(String) DEFAULT 'metric' COMMENT 'event.kind' CODEC(ZSTD(1)),
    `event_module` LowCardinality(String) DEFAULT 'streamer' COMMENT 'event.module' CODEC(ZSTD(1)),
    `event_dataset` LowCardinality(String) DEFAULT 'streamer.stats' COMMENT 'event.dataset' CODEC(ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(ts)
ORDER BY (agent_id, agent_ephemeral_id, ts);

-- Records that are no JSON object or have no @timestamp; empty when all is well.
-- (The consumer itself passes over records without a value.)
CREATE TABLE IF NOT EXISTS streamer.stats_rejected
(
    `received` DateTime DEFAULT now(),
    `topic` LowCardinality(String),
    `partition` UInt64,
    `offset` UInt64,
    `record` String CODEC(ZSTD(1))
)
ENGINE = MergeTree
ORDER BY (topic, partition, offset);

CREATE TABLE IF NOT EXISTS streamer.stats_kafka
(
    `record` String
)
ENGINE = Kafka
SETTINGS
    kafka_broker_list = 'localhost:9092',
    kafka_topic_list = 'stats.v1',
    kafka_group_name = 'clickhouse-stats',
    kafka_format = 'RawBLOB',
    kafka_max_block_size = 262144,
    kafka_poll_max_batch_size = 65536,
    kafka_flush_interval_ms = 2000;

CREATE MATERIALIZED VIEW IF NOT EXISTS streamer.stats_writer TO streamer.stats AS
WITH
    JSONExtract(record, 'Tuple(`@timestamp` String, `event` Tuple(`sequence` UInt64), `agent` Tuple(`id` String, `ephemeral_id` String), `host` Tuple(`name` String), `ledger` Tuple(`packets` Tuple(`seen` UInt64, `segments` UInt64, `filtered` Tuple(`self` UInt64), `dropped` Tuple(`ring_full` UInt64), `emitted` UInt64, `unaccounted` UInt64, `hooks` Tuple(`tc` Tuple(`ingress` Tuple(`seen` UInt64, `segments` UInt64, `filtered` Tuple(`self` UInt64), `dropped` Tuple(`ring_full` UInt64), `emitted` UInt64, `unaccounted` Int64), `egress` Tuple(`seen` UInt64, `segments` UInt64, `filtered` Tuple(`self` UInt64), `dropped` Tuple(`ring_full` UInt64), `emitted` UInt64, `unaccounted` Int64)), `xdp` Tuple(`ingress` Tuple(`seen` UInt64, `segments` UInt64, `filtered` Tuple(`self` UInt64), `dropped` Tuple(`ring_full` UInt64), `emitted` UInt64, `unaccounted` Int64)), `socket` Tuple(`ingress` Tuple(`seen` UInt64, `segments` UInt64, `filtered` Tuple(`self` UInt64), `dropped` Tuple(`ring_full` UInt64), `emitted` UInt64, `unaccounted` Int64), `egress` Tuple(`seen` UInt64, `segments` UInt64, `filtered` Tuple(`self` UInt64), `dropped` Tuple(`ring_full` UInt64), `emitted` UInt64, `unaccounted` Int64)))), `records` Tuple(`emitted` UInt64, `in_ring` UInt64, `drained` UInt64, `rejected` Map(String, UInt64), `encoded` UInt64, `open` UInt64, `sealed` UInt64, `queued` UInt64, `in_flight` UInt64, `acknowledged` UInt64, `failed` Map(String, UInt64), `unaccounted` UInt64), `lost` UInt64, `undelivered` UInt64, `unaccounted` UInt64, `pump` Tuple(`sequence_gaps` UInt64, `pauses` UInt64, `batches` UInt64, `raw_bytes` UInt64, `sealed_bytes` UInt64, `cpu_ns` UInt64), `delivery` Tuple(`queued_bytes` UInt64, `in_flight_bytes` UInt64, `acknowledged_bytes` UInt64, `acknowledged_batches` UInt64, `retries` UInt64), `ring` Tuple(`fill_bytes` UInt64, `size_bytes` UInt64)))') AS parsed,
    parseDateTime64BestEffortOrZero(parsed.`@timestamp`, 9, 'UTC') AS time
SELECT
    time AS `ts`,
    parsed.`event`.`sequence` AS `event_sequence`,
    parsed.`agent`.`id` AS `agent_id`,
    parsed.`agent`.`ephemeral_id` AS `agent_ephemeral_id`,
    parsed.`host`.`name` AS `host_name`,
    parsed.`ledger`.`packets`.`seen` AS `packets_seen`,
    parsed.`ledger`.`packets`.`segments` AS `packets_segments`,
    parsed.`ledger`.`packets`.`filtered`.`self` AS `packets_filtered_self`,
    parsed.`ledger`.`packets`.`dropped`.`ring_full` AS `packets_dropped_ring_full`,
    parsed.`ledger`.`packets`.`emitted` AS `packets_emitted`,
    parsed.`ledger`.`packets`.`unaccounted` AS `packets_unaccounted`,
    parsed.`ledger`.`packets`.`hooks`.`tc`.`ingress`.`seen` AS `packets_hooks_tc_ingress_seen`,
    parsed.`ledger`.`packets`.`hooks`.`tc`.`ingress`.`segments` AS `packets_hooks_tc_ingress_segments`,
    parsed.`ledger`.`packets`.`hooks`.`tc`.`ingress`.`filtered`.`self` AS `packets_hooks_tc_ingress_filtered_self`,
    parsed.`ledger`.`packets`.`hooks`.`tc`.`ingress`.`dropped`.`ring_full` AS `packets_hooks_tc_ingress_dropped_ring_full`,
    parsed.`ledger`.`packets`.`hooks`.`tc`.`ingress`.`emitted` AS `packets_hooks_tc_ingress_emitted`,
    parsed.`ledger`.`packets`.`hooks`.`tc`.`ingress`.`unaccounted` AS `packets_hooks_tc_ingress_unaccounted`,
    parsed.`ledger`.`packets`.`hooks`.`tc`.`egress`.`seen` AS `packets_hooks_tc_egress_seen`,
    parsed.`ledger`.`packets`.`hooks`.`tc`.`egress`.`segments` AS `packets_hooks_tc_egress_segments`,
    parsed.`ledger`.`packets`.`hooks`.`tc`.`egress`.`filtered`.`self` AS `packets_hooks_tc_egress_filtered_self`,
    parsed.`ledger`.`packets`.`hooks`.`tc`.`egress`.`dropped`.`ring_full` AS `packets_hooks_tc_egress_dropped_ring_full`,
    parsed.`ledger`.`packets`.`hooks`.`tc`.`egress`.`emitted` AS `packets_hooks_tc_egress_emitted`,
    parsed.`ledger`.`packets`.`hooks`.`tc`.`egress`.`unaccounted` AS `packets_hooks_tc_egress_unaccounted`,
    parsed.`ledger`.`packets`.`hooks`.`xdp`.`ingress`.`seen` AS `packets_hooks_xdp_ingress_seen`,
    parsed.`ledger`.`packets`.`hooks`.`xdp`.`ingress`.`segments` AS `packets_hooks_xdp_ingress_segments`,
    parsed.`ledger`.`packets`.`hooks`.`xdp`.`ingress`.`filtered`.`self` AS `packets_hooks_xdp_ingress_filtered_self`,
    parsed.`ledger`.`packets`.`hooks`.`xdp`.`ingress`.`dropped`.`ring_full` AS `packets_hooks_xdp_ingress_dropped_ring_full`,
    parsed.`ledger`.`packets`.`hooks`.`xdp`.`ingress`.`emitted` AS `packets_hooks_xdp_ingress_emitted`,
    parsed.`ledger`.`packets`.`hooks`.`xdp`.`ingress`.`unaccounted` AS `packets_hooks_xdp_ingress_unaccounted`,
    parsed.`ledger`.`packets`.`hooks`.`socket`.`ingress`.`seen` AS `packets_hooks_socket_ingress_seen`,
    parsed.`ledger`.`packets`.`hooks`.`socket`.`ingress`.`segments` AS `packets_hooks_socket_ingress_segments`,
    parsed.`ledger`.`packets`.`hooks`.`socket`.`ingress`.`filtered`.`self` AS `packets_hooks_socket_ingress_filtered_self`,
    parsed.`ledger`.`packets`.`hooks`.`socket`.`ingress`.`dropped`.`ring_full` AS `packets_hooks_socket_ingress_dropped_ring_full`,
    parsed.`ledger`.`packets`.`hooks`.`socket`.`ingress`.`emitted` AS `packets_hooks_socket_ingress_emitted`,
    parsed.`ledger`.`packets`.`hooks`.`socket`.`ingress`.`unaccounted` AS `packets_hooks_socket_ingress_unaccounted`,
    parsed.`ledger`.`packets`.`hooks`.`socket`.`egress`.`seen` AS `packets_hooks_socket_egress_seen`,
    parsed.`ledger`.`packets`.`hooks`.`socket`.`egress`.`segments` AS `packets_hooks_socket_egress_segments`,
    parsed.`ledger`.`packets`.`hooks`.`socket`.`egress`.`filtered`.`self` AS `packets_hooks_socket_egress_filtered_self`,
    parsed.`ledger`.`packets`.`hooks`.`socket`.`egress`.`dropped`.`ring_full` AS `packets_hooks_socket_egress_dropped_ring_full`,
    parsed.`ledger`.`packets`.`hooks`.`socket`.`egress`.`emitted` AS `packets_hooks_socket_egress_emitted`,
    parsed.`ledger`.`packets`.`hooks`.`socket`.`egress`.`unaccounted` AS `packets_hooks_socket_egress_unaccounted`,
    parsed.`ledger`.`records`.`emitted` AS `records_emitted`,
    parsed.`ledger`.`records`.`in_ring` AS `records_in_ring`,
    parsed.`ledger`.`records`.`drained` AS `records_drained`,
    parsed.`ledger`.`records`.`rejected` AS `records_rejected`,
    parsed.`ledger`.`records`.`encoded` AS `records_encoded`,
    parsed.`ledger`.`records`.`open` AS `records_open`,
    parsed.`ledger`.`records`.`sealed` AS `records_sealed`,
    parsed.`ledger`.`records`.`queued` AS `records_queued`,
    parsed.`ledger`.`records`.`in_flight` AS `records_in_flight`,
    parsed.`ledger`.`records`.`acknowledged` AS `records_acknowledged`,
    parsed.`ledger`.`records`.`failed` AS `records_failed`,
    parsed.`ledger`.`records`.`unaccounted` AS `records_unaccounted`,
    parsed.`ledger`.`lost` AS `lost`,
    parsed.`ledger`.`undelivered` AS `undelivered`,
    parsed.`ledger`.`unaccounted` AS `unaccounted`,
    parsed.`ledger`.`pump`.`sequence_gaps` AS `pump_sequence_gaps`,
    parsed.`ledger`.`pump`.`pauses` AS `pump_pauses`,
    parsed.`ledger`.`pump`.`batches` AS `pump_batches`,
    parsed.`ledger`.`pump`.`raw_bytes` AS `pump_raw_bytes`,
    parsed.`ledger`.`pump`.`sealed_bytes` AS `pump_sealed_bytes`,
    parsed.`ledger`.`pump`.`cpu_ns` AS `pump_cpu_ns`,
    parsed.`ledger`.`delivery`.`queued_bytes` AS `delivery_queued_bytes`,
    parsed.`ledger`.`delivery`.`in_flight_bytes` AS `delivery_in_flight_bytes`,
    parsed.`ledger`.`delivery`.`acknowledged_bytes` AS `delivery_acknowledged_bytes`,
    parsed.`ledger`.`delivery`.`acknowledged_batches` AS `delivery_acknowledged_batches`,
    parsed.`ledger`.`delivery`.`retries` AS `delivery_retries`,
    parsed.`ledger`.`ring`.`fill_bytes` AS `ring_fill_bytes`,
    parsed.`ledger`.`ring`.`size_bytes` AS `ring_size_bytes`
FROM streamer.stats_kafka
WHERE JSONType(record) = 'Object' AND time != 0;

CREATE MATERIALIZED VIEW IF NOT EXISTS streamer.stats_rejected_writer TO streamer.stats_rejected AS
SELECT
    _topic AS topic,
    _partition AS partition,
    _offset AS offset,
    record
FROM streamer.stats_kafka
WHERE JSONType(record) != 'Object'
    OR parseDateTime64BestEffortOrZero(JSONExtractString(record, '@timestamp'), 9, 'UTC') = 0;
