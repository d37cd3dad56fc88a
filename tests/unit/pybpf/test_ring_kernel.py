# SPDX-License-Identifier: Apache-2.0
"""The reader against the kernel's own ring buffer, filled by test runs."""

from __future__ import annotations

import gc
import struct
import threading
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import pybpf

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.bpf_objects import CompileBpf

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("bpf_privileges")]

# The frame says what to do: what, how long, then the bytes of the record.
SOURCE = """
struct { __uint(type, BPF_MAP_TYPE_RINGBUF); __uint(max_entries, 4096); } ring SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY); __type(key, __u32); __type(value, char[2048]);
         __uint(max_entries, 1); } room SEC(".maps");
struct order { __u32 what, length; __u64 unused; };

SEC("xdp") int obeys(struct xdp_md *ctx)
{
    struct order order;
    __u32 zero = 0;
    char *bytes = bpf_map_lookup_elem(&room, &zero);

    if (!bytes || bpf_xdp_load_bytes(ctx, 0, &order, sizeof(order)))
        return 100;
    __u32 length = order.length;
    if (length > 1024)
        return 101;
    if (length && bpf_xdp_load_bytes(ctx, sizeof(order), bytes, length))
        return 102;
    if (order.what == 0)
        return bpf_ringbuf_output(&ring, bytes, length, 0) ? 1 : 0;
    char *record = bpf_ringbuf_reserve(&ring, 40, 0);
    if (!record)
        return 1;
    __builtin_memcpy(record, bytes, 40);
    if (order.what == 1)
        bpf_ringbuf_submit(record, 0);
    else
        bpf_ringbuf_discard(record, 0);
    return 0;
}
"""

OUTPUT, SUBMIT, DISCARD = 0, 1, 2


@pytest.fixture
def producer(compile_bpf: CompileBpf) -> Iterator[pybpf.Object]:
    with pybpf.Object.open(compile_bpf("obeys", SOURCE)) as opened:
        opened.load()
        yield opened


def emit(producer: pybpf.Object, what: int, payload: bytes) -> bool:
    """False when the ring was full."""
    order = struct.pack("=IIQ", what, len(payload), 0) + payload
    result = producer.programs["obeys"].test_run(order, output_bytes=0).retval
    assert result in (0, 1)
    return result == 0


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("emit"), st.just(OUTPUT), st.integers(1, 1024)),
        st.tuples(st.just("emit"), st.sampled_from([SUBMIT, DISCARD]), st.just(40)),
        st.tuples(st.just("read"), st.one_of(st.none(), st.integers(1, 2000)), st.just(0)),
    ),
    max_size=80,
)


@given(steps=STEPS)
@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_what_the_programs_put_in_comes_out(
    producer: pybpf.Object, steps: list[tuple[str, int | None, int]]
) -> None:
    expected: list[bytes] = []
    seen: list[bytes] = []
    with pybpf.RingBuffer(producer.maps["ring"]) as ring:
        assert ring.capacity == 4096
        for serial, (step, argument, length) in enumerate([*steps, ("read", None, 0)]):
            if step == "read":
                with ring.lease(argument) as records:
                    seen += [bytes(record) for record in records]
                continue
            payload = (struct.pack("=I", serial) * (length // 4 + 1))[:length]
            before = ring.fill_bytes
            total = (length + 8 + 7) & ~7
            assert argument is not None
            if emit(producer, argument, payload):
                assert ring.fill_bytes == before + total
                if argument != DISCARD:
                    expected.append(payload)
            else:
                assert before + total > ring.capacity - 1
        assert ring.fill_bytes == 0
    assert seen == expected


def test_a_record_across_the_end_of_the_ring_is_in_one_piece(producer: pybpf.Object) -> None:
    with pybpf.RingBuffer(producer.maps["ring"]) as ring:
        for round_ in range(40):
            payload = bytes(range(256)) * 3 + bytes([round_])
            assert emit(producer, OUTPUT, payload)
            with ring.lease() as records:
                assert [bytes(record) for record in records] == [payload]


def test_writer_and_reader_at_the_same_time(producer: pybpf.Object) -> None:
    count = 30_000
    full = 0
    failures: list[BaseException] = []

    def write() -> None:
        nonlocal full
        try:
            for number in range(count):
                while not emit(producer, SUBMIT, struct.pack("=Q", number) * 5):
                    full += 1
        except BaseException as error:  # noqa: BLE001 - handed to the test
            failures.append(error)

    thread = threading.Thread(target=write)
    with pybpf.RingBuffer(producer.maps["ring"]) as ring:
        thread.start()
        expected = 0
        while expected < count and not failures:
            ring.wait(0.1)
            with ring.lease() as records:
                for record in records:
                    assert record == struct.pack("=Q", expected) * 5
                    expected += 1
        thread.join()
    assert not failures
    assert expected == count


def test_waiting_ends_with_a_record_or_the_time(producer: pybpf.Object) -> None:
    with pybpf.RingBuffer(producer.maps["ring"]) as ring:
        assert not ring.wait(0)
        assert not ring.wait(0.01)
        emit(producer, OUTPUT, b"x" * 8)
        assert ring.wait(10)
        with ring.lease() as records:
            list(records)
        assert not ring.wait(0)


def test_the_reader_outlives_the_object(compile_bpf: CompileBpf) -> None:
    with pybpf.Object.open(compile_bpf("obeys", SOURCE)) as opened:
        opened.load()
        ring = pybpf.RingBuffer(opened.maps["ring"])
        emit(opened, OUTPUT, b"last word")
    with ring, ring.lease() as records:
        assert [bytes(record) for record in records] == [b"last word"]


def test_many_rounds_leave_no_memory_behind(compile_bpf: CompileBpf) -> None:
    path = compile_bpf("obeys", SOURCE)

    def mappings_of_maps() -> int:
        return Path("/proc/self/maps").read_text(encoding="utf-8").count("bpf-map")

    def one_round() -> None:
        with pybpf.Object.open(path) as opened:
            opened.load()
            with pybpf.RingBuffer(opened.maps["ring"]) as ring:
                for _ in range(20):
                    emit(opened, OUTPUT, b"x" * 1000)
                    with ring.lease() as records:
                        assert [len(record) for record in records] == [1000]

    one_round()
    gc.collect()
    tracemalloc.start()
    try:
        one_round()
        gc.collect()
        before, _ = tracemalloc.get_traced_memory()
        mapped_before = mappings_of_maps()
        for _ in range(30):
            one_round()
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert mappings_of_maps() == mapped_before
    # A leak of one object per round or record would be some kilobytes.
    assert after - before < 2000


def test_a_ring_cannot_be_mapped_before_load(compile_bpf: CompileBpf) -> None:
    with (
        pybpf.Object.open(compile_bpf("obeys", SOURCE)) as opened,
        pytest.raises(pybpf.StateError, match="before load"),
    ):
        pybpf.RingBuffer(opened.maps["ring"])
