# SPDX-License-Identifier: Apache-2.0
"""The reader over a model of the kernel's side; needs no privilege."""

from __future__ import annotations

import gc
import os
import struct
from collections import deque
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

import pybpf
from tests.support.ring_image import HEADER_BYTES, PAGE, RingImage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any


@pytest.fixture
def image() -> Iterator[RingImage]:
    with RingImage(PAGE) as made:
        yield made


@pytest.fixture
def ring(image: RingImage) -> Iterator[pybpf.RingBuffer]:
    with pybpf.RingBuffer.from_descriptor(image.fd, image.capacity) as made:
        yield made


def submit(image: RingImage, payload: bytes, *, discard: bool = False) -> None:
    position = image.reserve(len(payload))
    assert position is not None
    image.commit(position, payload, discard=discard)


def test_records_arrive_in_order_and_the_space_goes_back_once(
    image: RingImage, ring: pybpf.RingBuffer
) -> None:
    for payload in (b"one", b"", b"x" * 100):
        submit(image, payload)
    assert ring.fill_bytes == image.producer
    with ring.lease() as records:
        seen = []
        for record in records:
            seen.append(bytes(record))
            assert image.consumer == 0
    assert seen == [b"one", b"", b"x" * 100]
    assert image.consumer == image.producer
    assert ring.fill_bytes == 0


def test_a_busy_record_ends_the_run_and_is_read_later(
    image: RingImage, ring: pybpf.RingBuffer
) -> None:
    submit(image, b"first")
    held_up = image.reserve(6)
    assert held_up is not None
    submit(image, b"third")
    with ring.lease() as records:
        assert [bytes(record) for record in records] == [b"first"]
    assert image.consumer == held_up
    with ring.lease() as records:
        assert list(records) == []
    image.commit(held_up, b"second")
    with ring.lease() as records:
        assert [bytes(record) for record in records] == [b"second", b"third"]


def test_discarded_records_are_passed_over_and_their_space_goes_back(
    image: RingImage, ring: pybpf.RingBuffer
) -> None:
    submit(image, b"a", discard=True)
    submit(image, b"b")
    submit(image, b"c", discard=True)
    with ring.lease() as records:
        assert [bytes(record) for record in records] == [b"b"]
    assert image.consumer == image.producer


def test_what_was_not_iterated_over_stays(image: RingImage, ring: pybpf.RingBuffer) -> None:
    for number in range(4):
        submit(image, bytes([number]))
    with ring.lease() as records:
        assert bytes(next(records)) == b"\0"
    assert image.consumer == 16
    with ring.lease(max_bytes=17) as records:
        assert [bytes(record) for record in records] == [b"\1", b"\2"]
    with pytest.raises(KeyError), ring.lease() as records:  # noqa: PT012
        assert bytes(next(records)) == b"\3"
        raise KeyError
    assert ring.fill_bytes == 0


def test_a_reader_goes_on_where_the_last_one_stopped(image: RingImage) -> None:
    submit(image, b"one")
    submit(image, b"two")
    for expected in (b"one", b"two"):
        with (
            pybpf.RingBuffer.from_descriptor(image.fd, image.capacity) as ring,
            ring.lease() as records,
        ):
            assert bytes(next(records)) == expected


def test_views_end_with_their_lease(image: RingImage, ring: pybpf.RingBuffer) -> None:
    submit(image, b"payload")
    with ring.lease() as records:
        view = next(records)
        assert view.readonly
        assert (view.format, view.itemsize, view.nbytes, view.shape) == ("B", 1, 7, (7,))
        with pytest.raises(TypeError):
            view[0] = 1
    with pytest.raises(ValueError, match="released"):
        view[0]
    with pytest.raises(ValueError, match="released"):
        bytes(view)


def a_slice(view: memoryview) -> memoryview:
    return view[2:5]


def a_cast(view: memoryview) -> memoryview[Any]:
    return view.cast("Q")


@pytest.mark.parametrize("derive", [a_slice, a_cast, memoryview, memoryview.toreadonly])
def test_a_view_of_a_view_keeps_the_space(
    image: RingImage, ring: pybpf.RingBuffer, derive: Callable[[memoryview], memoryview]
) -> None:
    submit(image, b"payload!")
    held = memoryview(b"")
    with pytest.raises(pybpf.LeaseError, match="1 views") as caught, ring.lease() as records:
        held = derive(next(records))
    assert isinstance(caught.value, BufferError)
    assert image.consumer == 0
    # The kernel cannot overwrite it, so what is held still reads right.
    assert bytes(held) in b"payload!"
    assert bytes(held) != b""
    with pytest.raises(pybpf.LeaseError, match="not ended"):
        ring.lease()
    with pytest.raises(pybpf.LeaseError, match="not ended"):
        ring.close()
    held.release()
    assert image.consumer == image.producer
    with ring.lease() as records:
        assert list(records) == []


def test_an_error_in_the_block_is_not_hidden_by_held_views(
    image: RingImage, ring: pybpf.RingBuffer
) -> None:
    submit(image, b"payload")
    held = None
    with pytest.raises(KeyError), ring.lease() as records:  # noqa: PT012
        held = next(records)[1:]
        raise KeyError
    assert held is not None
    assert image.consumer == 0
    held.release()
    assert ring.fill_bytes == 0


def test_views_outlive_the_ring_they_came_from(image: RingImage) -> None:
    """The last reference to the ring goes; the memory must not."""
    submit(image, b"payload")
    ring = pybpf.RingBuffer.from_descriptor(image.fd, image.capacity)
    lease = ring.lease().__enter__()
    part = next(lease)[1:4]
    del ring, lease
    gc.collect()
    assert bytes(part) == b"ayl"
    with pytest.warns(ResourceWarning, match="unclosed ring buffer"):  # noqa: PT031
        del part
        gc.collect()


def test_a_held_view_in_a_reference_cycle(image: RingImage) -> None:
    submit(image, b"payload")
    ring = pybpf.RingBuffer.from_descriptor(image.fd, image.capacity)
    cycle: list[object] = []
    with pytest.raises(pybpf.LeaseError), ring.lease() as records:
        cycle.append(next(records)[1:4])
    cycle += [cycle, ring, records]
    with pytest.warns(ResourceWarning, match="unclosed ring buffer"):  # noqa: PT031
        del ring, records, cycle
        gc.collect()


def test_one_lease_at_a_time(image: RingImage, ring: pybpf.RingBuffer) -> None:
    submit(image, b"x")
    other = ring.lease()
    with ring.lease() as records:
        with pytest.raises(pybpf.LeaseError, match="not ended"):
            ring.lease()
        with pytest.raises(pybpf.LeaseError, match="not ended"):
            other.__enter__()
        with pytest.raises(pybpf.LeaseError, match="once"):
            records.__enter__()
    with pytest.raises(pybpf.LeaseError, match="inside"):
        next(records)
    with pytest.raises(pybpf.LeaseError, match="once"):
        records.__enter__()
    with pytest.raises(pybpf.LeaseError, match="inside"):
        next(other)
    with pytest.raises(BufferError):
        memoryview(records)  # type: ignore[arg-type]
    for wrong in (0, -1):
        with pytest.raises(ValueError, match="max_bytes"):
            ring.lease(wrong)


def test_closing_twice_and_use_after_close(image: RingImage) -> None:
    ring = pybpf.RingBuffer.from_descriptor(image.fd, image.capacity)
    lease = ring.lease()
    ring.close()
    ring.close()
    assert ring.closed
    for use in (
        lambda: ring.fill_bytes,
        ring.fileno,
        ring.lease,
        lambda: ring.wait(0),
        ring.__enter__,
        lease.__enter__,
    ):
        with pytest.raises(pybpf.ObjectClosed):
            use()


def test_sizes_that_no_ring_has(image: RingImage) -> None:
    for capacity in (0, 1, PAGE - 1, PAGE + 1, 3 * PAGE, PAGE // 2):
        with pytest.raises(pybpf.SizeError):
            pybpf.RingBuffer.from_descriptor(image.fd, capacity)


def test_a_descriptor_that_is_none() -> None:
    reading, writing = os.pipe()
    try:
        with pytest.raises(pybpf.PybpfError, match="mapping"):
            pybpf.RingBuffer.from_descriptor(reading, PAGE)
    finally:
        os.close(reading)
        os.close(writing)


class RingMachine(RuleBasedStateMachine):
    """Any order of reserving, submitting, discarding, reading and holding back."""

    @initialize(
        pages=st.sampled_from([1, 2]),
        # Also where the positions pass 2^32 and wrap at 2^64.
        start=st.sampled_from([0, (1 << 32) - 2 * PAGE, (1 << 64) - PAGE]),
    )
    def open(self, pages: int, start: int) -> None:
        self.image = RingImage(pages * PAGE, start)
        self.ring = pybpf.RingBuffer.from_descriptor(self.image.fd, pages * PAGE)
        self.serial = 0
        # Every reserved record that was not read: [position, payload, state].
        self.pending: deque[tuple[int, bytes, list[str]]] = deque()

    @rule(length=st.one_of(st.integers(0, 40), st.integers(0, 2 * PAGE)))
    def reserve(self, length: int) -> None:
        self.serial += 1
        payload = (struct.pack("=I", self.serial) * (length // 4 + 1))[:length]
        position = self.image.reserve(length)
        if position is not None:
            self.pending.append((position, payload, ["busy"]))

    @precondition(lambda self: any(entry[2] == ["busy"] for entry in self.pending))
    @rule(data=st.data(), discard=st.booleans())
    def commit(self, data: st.DataObject, discard: bool) -> None:
        busy = [entry for entry in self.pending if entry[2] == ["busy"]]
        position, payload, state = data.draw(st.sampled_from(busy))
        state[0] = "discarded" if discard else "submitted"
        self.image.commit(position, payload, discard=discard)

    @rule(max_bytes=st.one_of(st.none(), st.integers(1, 3000)))
    def read(self, max_bytes: int | None) -> None:
        expected = []
        walked = 0
        while self.pending and self.pending[0][2] != ["busy"]:
            if max_bytes is not None and walked >= max_bytes:
                break
            _, payload, state = self.pending.popleft()
            walked += (len(payload) + HEADER_BYTES + 7) & ~7
            if state == ["submitted"]:
                expected.append(payload)
            elif max_bytes is not None and walked >= max_bytes:
                # Discarded records are passed over on the way to the next real one.
                while self.pending and self.pending[0][2] == ["discarded"]:
                    self.pending.popleft()
                if self.pending and self.pending[0][2] == ["submitted"]:
                    expected.append(self.pending.popleft()[1])
        with self.ring.lease(max_bytes) as records:
            seen = [bytes(record) for record in records]
        assert seen == expected
        after = self.pending[0][0] if self.pending else self.image.producer
        assert self.image.consumer == after
        assert self.ring.fill_bytes == (self.image.producer - after) % (1 << 64)

    def teardown(self) -> None:
        if hasattr(self, "ring"):
            self.ring.close()
            self.image.close()


TestRingMachine = RingMachine.TestCase
TestRingMachine.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)
