# SPDX-License-Identifier: Apache-2.0
"""The shipped ClickHouse tables on a real ClickHouse: every field arrives, bad records too."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from streamer.demo.clickhouse import ClickHouse
from streamer.schema import PACKETS, STATS, Topic, render
from streamer.schema.clickhouse import statements
from tests.support.requirements import require

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from streamer.demo.kafka import EmbeddedKafka

FULL = {
    "@timestamp": "2026-11-23T10:00:00.123456789Z",
    "event": {"sequence": 9007199254740991},
    "agent": {"id": "5f0c2a4e-6c1f", "ephemeral_id": "q3Zx0bTtW1aY"},
    "host": {"name": "alpha"},
    "network": {
        "type": "ipv6",
        "transport": "tcp",
        "iana_number": "6",
        "community_id": "1:LQU9qZlK+B5F3KDmev6m5PMibrg=",
        "direction": "egress",
        "vlan": {"id": "100"},
        "inner": {"vlan": {"id": "4094"}},
    },
    "source": {"ip": "2001:db8::1", "port": 65535, "mac": "02-00-5E-10-00-01"},
    "destination": {"ip": "fe80::2", "port": 443, "mac": "02-00-5E-10-00-02"},
    "observer": {
        "ingress": {"interface": {"name": "eth0"}},
        "egress": {"interface": {"name": "eth1"}},
    },
    "packet": {
        "hook": "tc",
        "ethertype": "0x88cc",
        "length": 4294967295,
        "ttl": 255,
        "dscp": 63,
        "ecn": 3,
        "id": 4294967294,
        "fragment": {"offset": 65528, "more": True},
        "payload_length": 4294967293,
        "segments": 45,
        "parse": ["truncated", "fragment"],
        "tcp": {"flags": ["syn", "ae"], "seq": 4294967292, "ack": 4294967291, "window": 65535},
        "icmp": {"type": 254, "code": 253},
    },
}
LEAN = {
    "@timestamp": "2026-11-23T10:00:00.000000001Z",
    "event": {"sequence": 0},
    "agent": {"id": "a", "ephemeral_id": "b"},
    "source": {"ip": "10.1.2.3"},
    "destination": {"ip": "10.1.2.4"},
    "packet": {"hook": "xdp", "length": 60},
    "later": {"field": [1, {"that": "nobody knows yet"}]},
}
NO_RECORDS = [
    b"not json",
    b"\xff\xfe\x00",
    b'["2026-11-23T10:00:00.000000001Z"]',
    b"{}",
    b'{"@timestamp":"yesterday"}',
    b'{"@timestamp":"2026-11-23T10:00:00.000000001Z"',
]


def at(record: dict[str, Any], path: tuple[str, ...]) -> Any:
    for name in path:
        if name not in record:
            return None
        record = record[name]
    return record


@asynccontextmanager
async def clickhouse(folder: Path) -> AsyncIterator[ClickHouse]:
    try:
        import chdb  # noqa: F401
    except ImportError:
        require(False, "no chDB: install streamer[demo]")
    database = ClickHouse(folder)
    try:
        await database.start()
        yield database
    finally:
        database.kill()


async def create_without_kafka(database: ClickHouse, topic: Topic) -> None:
    """The shipped tables, with a table to insert into in place of the consumer."""
    for statement in statements(render("clickhouse", topic.name)):
        if "ENGINE = Kafka" in statement:
            columns = "record String, _topic String, _partition UInt64, _offset UInt64"
            name = f"streamer.{topic.table}_kafka"
            await database.query(f"CREATE TABLE {name} ({columns}) ENGINE = Null")
        else:
            await database.query(statement)


async def insert(database: ClickHouse, topic: Topic, record: dict[str, Any]) -> None:
    text = json.dumps(record).replace("\\", "\\\\").replace("'", "\\'")
    values = f"('{text}', '{topic.name}', 0, 0)"
    await database.query(f"INSERT INTO streamer.{topic.table}_kafka VALUES {values}")  # noqa: S608


def as_clickhouse_prints(value: Any, column: str) -> Any:
    if column == "ts":
        return value.replace("T", " ").removesuffix("Z")
    if column.endswith("_ip") and "." in value:
        return f"::ffff:{value}"
    return value


async def test_every_field_of_a_full_record_arrives(tmp_path: Path) -> None:
    assert all(at(FULL, field.path) is not None for field in PACKETS.varying)
    async with clickhouse(tmp_path) as database:
        await create_without_kafka(database, PACKETS)
        await insert(database, PACKETS, FULL)
        (row,) = await database.query(
            "SELECT * FROM streamer.packets SETTINGS output_format_json_quote_64bit_integers = 0"
        )
    for field in PACKETS.varying:
        expected = as_clickhouse_prints(at(FULL, field.path), field.column_name)
        assert row[field.column_name] == expected, field.name
    assert row["event_kind"] == "event"
    assert row["event_category"] == ["network"]
    assert row["ecs_version"] == PACKETS.field("ecs.version").constant
    assert set(row) == {field.column_name for field in PACKETS.fields}


async def test_what_a_lean_record_leaves_out_is_the_default(tmp_path: Path) -> None:
    async with clickhouse(tmp_path) as database:
        await create_without_kafka(database, PACKETS)
        await insert(database, PACKETS, LEAN)
        (row,) = await database.query("SELECT * FROM streamer.packets")
        (inside,) = await database.query(
            "SELECT isIPAddressInRange(toString(source_ip), '::ffff:10.0.0.0/104') AS inside"
            " FROM streamer.packets"
        )
    assert row["ts"] == "2026-11-23 10:00:00.000000001"
    assert row["source_ip"] == "::ffff:10.1.2.3"
    assert row["packet_segments"] == 1
    assert row["packet_dscp"] == 0
    assert row["packet_parse"] == []
    assert row["source_port"] == 0
    assert row["community_id"] == ""
    assert inside["inside"] == 1


async def test_from_kafka_good_and_bad_records(kafka: EmbeddedKafka, tmp_path: Path) -> None:
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers})
    create_topic(kafka, PACKETS.name)
    for record in [json.dumps(FULL).encode(), *NO_RECORDS, json.dumps(LEAN).encode()]:
        producer.produce(PACKETS.name, record, partition=0)
    assert producer.flush(30) == 0
    async with clickhouse(tmp_path) as database:
        await database.read_topic(PACKETS.name, kafka.bootstrap_servers)
        assert await database.wait_for_rows("streamer.packets", 2, 60) == 2
        assert await database.wait_for_rows("streamer.packets_rejected", len(NO_RECORDS), 30) == 6
        rows = await database.query(
            "SELECT toUInt32(offset) AS offset, hex(record) AS record, topic"
            " FROM streamer.packets_rejected ORDER BY offset"
        )
        assert [row["offset"] for row in rows] == [1, 2, 3, 4, 5, 6]
        assert [bytes.fromhex(row["record"]) for row in rows] == NO_RECORDS
        assert {row["topic"] for row in rows} == {PACKETS.name}


async def test_the_ledger_as_rows(tmp_path: Path) -> None:
    record: dict[str, Any] = {}
    for number, field in enumerate(STATS.varying):
        node = record
        for name in field.path[:-1]:
            node = node.setdefault(name, {})
        match field.type:
            case "counts":
                node[field.path[-1]] = {"some_reason": number}
            case "long":
                node[field.path[-1]] = -number if field.signed else number
            case _:
                node[field.path[-1]] = field.example
    async with clickhouse(tmp_path) as database:
        await create_without_kafka(database, STATS)
        await insert(database, STATS, record)
        (row,) = await database.query(
            "SELECT * FROM streamer.stats SETTINGS output_format_json_quote_64bit_integers = 0"
        )
    for field in STATS.varying:
        expected = as_clickhouse_prints(at(record, field.path), field.column_name)
        assert row[field.column_name] == expected, field.name


def create_topic(kafka: EmbeddedKafka, name: str) -> None:
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
    admin.create_topics([NewTopic(name, 1, 1)])[name].result(30)
