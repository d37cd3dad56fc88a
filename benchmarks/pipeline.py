# SPDX-License-Identifier: Apache-2.0
"""CPU time per event from the ring to sealed batches, and on to Kafka's acknowledgement.

Three contenders make the same documents of the same records: this program, a C program that does
nothing else, and plain Python. See README.md in this folder for the method.

python -m benchmarks.pipeline [--quick] [--kafka HOST:PORT | --no-kafka]
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import orjson

from benchmarks.c_limit import CLimit
from benchmarks.kafka import broker, naive_to_kafka, streamer_to_kafka
from benchmarks.naive import NaiveEncoder
from benchmarks.traffic import LOOPBACK, FilledRing, frames
from hotpath.json_encoder import EventEncoder
from hotpath.pump import Pump
from streamer.errors import StreamerError

AGENT_ID = "0f8fad5b-d9cb-469f-a165-70867728950e"
EPHEMERAL_ID = "Vx3kPq9ZtR0m"
HOST_NAME, INTERFACE = "web-17", "eth0"
PARTITIONS = 3
FLOW_CACHE_BYTES = {200: 4 << 20, 5_000: 4 << 20}  # others: 64 MiB
COMPRESSIONS: tuple[Literal["none", "lz4"], ...] = ("none", "lz4")
NAIVE_EVENTS = 20_000
LIVE_SECONDS = 2.0
LIVE_RATES = (0, 1_000, 20_000, 100_000)


def new_encoder(flows: int) -> EventEncoder:
    encoder = EventEncoder(
        agent_id=AGENT_ID,
        ephemeral_id=EPHEMERAL_ID,
        host_name=HOST_NAME,
        flow_cache_bytes=FLOW_CACHE_BYTES.get(flows, 64 << 20),
    )
    encoder.set_interface(LOOPBACK, INTERFACE)
    return encoder


@dataclass
class Row:
    """Nanoseconds of CPU time per event with one number of flows."""

    flows: int
    ours: dict[str, float] = field(default_factory=dict)
    limit: dict[str, float] = field(default_factory=dict)
    naive: float = 0.0
    raw_bytes: float = 0.0
    sealed_bytes: float = 0.0


def measure_pump(ring: FilledRing, packets: list[bytes], row: Row, rounds: int) -> None:
    """Ring to sealed batches; the ring is filled between the rounds."""
    for compression in COMPRESSIONS:
        pump = Pump(
            ring.ring, new_encoder(row.flows), partitions=PARTITIONS, compression=compression
        )
        best = float("inf")
        for _ in range(rounds + 1):  # the first meets the flows
            ring.run(packets)
            before = pump.counters()
            pump.step(0)
            pump.flush()
            after = pump.counters()
            assert after.encoded - before.encoded == len(packets)
            best = min(best, (after.cpu_ns - before.cpu_ns) / len(packets))
            for batch in pump.take():
                batch.release()
        counters = pump.counters()
        row.ours[compression] = best
        row.raw_bytes = counters.raw_bytes / counters.encoded
        row.sealed_bytes = counters.sealed_bytes / counters.encoded
        pump.stop()


def measure_limit(limit: CLimit, records: list[bytes], row: Row, rounds: int) -> None:
    limit.load(records, new_encoder(row.flows))
    for compression in COMPRESSIONS:
        row.limit[compression] = limit.measure(compression, rounds).ns


def measure_naive(records: list[bytes], row: Row) -> None:
    naive = NaiveEncoder(AGENT_ID, EPHEMERAL_ID, HOST_NAME, INTERFACE)
    records = records[:NAIVE_EVENTS]
    for _ in range(2):  # the first fills its caches
        start_ns = time.thread_time_ns()
        for sequence, record in enumerate(records):
            naive.encode(record, 0, sequence)
        row.naive = (time.thread_time_ns() - start_ns) / len(records)


def same_documents(records: list[bytes], limit: CLimit, flows: int) -> None:
    """All three make the same documents of the same records, or the comparison means nothing."""
    encoder = new_encoder(flows)
    naive = NaiveEncoder(AGENT_ID, EPHEMERAL_ID, HOST_NAME, INTERFACE)
    for sequence, (record, from_c) in enumerate(zip(records, limit.documents(), strict=True)):
        ours = encoder.encode(record, utc_offset_ns=0, sequence=sequence)
        assert from_c == ours, (from_c, ours)
        if sequence < NAIVE_EVENTS:
            key, from_python = naive.encode(record, 0, sequence)
            assert orjson.loads(from_python) == orjson.loads(ours), (from_python, ours)
            record_key = encoder.record_key()
            assert record_key is not None
            assert key == record_key[0]


def measure_live(ring: FilledRing, packets: list[bytes], rate: int) -> tuple[float, float]:
    """The thread, with packets at a steady rate: microseconds an event, share of one CPU."""
    pump = Pump(ring.ring, new_encoder(200), partitions=PARTITIONS)
    pump.start()
    sent = 0
    start = time.monotonic()
    while (elapsed := time.monotonic() - start) < LIVE_SECONDS:
        due = int(elapsed * rate)
        while sent < due:
            ring.run(packets[sent % len(packets) : sent % len(packets) + due - sent])
            sent += min(due - sent, len(packets) - sent % len(packets))
        for batch in pump.take():
            batch.release()
        time.sleep(0.001)
    pump.stop()
    counters = pump.counters()
    assert counters.drained == sent
    return counters.cpu_ns / max(sent, 1) / 1e3, counters.cpu_ns / elapsed / 1e7


def print_rows(rows: list[Row]) -> None:
    print("\nring to sealed batch, CPU ns per event (best round)")
    print("                 streamer          C limit         ratio       Python  Python/streamer")
    print("   flows      none     lz4      none     lz4    none    lz4     (dict)     none     lz4")
    for row in rows:
        ours, limit = row.ours, row.limit
        print(
            f"{row.flows:>8,}  {ours['none']:>8.0f}{ours['lz4']:>8.0f}"
            f"  {limit['none']:>8.0f}{limit['lz4']:>8.0f}"
            f"  {ours['none'] / limit['none']:>6.2f}{ours['lz4'] / limit['lz4']:>7.2f}"
            f"  {row.naive:>9.0f}  {row.naive / ours['none']:>7.1f}{row.naive / ours['lz4']:>8.1f}"
        )
    last = rows[-1]
    print(f"a record: {last.raw_bytes:.0f} bytes, {last.sealed_bytes:.0f} after LZ4")


async def measure_kafka(
    bootstrap_servers: str, ring: FilledRing, packets: list[bytes], row: Row, rounds: int
) -> None:
    """Sealed to acknowledged, and the naive version with its own producer."""
    ring.run(packets)
    records = ring.records()[:NAIVE_EVENTS]
    naive = NaiveEncoder(AGENT_ID, EPHEMERAL_ID, HOST_NAME, INTERFACE)
    print(f"\nto the acknowledgement by Kafka at {bootstrap_servers}, CPU ns per event (client)")
    naive_ns = await naive_to_kafka(bootstrap_servers, naive, records)
    print(f"  Python, dict to producer.send     {naive_ns:>8.0f}   ring to acknowledged")
    for compression in COMPRESSIONS:
        best = float("inf")
        for _ in range(rounds):
            pump = Pump(
                ring.ring, new_encoder(row.flows), partitions=PARTITIONS, compression=compression
            )
            ring.run(packets)
            pump.step(0)
            pump.flush()
            best = min(best, await streamer_to_kafka(bootstrap_servers, pump.take()))
            pump.stop()
        whole = row.ours[compression] + best
        print(
            f"  streamer, {compression:<4}  sealed to acknowledged {best:>5.0f}"
            f"   ring to acknowledged {whole:>5.0f}   Python/streamer {naive_ns / whole:>5.1f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pipeline", description=__doc__)
    parser.add_argument("--flows", type=int, nargs="+", default=[200, 5_000, 60_000])
    parser.add_argument("--events", type=int, default=60_000, help="per round (default 60000)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="one short run: does it still work")
    parser.add_argument("--kafka", metavar="HOST:PORT", help="a running broker")
    parser.add_argument("--no-kafka", action="store_true", help="leave Kafka out")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.flows, arguments.events, arguments.rounds = [200], 5_000, 1
    rows = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="streamer-bench-")))
        limit = CLimit(folder)
        ring = stack.enter_context(FilledRing())
        for flows in arguments.flows:
            packets = frames(flows, arguments.events)
            ring.run(packets)
            records = ring.records()
            assert len(records) == len(packets)
            row = Row(flows)
            measure_limit(limit, records, row, arguments.rounds)
            same_documents(records, limit, flows)
            measure_naive(records, row)
            measure_pump(ring, packets, row, arguments.rounds)
            rows.append(row)
        print_rows(rows)
        print("\nthe pump's thread at a steady rate, LZ4, 200 flows")
        packets = frames(200, 20_000)
        for rate in LIVE_RATES[: 2 if arguments.quick else None]:
            each_us, share = measure_live(ring, packets, rate)
            each = f"{each_us:>6.2f} µs an event  " if rate else 22 * " "
            print(f"{rate:>8,}/s  {each}{share:>5.2f} % of a CPU")
        if arguments.no_kafka:
            return
        try:
            servers = stack.enter_context(broker(arguments.kafka, folder))
        except StreamerError as error:
            print(f"\nno Kafka: {error} ({error.hint})")
            return
        packets = frames(rows[0].flows, arguments.events)
        asyncio.run(measure_kafka(servers, ring, packets, rows[0], arguments.rounds))


if __name__ == "__main__":
    main()
