# SPDX-License-Identifier: Apache-2.0
"""The flow cache against a dict: what it holds is right, bounded, and what is in use stays."""

from __future__ import annotations

import struct

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from hotpath.flow_cache import MAX_CACHE_BYTES, MIN_CACHE_BYTES, FlowCache

ENTRY_BYTES = 640
NO_SECRETS = bytes(64)


def meeting_key(number: int) -> bytes:
    """Without secrets, a first word of zero takes the second out of the hash: all keys meet."""
    return struct.pack("<QQ48x", 0, number)


def spread_key(number: int) -> bytes:
    return struct.pack("<8Q", *(number * factor for factor in range(1, 9)))


class CacheMachine(RuleBasedStateMachine):
    """A small cache, so that it is full and evicts for most of a run."""

    def __init__(self) -> None:
        super().__init__()
        self.cache = FlowCache(MIN_CACHE_BYTES, secrets=NO_SECRETS)
        self.written: dict[bytes, bytes] = {}
        self.last: bytes | None = None

    def put(self, key: bytes) -> None:
        if self.cache.get(key) is None:
            text = key.hex().encode()[:100]
            self.cache.put(key, text)
            self.written[key] = text
        self.last = key

    @rule(number=st.integers(0, 300), meet=st.booleans())
    def look_or_put(self, number: int, meet: bool) -> None:
        self.put(meeting_key(number) if meet else spread_key(number))

    @rule(start=st.integers(0, 10_000), count=st.integers(1, 300), meet=st.booleans())
    def scan(self, start: int, count: int, meet: bool) -> None:
        for number in range(start, start + count):
            self.put(meeting_key(number) if meet else spread_key(number))

    @rule()
    def clear(self) -> None:
        self.cache.clear()
        self.written.clear()
        self.last = None

    @precondition(lambda self: self.written)
    @rule(data=st.data())
    def what_is_found_is_what_was_written(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(list(self.written)))
        assert self.cache.get(key) in (None, self.written[key])

    @invariant()
    def the_newest_is_there(self) -> None:
        if self.last is not None:
            assert self.cache.get(self.last) == self.written[self.last]

    @invariant()
    def as_many_are_found_as_are_counted(self) -> None:
        found = sum(self.cache.get(key) is not None for key in self.written)
        info = self.cache.info()
        assert found == info.entries <= info.capacity
        assert info.bytes <= MIN_CACHE_BYTES


TestCacheMachine = CacheMachine.TestCase
TestCacheMachine.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)


def test_nothing_is_evicted_before_the_cache_is_full() -> None:
    cache = FlowCache(1 << 20)
    capacity = cache.info().capacity
    for number in range(capacity):
        cache.put(spread_key(number), b"%d" % number)
    assert cache.info().evictions == 0
    assert all(cache.get(spread_key(number)) == b"%d" % number for number in range(capacity))
    cache.put(spread_key(capacity), b"one more")
    assert cache.info().evictions == 1
    assert cache.info().entries == capacity


@pytest.mark.parametrize("size", [MIN_CACHE_BYTES, 100_000, 1 << 20, (1 << 20) + 1, 5_000_000])
def test_the_bytes_asked_for_are_a_bound_that_is_used(size: int) -> None:
    info = FlowCache(size).info()
    assert 0.9 * size < info.bytes <= size
    assert info.capacity > 0.9 * size // ENTRY_BYTES


def test_flows_in_use_outlive_a_scan() -> None:
    cache = FlowCache(MIN_CACHE_BYTES)
    busy = [spread_key(number) for number in range(1, 9)]
    for key in busy:
        cache.put(key, b"busy")
    for number in range(100, 20_000):
        cache.put(spread_key(number), b"scanned")
        cache.get(busy[number % len(busy)])
    assert [cache.get(key) for key in busy] == [b"busy"] * len(busy)


def test_each_byte_of_the_key_counts() -> None:
    cache = FlowCache(MIN_CACHE_BYTES, secrets=NO_SECRETS)
    cache.put(bytes(64), b"zero")
    for position in range(64):
        key = bytearray(64)
        key[position] = 1
        assert cache.get(bytes(key)) is None


def test_hits_and_misses_are_counted() -> None:
    cache = FlowCache(MIN_CACHE_BYTES)
    cache.put(spread_key(1), b"")
    for _ in range(5):
        cache.get(spread_key(1))
    info = cache.info()
    assert (info.hits, info.misses) == (5, 1)


@pytest.mark.parametrize("size", [-1, 0, MIN_CACHE_BYTES - 1, MAX_CACHE_BYTES + 1])
def test_impossible_sizes_are_refused(size: int) -> None:
    with pytest.raises(ValueError, match="flow cache"):
        FlowCache(size)


def test_misuse_is_refused() -> None:
    cache = FlowCache(MIN_CACHE_BYTES)
    with pytest.raises(ValueError, match="64 bytes"):
        cache.get(b"short")
    with pytest.raises(ValueError, match="at most"):
        cache.put(spread_key(1), b"x" * ENTRY_BYTES)
    cache.put(spread_key(1), b"x")
    with pytest.raises(ValueError, match="has a text"):
        cache.put(spread_key(1), b"y")
    with pytest.raises(ValueError, match="secrets"):
        FlowCache(MIN_CACHE_BYTES, secrets=b"short")
