# SPDX-License-Identifier: Apache-2.0
"""A real ClickHouse (chDB behind its HTTP interface), and the shipped tables in it."""

from __future__ import annotations

import asyncio
import importlib.util
import time
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import Producer

from streamer.demo.clickhouse import ClickHouse
from streamer.schema import PACKETS
from streamer.schema.clickhouse import Layout, render, statements
from tests.support.requirements import require

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator
    from pathlib import Path

    from streamer.schema import Topic

DELIVERED_S = 30


@pytest.fixture(scope="session")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouse]:
    """One server for the whole run; leave it running, and use a database of your own."""
    require(importlib.util.find_spec("chdb") is not None, "no chDB: install streamer[demo]")
    server = ClickHouse(tmp_path_factory.mktemp("clickhouse"))
    try:
        asyncio.run(server.start())
        yield server
    finally:
        server.kill()


@pytest.fixture
def mortal_clickhouse(tmp_path: Path) -> Iterator[ClickHouse]:
    """A server for one test, which may stop, kill and restart it. It is not started yet."""
    require(importlib.util.find_spec("chdb") is not None, "no chDB: install streamer[demo]")
    server = ClickHouse(tmp_path / "clickhouse")
    yield server
    server.kill()


@pytest.fixture
async def database(clickhouse: ClickHouse) -> AsyncIterator[str]:
    """A database name that no other test uses; what is made of it goes, its consumers too."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    yield name
    await clickhouse.query(f"DROP DATABASE IF EXISTS {name}")


async def create(server: ClickHouse, layout: Layout, topic: Topic, *, consume: bool = True) -> None:
    """The shipped tables; without a consumer, a table to insert into is in its place."""
    for statement in statements(render(topic, layout)):
        if "ENGINE = Kafka" in statement and not consume:
            columns = "record String, _topic String, _partition UInt64, _offset UInt64"
            name = f"{layout.name(topic.table)}_kafka"
            await server.query(f"CREATE TABLE {name} ({columns}) ENGINE = Null")
        else:
            await server.query(statement)


def named(topic: str) -> Topic:
    """The packets' topic under another name."""
    return replace(PACKETS, name=topic)


async def insert(
    server: ClickHouse, layout: Layout, topic: Topic, records: Iterable[bytes], *, first: int = 0
) -> None:
    """Records at the offsets from `first` on, as the consumer would bring them in one block."""
    rows = ", ".join(
        f"(unhex('{record.hex()}'), '{topic.name}', 0, {offset})"
        for offset, record in enumerate(records, first)
    )
    await server.query(f"INSERT INTO {layout.name(topic.table)}_kafka VALUES {rows}")  # noqa: S608


def produce(servers: str, topic: str, records: Iterable[bytes], partition: int = 0) -> None:
    """Into the topic, by a client that is not ours."""
    producer = Producer({"bootstrap.servers": servers})
    for record in records:
        producer.produce(topic, record, partition=partition)
    assert producer.flush(DELIVERED_S) == 0


async def count(server: ClickHouse, table: str, where: str = "1") -> int:
    """Rows, each event once."""
    (row,) = await server.query(f"SELECT toUInt32(count()) AS n FROM {table} FINAL WHERE {where}")  # noqa: S608
    return int(row["n"])


async def wait_for(server: ClickHouse, table: str, rows: int, timeout_s: float = 60.0) -> None:
    """Until the table has that many rows, each event once; and no more of them."""
    deadline = time.monotonic() + timeout_s
    while (found := await count(server, table)) < rows:
        assert time.monotonic() < deadline, f"{found} of {rows} rows in {table}"
        await asyncio.sleep(0.1)
    assert found == rows


async def refresh(server: ClickHouse, layout: Layout) -> None:
    """Sum up what has arrived, now."""
    for table in ("packets_by_minute", "conversations_by_minute", "packets_by_hour"):
        for verb in ("REFRESH", "WAIT"):
            await server.query(f"SYSTEM {verb} VIEW {layout.name(table)}_writer")


async def select(server: ClickHouse, statement: str) -> list[dict[str, Any]]:
    """Rows, 64-bit numbers as numbers."""
    return await server.query(f"{statement} SETTINGS output_format_json_quote_64bit_integers = 0")
