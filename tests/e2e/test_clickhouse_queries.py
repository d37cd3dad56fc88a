# SPDX-License-Identifier: Apache-2.0
"""The ready queries, on the demo's traffic and on frames made for what that has not.

What the answers must be is known from what the programs did, and from the frames.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import re
import sys
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from streamer.demo.capture import Capture
from streamer.demo.clickhouse import ClickHouse
from streamer.demo.kafka import EmbeddedKafka
from streamer.demo.network import Network
from streamer.demo.processes import Process
from streamer.demo.traffic import PAGES, REFUSED_PORT, UPLOAD_BYTES, Traffic
from streamer.schema.clickhouse import Layout
from tests.support.clickhouse import refresh, wait_for
from tests.support.frames import write_capture
from tests.support.requirements import require

if TYPE_CHECKING:
    from collections.abc import Iterator

QUERIES = Path(__file__).parents[2] / "deploy" / "clickhouse" / "queries"
NAMES = sorted(path.stem for path in QUERIES.glob("*.sql"))
PARAMETER = re.compile(r"^-- \{(\w+):[^}]+\} = (\S*): \S", re.M)
CLIENT, SERVER, MADE = "192.0.2.1", "192.0.2.2", "10.0.0.0/8"
pytestmark = [pytest.mark.root, pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(240)]


def frames() -> list[bytes]:
    """One connection in trouble, a fragmented datagram, a scan of 50 ports; a nanosecond apart."""
    s: Any = importlib.import_module("scapy.all")

    def there(**tcp: Any) -> Any:
        return s.IP(src="10.0.0.1", dst="10.0.0.2") / s.TCP(sport=40000, dport=443, **tcp)

    def back(**tcp: Any) -> Any:
        return s.IP(src="10.0.0.2", dst="10.0.0.1") / s.TCP(sport=443, dport=40000, **tcp)

    data = bytes(100)
    packets = [
        there(flags="S", seq=1000),
        there(flags="S", seq=1000),  # again: no answer yet
        back(flags="SA", seq=5000, ack=1001),
        there(flags="A", seq=1001, ack=5001),
        there(flags="PA", seq=1001, ack=5001) / data,
        there(flags="PA", seq=1001, ack=5001) / data,
        there(flags="PA", seq=1001, ack=5001) / data,
        there(flags="PA", seq=1101, ack=5001) / data,
        back(flags="A", seq=5001, ack=1201, window=0),
        back(flags="A", seq=5001, ack=1201, window=0),
        back(flags="RA", seq=5001, ack=1201, window=0),
        s.IP(src="10.0.0.3", dst="10.0.0.4", flags="MF", id=7)
        / s.UDP(sport=4000, dport=4001, len=2008)
        / bytes(1000),
        s.IP(src="10.0.0.3", dst="10.0.0.4", frag=126, id=7, proto=17) / bytes(1000),
        *(
            s.IP(src="10.0.0.9", dst="10.0.0.10") / s.TCP(sport=50000, dport=port, flags="S")
            for port in range(1, 51)
        ),
    ]
    ether = s.Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
    return [bytes(ether / packet) for packet in packets]


async def observe(folder: Path, database: ClickHouse) -> None:
    """All of it captured or replayed into Kafka, and read from there."""
    async with AsyncExitStack() as remains:
        network = Network("")
        for end in ("client", "server"):  # a demo that starts meanwhile sweeps its own names away
            host = getattr(network, end)
            setattr(network, end, replace(host, name=f"streamer-queries-{os.getpid()}-{end}"))
        remains.callback(network.remove)
        traffic = await remains.enter_async_context(Traffic(network, folder))
        kafka = EmbeddedKafka(folder / "kafka")
        remains.callback(kafka.kill)
        capture = Capture(folder)
        remains.callback(capture.kill)
        network.create()
        await asyncio.gather(kafka.start(), database.start(), traffic.start())
        broker = kafka.bootstrap_servers
        await capture.start(network.client.netns, broker)
        await traffic.run()
        ledger = await capture.stop()
        made = frames()
        file = write_capture(folder / "made.pcap", made)
        command = [sys.executable, "-m", "streamer", "replay", str(file), "--kafka", broker]
        replay = Process("streamer replay", command, log=folder / "replay.log")
        await remains.enter_async_context(replay)
        assert await replay.wait(60) == 0, replay.failure("failed")
        await database.read_topic("packets.v1", broker)
        rows = ledger["records"]["acknowledged"] + len(made)
        await wait_for(database, "streamer.packets", rows)
        await refresh(database, Layout())
        await database.query("DROP TABLE streamer.packets_kafka")


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouse]:
    require(os.geteuid() == 0, "capturing needs root")
    folder = tmp_path_factory.mktemp("queries")
    database = ClickHouse(folder / "clickhouse")
    try:
        asyncio.run(observe(folder, database))
        yield database
    finally:
        database.kill()


async def ask(database: ClickHouse, name: str, **given: str) -> list[dict[str, Any]]:
    """The query's rows; what is not given is as its comment says."""
    text = (QUERIES / f"{name}.sql").read_text(encoding="utf-8")
    return numbers(await database.query(text, dict(PARAMETER.findall(text)) | given))


def numbers(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """64-bit numbers come as text."""
    return [
        {
            key: int(value) if isinstance(value, str) and value.lstrip("-").isdigit() else value
            for key, value in row.items()
        }
        for row in rows
    ]


@pytest.mark.parametrize("name", NAMES)
def test_each_says_what_it_answers_and_takes(name: str) -> None:
    text = (QUERIES / f"{name}.sql").read_text(encoding="utf-8")
    licence, question, *_ = text.splitlines()
    assert licence == "-- SPDX-License-Identifier: Apache-2.0"
    assert "?" in question
    used = set(re.findall(r"\{(\w+):", re.sub(r"^--.*$", "", text, flags=re.M)))
    assert used == {parameter for parameter, _ in PARAMETER.findall(text)}


async def test_top_talkers(seen: ClickHouse) -> None:
    first, second, *_ = await ask(seen, "top-talkers")
    assert (first["a"], first["b"], first["b_port"]) == (CLIENT, SERVER, 80)
    assert (first["transport"], first["service"]) == ("tcp", "http")
    assert first["bytes_a_to_b"] > UPLOAD_BYTES > 100 * first["bytes_b_to_a"]
    assert first["bytes"] == first["bytes_a_to_b"] + first["bytes_b_to_a"]
    assert (second["transport"], second["service"]) == ("udp", "discard")
    assert second["packets"] == 2000
    assert await ask(seen, "top-talkers", limit="1") == [first]
    for row in await ask(seen, "top-talkers", prefix=MADE):
        assert row["a"].startswith("10.0.0.")


async def test_one_flow(seen: ClickHouse) -> None:
    (flow,) = await ask(seen, "retransmissions", prefix="10.0.0.1")
    rows = await ask(seen, "one-flow", flow=flow["community_id"])
    flags = ["syn", "syn", "syn ack", "ack", *["psh ack"] * 4, "ack", "ack", "rst ack"]
    assert [row["flags"] for row in rows] == flags
    assert [row["seq"] for row in rows[3:8]] == [1001, 1001, 1001, 1001, 1101]
    assert [row["payload"] for row in rows] == [0] * 4 + [100] * 4 + [0] * 3
    assert {row["source"] for row in rows} == {"10.0.0.1", "10.0.0.2"}


async def test_tcp_resets(seen: ClickHouse) -> None:
    rows = await ask(seen, "tcp-resets", prefix=SERVER)
    refused = [row for row in rows if row["source_port"] == REFUSED_PORT]
    assert [(r["resets"], r["peer"], r["packets"]) for r in refused] == [(SERVER, CLIENT, 1)]
    (made,) = await ask(seen, "tcp-resets", prefix=MADE)
    assert (made["resets"], made["peer"], made["flows"]) == ("10.0.0.2", "10.0.0.1", 1)


async def test_retransmissions(seen: ClickHouse) -> None:
    (row,) = await ask(seen, "retransmissions", prefix=MADE)
    assert (row["source"], row["destination_port"]) == ("10.0.0.1", 443)
    assert (row["resent"], row["data_packets"], row["percent"]) == (2, 4, 50)


async def test_zero_windows(seen: ClickHouse) -> None:
    (row,) = await ask(seen, "zero-windows", prefix=MADE)
    assert (row["full"], row["source_port"], row["sender"]) == ("10.0.0.2", 443, "10.0.0.1")
    assert row["packets"] == 2  # the reset is none


async def test_handshakes(seen: ClickHouse) -> None:
    rows = await ask(seen, "handshakes", limit="100")
    by_server = {(row["server"], row["server_port"]): row for row in rows}
    web = by_server[SERVER, 80]
    assert (web["handshakes"], web["unanswered"]) == (PAGES + 1, 0)  # and the upload
    assert 0 < web["median_ms"] <= web["slowest_ms"] < 1000
    assert by_server["2001:db8::2", 80]["handshakes"] == PAGES
    assert by_server[SERVER, REFUSED_PORT]["unanswered"] == 1
    made = by_server["10.0.0.2", 443]
    assert made["slowest_ms"] == 2e-6  # from the first SYN, two frames before
    assert sum(row["unanswered"] for row in rows if row["server"] == "10.0.0.10") == 50


async def test_dns(seen: ClickHouse) -> None:
    rows = await ask(seen, "dns")
    pairs = {(row["client"], row["server"]) for row in rows}
    assert pairs == {(CLIENT, SERVER), ("2001:db8::1", "2001:db8::2")}
    assert all(row["questions"] == row["answers"] > 0 for row in rows)
    assert {row["transport"] for row in rows} == {"udp"}


async def test_unusual(seen: ClickHouse) -> None:
    rows = await ask(seen, "unusual", prefix=MADE)
    assert [(r["what"], r["source"], r["protocol"], r["packets"]) for r in rows] == [
        ("fragment", "10.0.0.3", "udp", 2)
    ]


async def test_per_minute(seen: ClickHouse) -> None:
    rows = await ask(seen, "per-minute", to="2023-12-31")
    assert [(row["minute"], row["packets"], row["tcp_resets"]) for row in rows] == [
        ("2023-11-14 22:13:00", len(frames()), 1)
    ]
    assert rows[0]["tcp_opens"] == 52
    assert rows[0]["bytes"] == sum(len(frame) for frame in frames())
    (total,) = numbers(await seen.query("SELECT count() AS n FROM streamer.packets FINAL"))
    assert sum(row["packets"] for row in await ask(seen, "per-minute")) == total["n"]


async def test_protocols(seen: ClickHouse) -> None:
    rows = await ask(seen, "protocols")
    found = {(row["protocol"], row["over"]): row["packets"] for row in rows}
    assert found["icmp", "ipv4"] == 30  # 15 pings and their answers
    assert found["ipv6-icmp", "ipv6"] >= 30  # and neighbours
    assert found["udp", "ipv6"] >= 2000
    assert abs(sum(row["percent"] for row in rows) - 100) < 0.1


async def test_port_scan(seen: ClickHouse) -> None:
    (row,) = await ask(seen, "port-scan")
    assert (row["source"], row["places"], row["hosts"], row["ports"]) == ("10.0.0.9", 50, 1, 50)
    assert [*map(int, row["lowest_ports"])] == [*range(1, 11)]
    assert await ask(seen, "port-scan", ports="51") == []


async def test_lost_and_doubled(seen: ClickHouse) -> None:
    """Last: two events are taken out, and three come twice."""
    before = await ask(seen, "lost-and-doubled")
    assert len(before) == 2
    assert {(row["lost"], row["doubled"], row["first"]) for row in before} == {(0, 0, 0)}
    run = next(row for row in before if row["events"] == len(frames()))
    which = f"agent_ephemeral_id = '{run['agent_ephemeral_id']}' AND event_sequence"
    await seen.query(f"DELETE FROM streamer.packets WHERE {which} IN (10, 11)")  # noqa: S608
    await seen.query("SYSTEM STOP MERGES streamer.packets")
    await seen.query(
        f"INSERT INTO streamer.packets SELECT * FROM streamer.packets WHERE {which} IN (1, 2, 3)"  # noqa: S608
    )
    changed, other = await ask(seen, "lost-and-doubled")
    assert (changed["lost"], changed["doubled"]) == (2, 3)
    assert (other["lost"], other["doubled"]) == (0, 0)
