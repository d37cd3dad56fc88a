# SPDX-License-Identifier: Apache-2.0
"""The examples, run as their readers would, on traffic whose answers are known."""

from __future__ import annotations

import asyncio
import re
import signal
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from tests.support.producing import document, produce, text
from tests.support.topics import make_topic

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from streamer.demo.kafka import EmbeddedKafka

pytestmark = pytest.mark.kafka
EXAMPLES = Path(__file__).parents[2] / "examples"
PARTITIONS = 3


@pytest.fixture
def servers(kafka: EmbeddedKafka, topic: str) -> str:
    """A broker that has the test's topic."""
    make_topic(kafka.bootstrap_servers, topic, PARTITIONS)
    return kafka.bootstrap_servers


def send(servers: str, topic: str, documents: list[dict[str, Any]]) -> None:
    """Spread over the partitions, as flows are."""
    produce(servers, topic, [(n % PARTITIONS, text(each)) for n, each in enumerate(documents)])


@asynccontextmanager
async def example(name: str, call: str) -> AsyncIterator[asyncio.StreamReader]:
    """One that runs until Ctrl-C; what it prints."""
    script = (
        f"import asyncio, sys; sys.path.insert(0, {str(EXAMPLES)!r}); import {name};"
        "sys.stdout.reconfigure(line_buffering=True);"
        f"asyncio.run({name}.main({call}))"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        yield process.stdout
    finally:
        process.send_signal(signal.SIGINT)
        _, said = await asyncio.wait_for(process.communicate(), 20)
        assert said.rstrip().endswith(b"KeyboardInterrupt"), said.decode()


def opening(sequence: int, source: str, port: int, *flags: str) -> dict[str, Any]:
    """The first segment of a connection, or its answer."""
    return document(
        sequence,
        source={"ip": source},
        destination={"port": port},
        packet={"tcp": {"flags": ["syn", *flags], "seq": 1}},
    )


async def test_port_scan(servers: str, topic: str) -> None:
    scan = [opening(number, "203.0.113.9", 1000 + number) for number in range(20)]
    same = [opening(100 + number, "192.0.2.7", 443) for number in range(200)]  # a busy client
    answers = [opening(400 + number, "192.0.2.8", 1000 + number, "ack") for number in range(30)]
    few = [opening(500 + number, "192.0.2.9", 1000 + number) for number in range(19)]
    slow = [  # twenty ports, but over two minutes
        opening(600 + number * 6000, "192.0.2.10", 2000 + number) for number in range(20)
    ]
    send(servers, topic, [*same, *answers, *few, *scan, *slow])
    async with example("port_scan", f"{servers!r}, {topic!r}, 'start'") as printed:
        line = await asyncio.wait_for(printed.readline(), 30)
        with pytest.raises(TimeoutError):  # and nobody else
            await asyncio.wait_for(printed.readline(), 1)
    assert re.fullmatch(rb"2026-11-23 10:00:00\S+ 203.0.113.9 scans 198.51.100.2\n", line)


async def test_to_parquet_twice(servers: str, topic: str, tmp_path: Path) -> None:
    """Stopped and started again, it has every row once."""
    call = f"{servers!r}, {str(tmp_path)!r}, {topic!r}, 0.5"
    for first, last in ((0, 3000), (3000, 4000)):
        send(servers, topic, [document(number) for number in range(first, last)])
        rows = 0
        async with example("to_parquet", call) as printed:
            while rows < last - first:
                rows += int((await asyncio.wait_for(printed.readline(), 30)).split()[1])
    assert sorted(written(tmp_path)) == list(range(4000))


def written(folder: Path) -> list[int]:
    """The sequence of each row of all files."""
    rows = duckdb.read_parquet(f"{folder}/*.parquet").project("event_sequence").fetchall()
    return [row[0] for row in rows]


async def test_top_talkers(servers: str, topic: str) -> None:
    talkers = [
        document(
            number,
            source={"ip": f"192.0.2.{number % 3}"},
            packet={"length": 100 * (number % 3 + 1)},
        )
        for number in range(300)
    ]
    send(servers, topic, talkers)
    done = await asyncio.create_subprocess_exec(
        sys.executable, "-c",
        f"import asyncio, sys; sys.path.insert(0, {str(EXAMPLES)!r}); import top_talkers;"
        f"asyncio.run(top_talkers.main({servers!r}, {topic!r}))",
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await asyncio.wait_for(done.communicate(), 40)
    assert done.returncode == 0
    rows = re.findall(r"(192\.0\.2\.\d) +│ +(\d+) +│ +(\d+)", out.decode())
    assert rows == [
        ("192.0.2.2", "100", "30000"),
        ("192.0.2.1", "100", "20000"),
        ("192.0.2.0", "100", "10000"),
    ]
