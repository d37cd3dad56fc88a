# SPDX-License-Identifier: Apache-2.0
"""ClickHouse's sums of packets by minute and by hour, exact also after a second delivery.

A view that adds up what is inserted would count an event twice that is delivered twice. So each
minute that got events is noted, and summed up anew from the de-duplicated table; of two sums of the
same group the one of more packets stays. Sums outlive the packets: what has expired never makes one
smaller.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .clickhouse_layout import Layout

DIMENSIONS = (
    *("agent_id", "host_name", "network_type", "network_transport", "network_iana_number"),
    "network_direction",
)
MEASURES = {
    "packets": ("count()", "packets as the hook saw them"),
    "segments": ("sum(packet_segments)", "packets on the wire"),
    "bytes": ("sum(packet_length)", "bytes on the wire"),
    "payload_bytes": ("sum(packet_payload_length)", "bytes after the transport headers"),
    "resets": ("countIf(has(packet_tcp_flags, 'rst'))", "TCP packets with RST"),
    "opens": (
        "countIf(has(packet_tcp_flags, 'syn') AND NOT has(packet_tcp_flags, 'ack'))",
        "TCP packets with SYN and without ACK",
    ),
    "unusual": ("countIf(notEmpty(packet_parse))", "packets with a packet.parse"),
}
ENDS = "(source_ip, source_port) <= (destination_ip, destination_port)"
SETTINGS = "SETTINGS do_not_merge_across_partitions_select_final = 1"


def tables(layout: Layout) -> str:
    """The tables that keep the sums."""
    dimensions = [f"`{name}` LowCardinality(String)" for name in DIMENSIONS]
    sums = [f"`{name}` UInt64 COMMENT '{what}'" for name, (_, what) in MEASURES.items()]
    minute = "`minute` DateTime('UTC') CODEC(Delta(4), ZSTD(1))"
    hour = "`hour` DateTime('UTC') CODEC(Delta(4), ZSTD(1))"
    computed = "`computed` DateTime64(3, 'UTC')"
    conversation = (
        *("`community_id` String CODEC(ZSTD(1))", "`agent_id` LowCardinality(String)"),
        "`network_transport` LowCardinality(String)",
        *("`a_ip` IPv6 CODEC(ZSTD(1))", "`a_port` UInt16", "`b_ip` IPv6 CODEC(ZSTD(1))"),
        *("`b_port` UInt16", "`packets` UInt64", "`packets_ab` UInt64 COMMENT 'from a to b'"),
        *("`bytes` UInt64", "`bytes_ab` UInt64 COMMENT 'from a to b'"),
    )
    ends = "minute, community_id, agent_id, network_transport, a_ip, a_port, b_ip, b_port"
    order = ", ".join(DIMENSIONS)
    return "\n".join(
        (
            "-- Minutes that got events, and when the last of them came.",
            layout.table(
                "packets_minutes",
                ("`minute` DateTime('UTC')", "`arrived` DateTime64(3, 'UTC')"),
                engine="ReplacingMergeTree(arrived)",
                order="minute",
                shard_key="cityHash64(minute)",
            ),
            "-- Sums by minute and hour. Each refresh writes new ones: read them with FINAL.\n"
            "-- To keep them for a year: ALTER TABLE … MODIFY TTL minute + INTERVAL 1 YEAR;",
            layout.table(
                "packets_by_minute",
                (minute, *dimensions, *sums, computed),
                engine="ReplacingMergeTree(packets)",
                partition="toYYYYMM(minute)",
                order=f"minute, {order}",
            ),
            layout.table(
                "packets_by_hour",
                (hour, *dimensions, *sums, computed),
                engine="ReplacingMergeTree(packets)",
                partition="toYYYYMM(hour)",
                order=f"hour, {order}",
            ),
            "-- Both directions of a conversation in one row; a is the end with the lower address.",
            layout.table(
                "conversations_by_minute",
                (minute, *conversation, computed),
                engine="ReplacingMergeTree(packets)",
                partition="toYYYYMM(minute)",
                order=ends,
            ),
        )
    )


def views(layout: Layout) -> str:
    """What keeps the sums up to date."""
    name, local = layout.name, layout.local
    dimensions = "".join(f"    {dimension},\n" for dimension in DIMENSIONS)
    grouped = ", ".join(DIMENSIONS)
    measures = "".join(f"    {how} AS `{measure}`,\n" for measure, (how, _) in MEASURES.items())
    added = "".join(f"    sum(`{measure}`) AS `{measure}`,\n" for measure in MEASURES)
    return f"""\
CREATE MATERIALIZED VIEW IF NOT EXISTS {name("packets_minutes_writer")}{layout.on_cluster}
TO {name("packets_minutes")} AS
SELECT toStartOfMinute(ts) AS minute, now64(3) AS arrived
FROM {name("packets_parsed")}
WHERE reason = ''
GROUP BY minute;

CREATE MATERIALIZED VIEW IF NOT EXISTS {name("packets_by_minute_writer")}{layout.on_cluster}
REFRESH EVERY 1 MINUTE APPEND TO {local("packets_by_minute")} AS
SELECT
    toStartOfMinute(ts) AS minute,
{dimensions}{measures}    now64(3) AS computed
FROM {local("packets")} FINAL
{_touched(layout, "packets_by_minute")}
GROUP BY minute, {grouped}
{SETTINGS};

CREATE MATERIALIZED VIEW IF NOT EXISTS {name("packets_by_hour_writer")}{layout.on_cluster}
REFRESH EVERY 5 MINUTE APPEND TO {local("packets_by_hour")} AS
SELECT
    toStartOfHour(minute) AS hour,
{dimensions}{added}    now64(3) AS computed
FROM {local("packets_by_minute")} FINAL
WHERE toStartOfHour(minute) IN (
    SELECT toStartOfHour(minute) FROM {local("packets_by_minute")}
    WHERE computed >= (SELECT max(computed) FROM {local("packets_by_hour")}) - INTERVAL 1 MINUTE
)
GROUP BY hour, {grouped};

CREATE MATERIALIZED VIEW IF NOT EXISTS {name("conversations_by_minute_writer")}{layout.on_cluster}
REFRESH EVERY 1 MINUTE APPEND TO {local("conversations_by_minute")} AS
SELECT
    toStartOfMinute(ts) AS minute,
    community_id,
    agent_id,
    network_transport,
    if({ENDS}, source_ip, destination_ip) AS a_ip,
    if({ENDS}, source_port, destination_port) AS a_port,
    if({ENDS}, destination_ip, source_ip) AS b_ip,
    if({ENDS}, destination_port, source_port) AS b_port,
    count() AS packets,
    countIf({ENDS}) AS packets_ab,
    sum(packet_length) AS bytes,
    sumIf(packet_length, {ENDS}) AS bytes_ab,
    now64(3) AS computed
FROM {local("packets")} FINAL
{_touched(layout, "conversations_by_minute")} AND community_id != ''
GROUP BY minute, community_id, agent_id, network_transport, a_ip, a_port, b_ip, b_port
{SETTINGS};
"""  # noqa: S608 -- the names are our own


def _touched(layout: Layout, table: str) -> str:
    """Minutes with arrivals since the last refresh; a margin for blocks still on their way."""
    since = f"(SELECT max(computed) FROM {layout.local(table)}) - INTERVAL 1 MINUTE"  # noqa: S608
    minutes = f"FROM {layout.name('packets_minutes')} WHERE arrived >= {since}"
    return f"""\
WHERE toStartOfFiveMinutes(ts) IN (SELECT toStartOfFiveMinutes(minute) {minutes})
    AND toStartOfMinute(ts) IN (SELECT minute {minutes})"""
