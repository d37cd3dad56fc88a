# SPDX-License-Identifier: Apache-2.0
"""Nanoseconds per event of the JSON encoder, by number of flows.

python -m benchmarks.encoder
"""

from __future__ import annotations

import argparse
import time

from benchmarks import flows
from hotpath.json_encoder import MAX_DOCUMENT_BYTES, EventEncoder

EVENTS_PER_CALL = 500  # about what an open batch holds: its buffer stays in the processor's cache


def new_encoder(flow_cache_bytes: int) -> EventEncoder:
    encoder = EventEncoder(
        agent_id="0f8fad5b-d9cb-469f-a165-70867728950e",
        ephemeral_id="Vx3kPq9ZtR0m",
        host_name="web-17",
        flow_cache_bytes=flow_cache_bytes,
    )
    encoder.set_interface(flows.IFINDEX, "eth0")
    return encoder


def measure(flow_count: int, flow_cache_bytes: int, events: int, rounds: int) -> None:
    records = flows.records(flow_count, events)
    size = EVENTS_PER_CALL * flows.RECORD_BYTES
    calls = [records[start : start + size] for start in range(0, len(records), size)]
    out = bytearray((EVENTS_PER_CALL + 1) * MAX_DOCUMENT_BYTES)
    encoder = new_encoder(flow_cache_bytes)
    best = float("inf")
    written = misses = 0
    for _ in range(rounds):
        misses_before = encoder.cache_info().misses
        start_ns = time.thread_time_ns()
        written = 0
        for call in calls:
            written += encoder.encode_lines(call, out, utc_offset_ns=0, first_sequence=1_000_000)
        best = min(best, (time.thread_time_ns() - start_ns) / events)
        misses = encoder.cache_info().misses - misses_before
    print(
        f"{flow_count:>7,} flows  {flow_cache_bytes >> 20:>3} MiB cache  {best:6.0f} ns/event"
        f"  {written // events} bytes/event  {misses / events:7.2%} misses in the last round"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    for flow_count, flow_cache_bytes in ((200, 4), (5_000, 4), (60_000, 4), (60_000, 64)):
        measure(flow_count, flow_cache_bytes << 20, arguments.events, arguments.rounds)


if __name__ == "__main__":
    main()
