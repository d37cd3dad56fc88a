# SPDX-License-Identifier: Apache-2.0
"""The pool's bound, reuse, and that memory which is looked at is never handed out again."""

from __future__ import annotations

import gc
import random
import threading

import pytest

from hotpath.buffer_pool import BufferPool, PooledBuffer


def acquire(pool: BufferPool, size: int) -> PooledBuffer:
    buffer = pool.acquire(size)
    assert buffer is not None
    return buffer


def test_a_buffer_is_writable_and_as_long_as_asked() -> None:
    buffer = acquire(BufferPool(1 << 20), 5000)
    with memoryview(buffer) as view:
        assert len(view) == len(buffer) == 5000
        view[:] = b"x" * 5000
        assert bytes(buffer) == b"x" * 5000


def test_the_bound_holds_and_a_release_makes_room() -> None:
    pool = BufferPool(64 << 10)
    buffers = []
    while (buffer := pool.acquire(10_000)) is not None:
        buffers.append(buffer)
    assert len(buffers) >= 5
    assert pool.used_bytes <= 64 << 10
    assert pool.acquire(1) is None or pool.used_bytes <= 64 << 10
    buffers.pop().release()
    assert pool.acquire(10_000) is not None


def test_released_memory_is_kept_and_reused() -> None:
    pool = BufferPool(1 << 20)
    acquire(pool, 100_000).release()
    assert pool.used_bytes == 0
    kept = pool.kept_bytes
    assert kept >= 100_000
    acquire(pool, 99_000).release()
    assert pool.kept_bytes == kept


def test_kept_memory_of_one_size_gives_way_to_another() -> None:
    pool = BufferPool(256 << 10)
    buffers = [acquire(pool, 4000) for _ in range(50)]
    for buffer in buffers:
        buffer.release()
    assert pool.kept_bytes > 128 << 10
    large = acquire(pool, 190_000)
    assert pool.used_bytes + pool.kept_bytes <= 256 << 10
    large.release()


@pytest.mark.parametrize("size", [0, 1, 4079, 4080, 4081, 65_536, 500_000, 14_000_000])
def test_little_of_the_bound_is_wasted(size: int) -> None:
    pool = BufferPool(32 << 20)
    buffer = acquire(pool, size)
    assert size < pool.used_bytes <= max(4096, (size + 16) * 1.25)
    buffer.release()
    assert pool.used_bytes == 0


def test_more_than_the_largest_class_or_the_bound() -> None:
    assert BufferPool(1 << 30).acquire(1 << 28) is None
    assert BufferPool(1 << 16).acquire(1 << 17) is None


def test_release_twice_gives_back_once() -> None:
    pool = BufferPool(1 << 20)
    first = acquire(pool, 5000)
    first.release()
    first.release()
    second, third = acquire(pool, 5000), acquire(pool, 5000)
    with memoryview(second) as a, memoryview(third) as b:
        a[:] = b"2" * 5000
        b[:] = b"3" * 5000
        assert bytes(a) == b"2" * 5000
    first.release()
    del first
    assert pool.used_bytes > 10_000


def test_a_released_buffer_cannot_be_viewed() -> None:
    buffer = acquire(BufferPool(1 << 20), 5000)
    buffer.release()
    with pytest.raises(ValueError, match="released"):
        memoryview(buffer)


def test_deallocation_releases() -> None:
    pool = BufferPool(1 << 20)
    buffer = acquire(pool, 5000)
    assert pool.used_bytes
    del buffer
    gc.collect()
    assert pool.used_bytes == 0


def test_a_buffer_in_a_cycle_is_given_back() -> None:
    """As at the end of an interpreter that was interrupted: everything is garbage at once."""
    pool = BufferPool(1 << 20)
    for _ in range(5):
        buffer = pool.acquire(100_000)
        assert buffer is not None
        cycle: list[object] = [buffer]
        cycle.append(cycle)
        del buffer, cycle
    gc.collect()
    assert pool.used_bytes == 0


def test_a_view_outlives_its_buffer_and_the_pool() -> None:
    pool = BufferPool(1 << 20)
    view = memoryview(acquire(pool, 5000))
    view[:] = b"y" * 5000
    assert pool.used_bytes
    del pool
    gc.collect()
    assert bytes(view) == b"y" * 5000


def test_memory_is_not_reused_while_a_view_of_it_is_held() -> None:
    pool = BufferPool(1 << 20)
    buffer = acquire(pool, 5000)
    view = memoryview(buffer)
    second = view[100:200]
    view[:] = b"1" * 5000
    buffer.release()
    assert pool.used_bytes
    others = [acquire(pool, 5000) for _ in range(20)]
    for other in others:
        with memoryview(other) as writable:
            writable[:] = b"2" * 5000
    assert bytes(view) == b"1" * 5000
    view.release()
    assert bytes(second) == b"1" * 100
    used = pool.used_bytes
    second.release()
    assert pool.used_bytes < used


def test_not_made_by_hand() -> None:
    with pytest.raises(TypeError, match=r"BufferPool\.acquire"):
        PooledBuffer()


@pytest.mark.parametrize("memory_bytes", [0, -1, 4095])
def test_a_bound_below_one_buffer(memory_bytes: int) -> None:
    with pytest.raises((ValueError, OverflowError)):
        BufferPool(memory_bytes)


def test_threads_share_the_pool() -> None:
    pool = BufferPool(1 << 20)
    wrong: list[str] = []

    def work(seed: int) -> None:
        generator = random.Random(seed)
        held: list[tuple[PooledBuffer, bytes]] = []
        for i in range(2000):
            if len(held) < 5 and (buffer := pool.acquire(generator.randrange(60_000))) is not None:
                content = b"%d:%d" % (seed, i) * 3
                content = content[: len(buffer)]
                with memoryview(buffer) as view:
                    view[: len(content)] = content
                held.append((buffer, content))
            elif held:
                buffer, content = held.pop(generator.randrange(len(held)))
                if bytes(buffer)[: len(content)] != content:
                    wrong.append(f"{seed}:{i}")
                buffer.release()
        for buffer, _ in held:
            buffer.release()

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert pool.used_bytes == 0
    assert pool.kept_bytes <= 1 << 20
