# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: S608 -- the names are our own
"""The shipped ClickHouse tables on a real ClickHouse: every field arrives, bad records too."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from streamer.schema import PACKETS, STATS
from streamer.schema.clickhouse import Layout
from tests.support import golden
from tests.support.clickhouse import (
    count,
    create,
    insert,
    refresh,
    select,
)
from tests.support.reference_document import Agent

if TYPE_CHECKING:
    from streamer.demo.clickhouse import ClickHouse

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
NO_RECORDS = {
    b"not json": "not JSON",
    b"": "not JSON",
    b"\xff\xfe\x00": "not JSON",
    b'{"@timestamp":"2026-11-23T10:00:00.000000001Z"': "not JSON",
    b'["2026-11-23T10:00:00.000000001Z"]': "not a JSON object",
    b"5": "not a JSON object",
    b"null": "not a JSON object",
    b"{}": "@timestamp is missing",
    b'{"@timestamp":null}': "@timestamp is missing",
    b'{"@timestamp":"yesterday"}': "@timestamp is no time",
    b'{"@timestamp":"2026-13-01T10:00:00.000000001Z"}': "@timestamp is no time",
    b'{"@timestamp":"2300-01-01T00:00:00.000000000Z"}': "@timestamp is no time",
}
ABSENT = {
    **dict.fromkeys(("long", "integer", "short"), 0),
    "keyword": "",
    "ip": "::",
    "boolean": False,
}
MISFITS = [
    ("event.sequence", None, "event.sequence is missing"),
    ("event.sequence", -1, "event.sequence is no integer from 0 to 9007199254740991"),
    ("event.sequence", 2**53, "event.sequence is no integer from 0 to 9007199254740991"),
    ("event.sequence", 1.5, "event.sequence is no integer from 0 to 9007199254740991"),
    ("event.sequence", "many", "event.sequence is no integer from 0 to 9007199254740991"),
    ("event", 7, "event.sequence is missing"),
    ("agent.id", None, "agent.id is missing"),
    ("agent", [], "agent.id is missing"),
    ("agent.ephemeral_id", "", "agent.ephemeral_id is missing"),
    ("source.ip", "abc", "source.ip is no address"),
    ("source.ip", "10.1.2.256", "source.ip is no address"),
    ("destination.ip", {"v4": "10.1.2.3"}, "destination.ip is no address"),
    ("source.port", 65536, "source.port is no integer from 0 to 65535"),
    ("source.port", 70000, "source.port is no integer from 0 to 65535"),
    ("destination.port", -1, "destination.port is no integer from 0 to 65535"),
    ("destination.port", [80], "destination.port is no integer from 0 to 65535"),
    ("packet", None, "packet.hook is missing"),
    ("packet.length", None, "packet.length is missing"),
    ("packet.length", 2**32, "packet.length is no integer from 0 to 4294967295"),
    ("packet.ttl", 256, "packet.ttl is no integer from 0 to 255"),
    ("packet.dscp", 64, "packet.dscp is no integer from 0 to 63"),
    ("packet.fragment.more", "perhaps", "packet.fragment.more is neither true nor false"),
    ("packet.tcp.seq", 10**19, "packet.tcp.seq is no integer from 0 to 4294967295"),
    ("packet.tcp.seq", 10**20, "not JSON"),  # ClickHouse's parser ends at 64 bits,
    ("packet.icmp.type", True, "packet.icmp.type is no integer from 0 to 255"),
]


def at(record: dict[str, Any], path: tuple[str, ...]) -> Any:
    for name in path:
        if name not in record:
            return None
        record = record[name]
    return record


def as_clickhouse_prints(value: Any, column: str) -> Any:
    if column == "ts":
        return value.replace("T", " ").removesuffix("Z")
    if column.endswith("_ip") and ":" not in value:
        return f"::ffff:{value}"
    return value


def changed(record: dict[str, Any], name: str, value: Any) -> bytes:
    """The record with another value in one place; None: without it."""
    copy: dict[str, Any] = json.loads(json.dumps(record))
    node = copy
    *above, last = name.split(".")
    for part in above:
        node = node[part]
    node.pop(last, None)
    if value is not None:
        node[last] = value
    return json.dumps(copy).encode()


@pytest.fixture
def layout(database: str) -> Layout:
    return Layout(database=database)


async def test_every_field_of_a_full_record_arrives(clickhouse: ClickHouse, layout: Layout) -> None:
    assert all(at(FULL, field.path) is not None for field in PACKETS.varying)
    await create(clickhouse, layout, PACKETS, consume=False)
    await insert(clickhouse, layout, PACKETS, [json.dumps(FULL).encode()])
    (row,) = await select(clickhouse, f"SELECT * FROM {layout.name('packets')}")
    for field in PACKETS.varying:
        expected = as_clickhouse_prints(at(FULL, field.path), field.column_name)
        assert row[field.column_name] == expected, field.name
    assert row["event_kind"] == "event"
    assert row["event_category"] == ["network"]
    assert row["ecs_version"] == PACKETS.field("ecs.version").constant
    assert set(row) == {field.column_name for field in PACKETS.fields}


async def test_what_a_lean_record_leaves_out_is_the_default(
    clickhouse: ClickHouse, layout: Layout
) -> None:
    await create(clickhouse, layout, PACKETS, consume=False)
    await insert(clickhouse, layout, PACKETS, [json.dumps(LEAN).encode()])
    (row,) = await select(clickhouse, f"SELECT * FROM {layout.name('packets')}")
    assert row["ts"] == "2026-11-23 10:00:00.000000001"
    assert row["source_ip"] == "::ffff:10.1.2.3"
    assert row["packet_segments"] == 1
    assert row["packet_dscp"] == 0
    assert row["packet_parse"] == []
    assert row["source_port"] == 0
    assert row["community_id"] == ""


async def test_values_at_their_limits(clickhouse: ClickHouse, layout: Layout) -> None:
    agent = Agent(id="golden", ephemeral_id="values", host_name="limits")
    await create(clickhouse, layout, PACKETS, consume=False)
    await insert(clickhouse, layout, PACKETS, golden.texts(agent).values())
    found = await select(clickhouse, f"SELECT * FROM {layout.name('packets')}")
    rows = {row["event_sequence"]: row for row in found}
    assert len(rows) == len(found) == len(golden.RECORDS)
    for name, event in golden.events(agent).items():
        for field in PACKETS.varying:
            sent, row = golden.value(event.document, field), rows[event.sequence]
            if sent is None:
                expected = ABSENT[field.type] if not field.many else []
                expected = field.default or expected
            else:
                expected = as_clickhouse_prints(sent, field.column_name)
            assert row[field.column_name] == expected, (name, field.name)


@pytest.mark.parametrize("chunk", [10, 1000])
async def test_what_does_not_fit_is_kept_with_its_reason(
    clickhouse: ClickHouse, layout: Layout, chunk: int
) -> None:
    """In blocks with others and a good one: a reason must not leak to a neighbour."""
    bad = dict(NO_RECORDS) | {changed(FULL, name, value): reason for name, value, reason in MISFITS}
    records = [*bad, json.dumps(FULL).encode()]
    await create(clickhouse, layout, PACKETS, consume=False)
    for first in range(0, len(records), chunk):
        block = records[first : first + chunk]
        await insert(clickhouse, layout, PACKETS, block, first=first)
    rows = await select(
        clickhouse,
        "SELECT offset, hex(record) AS record, topic, reason"
        f" FROM {layout.name('packets_rejected')} ORDER BY offset",
    )
    found = {bytes.fromhex(row["record"]): row["reason"] for row in rows}
    assert found == bad
    assert [row["offset"] for row in rows] == list(range(len(bad)))
    assert {row["topic"] for row in rows} == {PACKETS.name}
    assert await count(clickhouse, layout.name("packets")) == 1


async def test_numbers_as_text_are_numbers(clickhouse: ClickHouse, layout: Layout) -> None:
    await create(clickhouse, layout, PACKETS, consume=False)
    await insert(clickhouse, layout, PACKETS, [changed(FULL, "source.port", "443")])
    (row,) = await select(clickhouse, f"SELECT * FROM {layout.name('packets')}")
    assert row["source_port"] == 443


async def test_delivered_twice_is_once(clickhouse: ClickHouse, layout: Layout) -> None:
    """In the table, in the sums, and among the rejected; first in one block, then in two."""
    events = [changed(FULL, "event.sequence", number) for number in range(100)]
    await create(clickhouse, layout, PACKETS, consume=False)
    await insert(clickhouse, layout, PACKETS, [*events, b"bad"])
    await refresh(clickhouse, layout)
    for first, last in ((0, 101), (30, 70)):
        again = [*events, b"bad"][first:last]
        await insert(clickhouse, layout, PACKETS, again, first=first)
        await refresh(clickhouse, layout)
        assert await count(clickhouse, layout.name("packets")) == 100
        assert await count(clickhouse, layout.name("packets_rejected")) == 1
        for table in ("packets_by_minute", "packets_by_hour", "conversations_by_minute"):
            (row,) = await select(
                clickhouse,
                f"SELECT packets, bytes FROM {layout.name(table)} FINAL",
            )
            assert row == {"packets": 100, "bytes": 100 * (2**32 - 1)}


async def test_sums_take_in_what_comes_late(clickhouse: ClickHouse, layout: Layout) -> None:
    """Events of two hours, the older after the sums of the younger were made."""
    await create(clickhouse, layout, PACKETS, consume=False)
    times = ["2026-11-23T12:00:59.999999999Z", "2026-11-23T12:01:00.000000000Z"]
    late = ["2026-11-23T10:59:59.999999999Z", "2026-11-23T12:00:00.000000000Z"]
    for first, block in ((0, times), (2, late)):
        events = [
            changed(json.loads(changed(FULL, "@timestamp", time)), "event.sequence", number)
            for number, time in enumerate(block, first)
        ]
        await insert(clickhouse, layout, PACKETS, events)
        await refresh(clickhouse, layout)
    minutes = await select(
        clickhouse,
        "SELECT toString(minute) AS minute, packets"
        f" FROM {layout.name('packets_by_minute')} FINAL ORDER BY minute",
    )
    assert minutes == [
        {"minute": "2026-11-23 10:59:00", "packets": 1},
        {"minute": "2026-11-23 12:00:00", "packets": 2},
        {"minute": "2026-11-23 12:01:00", "packets": 1},
    ]
    hours = await select(
        clickhouse,
        "SELECT toString(hour) AS hour, packets"
        f" FROM {layout.name('packets_by_hour')} FINAL ORDER BY hour",
    )
    assert hours == [
        {"hour": "2026-11-23 10:00:00", "packets": 1},
        {"hour": "2026-11-23 12:00:00", "packets": 3},
    ]


async def test_sums_outlive_the_packets(clickhouse: ClickHouse, layout: Layout) -> None:
    """A late event of a minute whose packets have expired makes its sum no smaller."""
    await create(clickhouse, layout, PACKETS, consume=False)
    events = [changed(FULL, "event.sequence", number) for number in range(10)]
    await insert(clickhouse, layout, PACKETS, events)
    await refresh(clickhouse, layout)
    await clickhouse.query(f"TRUNCATE TABLE {layout.name('packets')}")
    await insert(clickhouse, layout, PACKETS, events[:1])
    await refresh(clickhouse, layout)
    for table in ("packets_by_minute", "packets_by_hour", "conversations_by_minute"):
        (row,) = await select(clickhouse, f"SELECT packets FROM {layout.name(table)} FINAL")
        assert row["packets"] == 10


async def test_the_ledger_as_rows(clickhouse: ClickHouse, layout: Layout) -> None:
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
    await create(clickhouse, layout, STATS, consume=False)
    await insert(clickhouse, layout, STATS, [json.dumps(record).encode()])
    (row,) = await select(clickhouse, f"SELECT * FROM {layout.name('stats')}")
    for field in STATS.varying:
        expected = as_clickhouse_prints(at(record, field.path), field.column_name)
        assert row[field.column_name] == expected, field.name
