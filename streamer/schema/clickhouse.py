# SPDX-License-Identifier: Apache-2.0
"""ClickHouse's tables for a topic: read from Kafka, parsed once, stored.

The Kafka table has one String column and the view takes all fields out of it with a single
JSONExtract: several times faster than a column per field. Under that format nothing fails, a bad
value becomes its type's default in silence; so what is no JSON object, or has no time, goes to a
table of its own with its place in the topic.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .common import TIMESTAMP

if TYPE_CHECKING:
    from .field import Field, Topic

DATABASE = "streamer"
BROKER = "localhost:9092"


def render(topic: Topic, *, broker: str = BROKER) -> str:
    """The statements; the brokers' addresses are their one variable."""
    return "\n".join(
        (
            f"-- SPDX-License-Identifier: Apache-2.0\n-- {topic.name} from Kafka into ClickHouse."
            f" Generated: streamer schema clickhouse --topic {topic.name} --broker HOST:PORT",
            "",
            f"CREATE DATABASE IF NOT EXISTS {DATABASE};",
            "",
            target(topic),
            dead_letters(topic),
            source(topic, broker=broker),
            writers(topic),
        )
    )


def target(topic: Topic) -> str:
    """The table that is queried."""
    columns = ",\n".join(
        f"    `{field.column_name}` {column_type(field)}{_default(field)}"
        f" COMMENT {quoted(field.name)} {_codec(field)}"
        for field in topic.fields
    )
    return f"""\
-- What a record does not have is zero or empty; addresses of both families are IPv6 (IPv4 mapped:
-- 10.0.0.0/8 is isIPAddressInRange(toString(source_ip), '::ffff:10.0.0.0/104')).
-- Nothing is ever deleted; to keep 15 days:
-- ALTER TABLE {DATABASE}.{topic.table} MODIFY TTL toDateTime(ts) + INTERVAL 15 DAY;
CREATE TABLE IF NOT EXISTS {DATABASE}.{topic.table}
(
{columns}
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(ts)
ORDER BY ({topic.order_by});
"""


def dead_letters(topic: Topic) -> str:
    """The table of the records that could not be read."""
    return f"""\
-- Records that are no JSON object or have no {TIMESTAMP}; empty when all is well.
-- (The consumer itself passes over records without a value.)
CREATE TABLE IF NOT EXISTS {DATABASE}.{topic.table}_rejected
(
    `received` DateTime DEFAULT now(),
    `topic` LowCardinality(String),
    `partition` UInt64,
    `offset` UInt64,
    `record` String CODEC(ZSTD(1))
)
ENGINE = MergeTree
ORDER BY (topic, partition, offset);
"""


def source(topic: Topic, *, broker: str) -> str:
    """The table that is the Kafka consumer."""
    return f"""\
CREATE TABLE IF NOT EXISTS {DATABASE}.{topic.table}_kafka
(
    `record` String
)
ENGINE = Kafka
SETTINGS
    kafka_broker_list = {quoted(broker)},
    kafka_topic_list = {quoted(topic.name)},
    kafka_group_name = {quoted(f"clickhouse-{topic.table}")},
    kafka_format = 'RawBLOB',
    kafka_max_block_size = 262144,
    kafka_poll_max_batch_size = 65536,
    kafka_flush_interval_ms = 2000;
"""


def writers(topic: Topic) -> str:
    """The views that move records from the consumer into the tables."""
    columns = ",\n".join(
        f"    {_expression(field)} AS `{field.column_name}`"
        for field in topic.varying
        if field.name != TIMESTAMP
    )
    table = f"{DATABASE}.{topic.table}"
    return f"""\
CREATE MATERIALIZED VIEW IF NOT EXISTS {table}_writer TO {table} AS
WITH
    JSONExtract(record, {quoted(tuple_type(topic))}) AS parsed,
    parseDateTime64BestEffortOrZero(parsed.`{TIMESTAMP}`, 9, 'UTC') AS time
SELECT
    time AS `{topic.field(TIMESTAMP).column_name}`,
{columns}
FROM {table}_kafka
WHERE JSONType(record) = 'Object' AND time != 0;

CREATE MATERIALIZED VIEW IF NOT EXISTS {table}_rejected_writer TO {table}_rejected AS
SELECT
    _topic AS topic,
    _partition AS partition,
    _offset AS offset,
    record
FROM {table}_kafka
WHERE JSONType(record) != 'Object'
    OR parseDateTime64BestEffortOrZero(JSONExtractString(record, '{TIMESTAMP}'), 9, 'UTC') = 0;
"""  # noqa: S608 -- the names are our own


def statements(script: str) -> list[str]:
    """The single statements of a script made here, without comments."""
    lines = (line for line in script.splitlines() if not line.startswith("--"))
    return [part.strip() for part in "".join(f"{line}\n" for line in lines).split(";\n")][:-1]


def tuple_type(topic: Topic) -> str:
    """The type that takes a whole record apart."""
    tree: dict[str, Any] = {}
    for field in topic.varying:
        node = tree
        for name in field.path[:-1]:
            node = node.setdefault(name, {})
        node[field.path[-1]] = _parsed_type(field)
    return _tuple(tree)


def column_type(field: Field) -> str:
    """The type of the field's column."""
    match field.type:
        case "keyword":
            one = "String" if field.plain else "LowCardinality(String)"
        case "ip":
            one = "IPv6"
        case "date_nanos":
            one = "DateTime64(9, 'UTC')"
        case "boolean":
            one = "Bool"
        case "counts":
            one = f"Map(LowCardinality(String), {_integer(field)})"
        case _:
            one = _integer(field)
    return f"Array({one})" if field.many else one


def quoted(text: str) -> str:
    """A string literal."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _tuple(tree: dict[str, Any]) -> str:
    members = (
        f"`{name}` {_tuple(node) if isinstance(node, dict) else node}"
        for name, node in tree.items()
    )
    return f"Tuple({', '.join(members)})"


def _integer(field: Field) -> str:
    return f"{'Int' if field.signed else 'UInt'}{field.bits}"


def _parsed_type(field: Field) -> str:
    # Parsing into LowCardinality is slow, and the view converts it for nothing; the time is
    # parsed apart, since a session's settings decide which formats JSONExtract understands.
    match field.type:
        case "keyword" | "date_nanos":
            one = "String"
        case "counts":
            one = f"Map(String, {_integer(field)})"
        case _:
            return column_type(field)
    return f"Array({one})" if field.many else one


def _expression(field: Field) -> str:
    value = "parsed." + ".".join(f"`{name}`" for name in field.path)
    if field.default:
        value = f"if({value} = 0, {field.default}, {value})"
    return value


def _default(field: Field) -> str:
    if field.constant is None:
        return ""
    if isinstance(field.constant, str):
        return f" DEFAULT {quoted(field.constant)}"
    return f" DEFAULT [{', '.join(quoted(value) for value in field.constant)}]"


def _codec(field: Field) -> str:
    if not field.delta:
        return "CODEC(ZSTD(1))"
    size = 8 if field.type == "date_nanos" else field.bits // 8
    return f"CODEC(Delta({size}), ZSTD(1))"
