# SPDX-License-Identifier: Apache-2.0
"""The pump's thread: wake-ups, pauses, stops, floods; nothing lost, nothing hanging."""

from __future__ import annotations

import ctypes
import os
import select
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hotpath.buffer_pool import PooledBuffer
from pybpf.errors import LeaseError
from tests.support.pumping import checked, make_pump, poll, sequences_of, take_and_release
from tests.support.records import NO_WAKEUP, packet_record
from tests.support.requirements import require

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hotpath.pump import Pump
    from tests.support.records import RawRing, RingMaker

pytestmark = pytest.mark.root
MILLISECOND = 1_000_000


@pytest.fixture
def started() -> Iterator[Callable[..., Pump]]:
    """started(ring, ...): a pump whose thread runs; at the end it is stopped."""
    pumps: list[Pump] = []

    def start(raw: RawRing, **settings: object) -> Pump:
        pump = make_pump(raw.ring, **settings)
        pumps.append(pump)
        pump.start()
        return pump

    yield start
    for pump in pumps:
        pump.stop(0)


def readable(pump: Pump, timeout_s: float) -> bool:
    return bool(select.select([pump], [], [], timeout_s)[0])


@pytest.mark.parametrize("output_flags", [0, NO_WAKEUP])
def test_events_come_out_after_the_linger(
    raw_ring: RingMaker, started: Callable[..., Pump], output_flags: int
) -> None:
    raw = raw_ring(output_flags=output_flags)
    pump = started(raw, linger_ns=50 * MILLISECOND)
    for i in range(3):
        begun = time.monotonic()
        raw.emit([packet_record(i)])
        assert readable(pump, 10)
        assert time.monotonic() - begun >= 0.045
        assert take_and_release(pump) == [i]
        assert not readable(pump, 0)
    assert checked(pump.counters()).taken_events == 3


def test_an_idle_pump_sleeps(raw_ring: RingMaker, started: Callable[..., Pump]) -> None:
    pump = started(raw_ring())
    poll(lambda: pump.counters().cpu_ns > 0, "the thread counts")
    before = pump.counters().cpu_ns
    time.sleep(1)
    assert pump.counters().cpu_ns - before < 20 * MILLISECOND


def test_the_thread_has_a_name(raw_ring: RingMaker, started: Callable[..., Pump]) -> None:
    started(raw_ring(), name="pump-with-a-long-name")
    names = {path.read_text().strip() for path in Path("/proc/self/task").glob("*/comm")}
    poll(
        lambda: (
            "pump-with-a-lon"
            in {path.read_text().strip() for path in Path("/proc/self/task").glob("*/comm")}
        ),
        f"the name in {names}",
    )


def test_the_thread_needs_no_gil(raw_ring: RingMaker, started: Callable[..., Pump]) -> None:
    raw = raw_ring(output_flags=NO_WAKEUP)
    pump = started(raw, linger_ns=100 * MILLISECOND)
    raw.emit(packet_record(i) for i in range(1000))
    ctypes.PyDLL(None).usleep(600_000)  # a C function called with the GIL held
    counters = checked(pump.counters())
    assert counters.sealed_events == 1000


def test_a_program_that_forgets_to_stop_ends() -> None:
    """The interpreter does not wait for the thread, and the thread does not disturb its end."""
    program = (
        "from streamer.capture.programs import Switches, load\n"
        "from pybpf import RingBuffer\n"
        "from tests.support.pumping import make_pump\n"
        "pump = make_pump(RingBuffer(load(('tc_ingress',), 65536, Switches()).maps['events']))\n"
        "pump.start()\n"
    )
    require(os.geteuid() == 0, "a BPF ring buffer needs root")
    run = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        check=False,
        timeout=30,
    )
    assert run.returncode == 0, run.stderr


def test_stop_drains_the_ring_and_seals(raw_ring: RingMaker, started: Callable[..., Pump]) -> None:
    raw = raw_ring(4 << 20, NO_WAKEUP)
    pump = started(raw, linger_ns=10**12, partitions=3)
    raw.emit(packet_record(i, flow=i % 50) for i in range(20_000))
    assert pump.running
    pump.stop()
    assert not pump.running
    assert raw.ring.fill_bytes == 0
    counters = checked(pump.counters())
    assert (counters.drained, counters.open_events) == (20_000, 0)
    assert readable(pump, 0)
    assert sorted(take_and_release(pump)) == list(range(20_000))
    assert counters.cpu_ns > 0


def test_stop_twice_and_never_again(raw_ring: RingMaker, started: Callable[..., Pump]) -> None:
    pump = started(raw_ring())
    pump.stop()
    pump.stop()
    with pytest.raises(RuntimeError, match="stopped"):
        pump.start()


def test_a_running_pump_owns_its_ring(raw_ring: RingMaker, started: Callable[..., Pump]) -> None:
    raw = raw_ring()
    pump = started(raw)
    with pytest.raises(RuntimeError, match="thread"):
        pump.step(0)
    with pytest.raises(RuntimeError, match="thread"):
        pump.start()
    with pytest.raises(LeaseError):
        raw.ring.lease()
    with pytest.raises(LeaseError):
        raw.ring.close()
    with pytest.raises(RuntimeError, match="leased"):
        make_pump(raw.ring).start()
    pump.stop()
    with raw.ring.lease() as records:
        assert list(records) == []


def test_flush_seals_soon(raw_ring: RingMaker, started: Callable[..., Pump]) -> None:
    raw = raw_ring()
    pump = started(raw, linger_ns=10**12)
    raw.emit([packet_record(0)])
    poll(lambda: pump.counters().open_events == 1, "the event is drained")
    pump.flush()
    assert readable(pump, 10)
    assert take_and_release(pump) == [0]


def test_used_up_memory_pauses_and_a_release_wakes(
    raw_ring: RingMaker, started: Callable[..., Pump]
) -> None:
    raw = raw_ring(1 << 20)
    pump = started(
        raw, compression="none", batch_bytes=16_384, memory_bytes=65_536, linger_ns=MILLISECOND
    )
    emitted = raw.emit(packet_record(i) for i in range(6000))
    assert emitted == 6000
    numbers: list[int] = []
    pauses = 0
    while len(numbers) < 6000:
        poll(lambda: pump.counters().sealed_events > 0, "something is sealed")
        if pump.counters().paused:
            pauses += 1
        checked(pump.counters())
        numbers += take_and_release(pump)
    assert numbers == list(range(6000))
    assert pauses > 5
    poll(lambda: not pump.counters().paused, "the last pause ends")
    assert pump.counters().sequence_gaps == 0


def test_a_stop_while_paused_waits_for_releases(
    raw_ring: RingMaker, started: Callable[..., Pump]
) -> None:
    raw = raw_ring(1 << 20)
    pump = started(raw, compression="none", batch_bytes=16_384, memory_bytes=65_536)
    raw.emit(packet_record(i) for i in range(6000))
    poll(lambda: pump.counters().paused, "memory is used up")
    pump.request_stop(60)
    assert pump.running
    numbers: list[int] = []
    while pump.running:
        readable(pump, 1)
        numbers += take_and_release(pump)
    pump.join()
    numbers += take_and_release(pump)
    assert numbers == list(range(6000))
    assert raw.ring.fill_bytes == 0


def test_a_stop_while_paused_ends_at_its_deadline(
    raw_ring: RingMaker, started: Callable[..., Pump]
) -> None:
    raw = raw_ring(1 << 20)
    pump = started(raw, compression="none", batch_bytes=16_384, memory_bytes=65_536)
    raw.emit(packet_record(i) for i in range(6000))
    poll(lambda: pump.counters().paused, "memory is used up")
    begun = time.monotonic()
    pump.stop(0.3)
    assert 0.25 < time.monotonic() - begun < 10
    counters = checked(pump.counters())
    assert counters.open_events == 0
    in_ring = raw.ring.fill_bytes // 128
    assert in_ring > 0
    assert counters.drained + in_ring == 6000
    assert take_and_release(pump) == list(range(counters.drained))


def test_a_stop_while_the_ring_fills_ends_at_its_deadline(
    raw_ring: RingMaker, started: Callable[..., Pump]
) -> None:
    raw = raw_ring(1 << 20)
    pump = started(raw, memory_bytes=256 << 20)
    frames = raw.frames(packet_record(i) for i in range(400))
    ended = threading.Event()

    def flood() -> None:
        while not ended.is_set():
            for frame in frames:
                raw.program.test_run(frame)

    producer = threading.Thread(target=flood)
    producer.start()
    try:
        poll(lambda: pump.counters().drained > 0, "the flood arrives")
        begun = time.monotonic()
        pump.stop(0.3)
        assert time.monotonic() - begun < 10
    finally:
        ended.set()
        producer.join()
    assert checked(pump.counters()).open_events == 0


@pytest.mark.parametrize("compression", ["lz4", "none"])
@pytest.mark.parametrize("ring_bytes", [16_384, 1 << 20])
def test_a_flood_and_a_slow_consumer(
    raw_ring: RingMaker, started: Callable[..., Pump], ring_bytes: int, compression: str
) -> None:
    raw = raw_ring(ring_bytes)
    pump = started(
        raw,
        partitions=3,
        compression=compression,
        batch_bytes=32_768,
        memory_bytes=131_072,
        linger_ns=5 * MILLISECOND,
    )
    frames = raw.frames(packet_record(i, flow=i % 500) for i in range(2000))
    written = 0
    ended = threading.Event()

    def flood() -> None:
        nonlocal written
        while not ended.is_set():
            for frame in frames:
                written += raw.program.test_run(frame).retval

    producer = threading.Thread(target=flood)
    producer.start()
    taken = 0
    numbers: set[int] = set()
    end = time.monotonic() + 2.0
    while time.monotonic() < end:
        checked(pump.counters())
        for batch in pump.take():
            taken += batch.events
            numbers.update(sequences_of(batch))
            batch.release()
        time.sleep(0.005)
    ended.set()
    producer.join()
    pump.request_stop(60)
    while pump.running:
        readable(pump, 1)
        for batch in pump.take():
            taken += batch.events
            numbers.update(sequences_of(batch))
            batch.release()
    pump.join()
    for batch in pump.take():
        taken += batch.events
        numbers.update(sequences_of(batch))
    counters = checked(pump.counters())
    assert counters.drained == counters.encoded == written == taken
    assert numbers == set(range(taken)), "event.sequence has no gap and no repetition"
    assert written > 2000


def test_snapshots_and_requests_from_many_threads(
    raw_ring: RingMaker, started: Callable[..., Pump]
) -> None:
    raw = raw_ring(1 << 20)
    pump = started(raw, linger_ns=MILLISECOND)
    frames = raw.frames(packet_record(i, flow=i % 20) for i in range(400))
    ended = threading.Event()
    wrong: list[BaseException] = []
    taken: list[int] = []

    def repeat(action: Callable[[], object]) -> None:
        try:
            while not ended.is_set():
                action()
        except BaseException as error:  # noqa: BLE001 - reported by the test's own thread
            wrong.append(error)

    names = iter(range(10**9))
    actions: list[Callable[[], object]] = [
        lambda: checked(pump.counters()),
        lambda: taken.extend(take_and_release(pump)),
        lambda: pump.set_interface(7, f"eth{next(names) % 10}"),
        lambda: pump.set_utc_offset_ns(next(names)),
        pump.flush,
    ]
    threads = [threading.Thread(target=repeat, args=(action,)) for action in actions]
    for thread in threads:
        thread.start()
    written = sum(raw.program.test_run(frames[i % len(frames)]).retval for i in range(200))
    poll(lambda: pump.counters().drained >= written, "everything is drained")
    ended.set()
    for thread in threads:
        thread.join()
    assert not wrong
    pump.stop()
    taken += take_and_release(pump)
    assert sorted(taken) == list(range(written))


def test_memory_is_not_reused_while_a_batch_is_looked_at(
    raw_ring: RingMaker, started: Callable[..., Pump]
) -> None:
    raw = raw_ring(1 << 20)
    pump = started(raw, compression="none", batch_bytes=16_384, memory_bytes=131_072)
    raw.emit(packet_record(i) for i in range(100))
    pump.flush()
    assert readable(pump, 10)
    batch = pump.take()[0]
    assert isinstance(batch, PooledBuffer)
    view = memoryview(batch)
    before = bytes(view)
    batch.release()
    for round_ in range(20):
        raw.emit(packet_record(100 + 100 * round_ + i, flow=i) for i in range(100))
        poll(lambda: pump.counters().open_events > 0 or readable(pump, 0), "the next batch")
        pump.flush()
        readable(pump, 1)
        take_and_release(pump)
    assert bytes(view) == before
    view.release()
