# SPDX-License-Identifier: Apache-2.0
"""ClickHouse's tables for a topic: read from Kafka, parsed once, stored without duplicates.

The consumer (`…_kafka`) has one String column; one view (`…_parser`) takes all fields out of it and
says what is wrong with a record; `…_parsed` keeps nothing and hands on, good records to the table,
bad ones with their reason and place to `…_rejected`. One view on the consumer, and the last that is
created: records are never read while part of the way is missing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import clickhouse_rollups as rollups
from .clickhouse_columns import column_type, columns, faults, quoted, tuple_type, value
from .clickhouse_functions import functions
from .clickhouse_layout import BROKER, DATABASE, VERSION, Layout

if TYPE_CHECKING:
    from .field import Topic

__all__ = ["BROKER", "DATABASE", "VERSION", "Layout", "column_type", "render", "statements"]

PLACE = ("`topic` LowCardinality(String)", "`partition` UInt64", "`offset` UInt64")


def render(topic: Topic, layout: Layout | None = None) -> str:
    """All statements, in the order in which they are to run."""
    layout = layout or Layout()
    parts = [
        _head(topic, layout),
        f"CREATE DATABASE IF NOT EXISTS {layout.database}{layout.on_cluster};\n",
        *([functions(layout.on_cluster)] if topic.rolled_up else []),
        target(topic, layout),
        rejected(topic, layout),
        *([rollups.tables(layout)] if topic.rolled_up else []),
        parsed(topic, layout),
        writers(topic, layout),
        *([rollups.views(layout)] if topic.rolled_up else []),
        source(topic, layout),
        parser(topic, layout),
    ]
    return "\n".join(parts)


def comment(topic: Topic) -> str:
    """What the table says of itself, by which its version is known."""
    return f"streamer {topic.name}, tables of version {VERSION}"


def target(topic: Topic, layout: Layout) -> str:
    """The table that is queried."""
    made = layout.table(
        topic.table,
        columns(topic),
        engine="ReplacingMergeTree",
        partition="toYYYYMMDD(ts)",
        order=topic.order_by,
        comment=comment(topic),
        shard_key=topic.shard_key,
    )
    return f"""\
-- The identity (agent_id, agent_ephemeral_id, event_sequence) ends the sort key: an event that was
-- delivered twice is one row after a merge, and with FINAL at once. What a record does not have is
-- zero or empty; addresses of both families are IPv6 (IPv4 mapped). Nothing is ever deleted; to
-- keep 15 days: ALTER TABLE {layout.local(topic.table)}{layout.on_cluster}
--     MODIFY TTL toDateTime(ts) + INTERVAL 15 DAY SETTINGS ttl_only_drop_parts = 1;
{made}"""


def rejected(topic: Topic, layout: Layout) -> str:
    """The table of the records that could not be read."""
    made = layout.table(
        f"{topic.table}_rejected",
        (
            "`received` DateTime DEFAULT now()",
            *PLACE,
            "`reason` LowCardinality(String)",
            "`record` String CODEC(ZSTD(1))",
        ),
        engine="ReplacingMergeTree",
        order="topic, partition, offset, cityHash64(record)",
        shard_key="cityHash64(topic, partition, offset)",
    )
    return f"""\
-- Records that do not fit, with the first reason found; empty when all is well.
-- (The consumer itself passes over records without a value.)
{made}"""


def parsed(topic: Topic, layout: Layout) -> str:
    """What every record passes through."""
    rows = ",\n".join(
        (
            *(f"    `{field.column_name}` {column_type(field)}" for field in topic.varying),
            *(f"    {column}" for column in (*PLACE, "`reason` String", "`record` String")),
        )
    )
    return f"""\
CREATE TABLE IF NOT EXISTS {layout.name(topic.table)}_parsed{layout.on_cluster}
(
{rows}
)
ENGINE = Null;
"""


def writers(topic: Topic, layout: Layout) -> str:
    """The views that put parsed records into the tables."""
    table = layout.name(topic.table)
    names = ", ".join(f"`{field.column_name}`" for field in topic.varying)
    return f"""\
CREATE MATERIALIZED VIEW IF NOT EXISTS {table}_writer{layout.on_cluster} TO {table} AS
SELECT {names}
FROM {table}_parsed
WHERE reason = '';

CREATE MATERIALIZED VIEW IF NOT EXISTS {table}_rejected_writer{layout.on_cluster}
TO {table}_rejected AS
SELECT topic, partition, offset, reason, record
FROM {table}_parsed
WHERE reason != '';
"""  # noqa: S608 -- the names are our own


def source(topic: Topic, layout: Layout) -> str:
    """The table that is the Kafka consumer."""
    return f"""\
CREATE TABLE IF NOT EXISTS {layout.name(topic.table)}_kafka{layout.on_cluster}
(
    `record` String
)
ENGINE = Kafka
SETTINGS
    kafka_broker_list = {quoted(layout.broker)},
    kafka_topic_list = {quoted(topic.name)},
    kafka_group_name = {quoted(layout.group(topic.table))},
    kafka_format = 'RawBLOB',
    kafka_max_block_size = 262144,
    kafka_poll_max_batch_size = 65536,
    kafka_flush_interval_ms = 2000;
"""


def parser(topic: Topic, layout: Layout) -> str:
    """The view that takes records apart; with it, reading begins."""
    table = layout.name(topic.table)
    values = "".join(f"    {value(field)} AS `{field.column_name}`,\n" for field in topic.varying)
    found = "".join(
        f"        {condition}, {quoted(reason)},\n" for condition, reason in faults(topic)
    )
    return f"""\
CREATE MATERIALIZED VIEW IF NOT EXISTS {table}_parser{layout.on_cluster} TO {table}_parsed AS
WITH
    JSONExtract(record, {quoted(tuple_type(topic))}) AS parsed,
    multiIf(
{found}        ''
    ) AS fault
SELECT
{values}    _topic AS topic,
    _partition AS partition,
    _offset AS offset,
    multiIf(
        fault = '', '',
        NOT isValidJSON(record), 'not JSON',
        JSONType(record) != 'Object', 'not a JSON object',
        fault
    ) AS reason,
    record
FROM {table}_kafka;
"""  # noqa: S608 -- the names are our own


def statements(script: str) -> list[str]:
    """The single statements of a script made here, without comments."""
    lines = (line for line in script.splitlines() if not line.startswith("--"))
    return [part.strip() for part in "".join(f"{line}\n" for line in lines).split(";\n")][:-1]


def _head(topic: Topic, layout: Layout) -> str:
    if layout.clustered:
        how = "Generated: python -m streamer.schema. The servers' macros: cluster, shard, replica"
    else:
        how = f"Generated: streamer schema clickhouse --topic {topic.name} --broker HOST:PORT"
    return (
        f"-- SPDX-License-Identifier: Apache-2.0\n-- {topic.name} from Kafka into ClickHouse"
        f" {'(a cluster; 24.10 or newer)' if layout.clustered else '(24.10 or newer)'}.\n-- {how}\n"
    )
