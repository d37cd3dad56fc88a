# SPDX-License-Identifier: Apache-2.0
"""Every packet has one fate, every record its number, and the reader is woken now and then."""

from __future__ import annotations

import contextlib
import os
import select
import struct
import threading
import time
from collections import defaultdict
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.capture_object import UNSEEN_HEADER, CaptureObject, skb_context

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.packet_event import PacketEvent

RECORD_BYTES = 128  # with the ring's header
DEADLINE_S = 10


@pytest.fixture
def load() -> Iterator[Callable[..., CaptureObject]]:
    """load(programs, **switches): an object of the test's own."""
    with contextlib.ExitStack() as stack:
        yield lambda *arguments, **switches: stack.enter_context(
            contextlib.closing(CaptureObject(*arguments, **switches))
        )


@contextlib.contextmanager
def on_cpu(cpu: int) -> Iterator[None]:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {cpu})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def closes(counters: dict[str, int]) -> bool:
    fates = counters["filtered_self"] + counters["ring_full"] + counters["emitted"]
    return counters["seen"] == fates


def test_each_hook_counts_in_its_slot(
    frames: dict[str, bytes], load: Callable[..., CaptureObject]
) -> None:
    names = ("tc_ingress", "tc_egress", "xdp_ingress", "socket_filter")
    loaded = load(names)
    frame = frames["tcp"]
    for times, name in enumerate(names, start=1):
        for _ in range(times):
            loaded.run(name, UNSEEN_HEADER + frame if name == "socket_filter" else frame, None)
    slots = ("tc_ingress", "tc_egress", "xdp_ingress", "socket_ingress", "socket_egress")
    for slot, times in zip(slots, (1, 2, 3, 4, 0), strict=True):
        assert loaded.counters(slot) == {
            "seen": times,
            "segments": times,
            "filtered_self": 0,
            "ring_full": 0,
            "emitted": times,
        }
    assert_gapless(loaded.events())


def test_segments_are_counted(frames: dict[str, bytes], load: Callable[..., CaptureObject]) -> None:
    loaded = load(["tc_ingress"])
    loaded.run("tc_ingress", frames["tcp"], skb_context(gso_segs=40, gso_size=1000))
    counters = loaded.counters("tc_ingress")
    assert (counters["seen"], counters["segments"]) == (1, 40)


@pytest.mark.parametrize("ring_bytes", [4096, 65536])
def test_full_ring(
    ring_bytes: int, frames: dict[str, bytes], load: Callable[..., CaptureObject]
) -> None:
    loaded = load(["xdp_ingress"], ring_bytes=ring_bytes)
    room = ring_bytes // RECORD_BYTES
    sent = room * 3
    for _ in range(sent):
        loaded.run("xdp_ingress", frames["udp"])
    counters = loaded.counters("xdp_ingress")
    assert counters["seen"] == sent
    assert closes(counters)
    assert room - 1 <= counters["emitted"] <= room
    events = loaded.events()
    assert len(events) == counters["emitted"]
    # what did not fit took no number
    loaded.run("xdp_ingress", frames["udp"])
    events += loaded.events()
    assert_gapless(events)
    assert closes(loaded.counters("xdp_ingress"))


def assert_gapless(events: list[PacketEvent]) -> None:
    next_of_cpu: dict[int, int] = defaultdict(int)
    for event in events:
        assert event.sequence == next_of_cpu[event.cpu]
        next_of_cpu[event.cpu] += 1


def test_sequence_of_each_cpu(frames: dict[str, bytes], load: Callable[..., CaptureObject]) -> None:
    loaded = load(["xdp_ingress", "tc_ingress"])
    cpus = sorted(os.sched_getaffinity(0))
    for number in range(300):
        with on_cpu(cpus[number * 7 % len(cpus)]):
            loaded.run(("xdp_ingress", "tc_ingress")[number % 2], frames["udp"])
    events = loaded.events()
    assert len(events) == 300
    assert_gapless(events)
    assert {event.cpu for event in events} == set(cpus)
    # user space reads the next number of each CPU
    values = loaded.object.maps["sequences"].get(bytes(4), per_cpu=True)
    assert values is not None
    assert sum(struct.unpack("=Q", value)[0] for value in values) == 300


def endpoints(source: str, destination: str, source_port: int, destination_port: int) -> bytes:
    def packed(address: str) -> bytes:
        ip = ip_address(address)
        return ip.packed if ip.version == 6 else bytes(10) + b"\xff\xff" + ip.packed

    return packed(source) + packed(destination) + struct.pack("=HH", source_port, destination_port)


OWN_V4 = endpoints("192.0.2.1", "198.51.100.2", 40000, 443)
OWN_V6 = endpoints("2001:db8::1", "2001:db8:0:1::2", 40000, 443)


@pytest.mark.parametrize("program", ["tc_ingress", "tc_egress", "xdp_ingress", "socket_filter"])
def test_own_connections(
    program: str, frames: dict[str, bytes], load: Callable[..., CaptureObject]
) -> None:
    loaded = load([program], exclude_own=1)
    own = loaded.object.maps["own_connections"]
    context = skb_context() if program.startswith("tc") else None
    before = UNSEEN_HEADER if program == "socket_filter" else b""
    names = ("tcp", "802.1q", "tcp6", "hop-by-hop", "udp", "tcp syn options", "arp request")

    def run() -> set[str]:
        seen = set()
        for name in names:
            frame = before + frames[name].ljust(54, b"\0")
            loaded.run(program, frame, context)
            seen |= {name for _ in loaded.events()}
        return seen

    assert run() == set(names)
    own.set(OWN_V4, b"\1")
    assert run() == set(names) - {"tcp", "802.1q"}
    own.set(OWN_V6, b"\1")
    assert run() == set(names) - {"tcp", "802.1q", "tcp6", "hop-by-hop"}
    own.delete(OWN_V4)
    own.delete(OWN_V6)
    assert run() == set(names)
    slot = {"socket_filter": "socket_ingress"}.get(program, program)
    counters = loaded.counters(slot)
    assert closes(counters)
    assert counters == {
        "seen": 4 * len(names),
        "segments": 4 * len(names),
        "filtered_self": 2 + 4,
        "ring_full": 0,
        "emitted": 4 * len(names) - 6,
    }


def test_own_connections_are_seen_when_asked_for(
    frames: dict[str, bytes], load: Callable[..., CaptureObject]
) -> None:
    loaded = load(["xdp_ingress"], exclude_own=0)
    loaded.object.maps["own_connections"].set(OWN_V4, b"\1")
    assert loaded.event("xdp_ingress", frames["tcp"]).fields.source_port == 40000


@pytest.mark.parametrize(
    ("wakeup_bytes", "ring_bytes", "threshold"),
    [(1024, 65536, 1024), (16384, 65536, 16384), (1 << 30, 65536, 32768), (128, 4096, 128)],
)
def test_wake_up(
    wakeup_bytes: int,
    ring_bytes: int,
    threshold: int,
    frames: dict[str, bytes],
    load: Callable[..., CaptureObject],
) -> None:
    """A reader that sleeps is woken by the record that brings the fill to the threshold."""
    loaded = load(["xdp_ingress"], ring_bytes=ring_bytes, wakeup_bytes=wakeup_bytes)
    poll = select.epoll()
    poll.register(loaded.ring.fileno(), select.EPOLLIN)
    woken = threading.Event()

    def sleep() -> None:
        if poll.poll(DEADLINE_S):
            woken.set()

    sleeping = threading.Thread(target=sleep, daemon=True)
    sleeping.start()
    wait_until_asleep(sleeping)
    for _ in range(threshold // RECORD_BYTES - 1):
        loaded.run("xdp_ingress", frames["udp"])
    assert not woken.is_set()
    loaded.run("xdp_ingress", frames["udp"])
    assert woken.wait(DEADLINE_S / 2)
    sleeping.join()
    poll.close()


def wait_until_asleep(thread: threading.Thread) -> None:
    """Until the kernel shows it in an interruptible sleep in epoll."""
    deadline = time.monotonic() + DEADLINE_S
    task = Path(f"/proc/self/task/{thread.native_id}")
    while time.monotonic() < deadline:
        state = (task / "stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
        where = (task / "wchan").read_text(encoding="ascii")
        if state == "S" and ("poll" in where or where in ("", "0")):  # hidden on some kernels
            return
        time.sleep(0.001)
    pytest.fail("the reader does not sleep")
