# SPDX-License-Identifier: Apache-2.0
# cython: language_level=3, cdivision=True
"""What is made once per flow and used by each of its packets, bounded in bytes.

Entries have one size and one place; a hash index leads to them. A full table
evicts by CLOCK: the hand passes entries that were used since it last came by.
"""

import os
from typing import NamedTuple

from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset
from posix.mman cimport MADV_HUGEPAGE, madvise
from posix.stdlib cimport posix_memalign

from hotpath.event cimport flow_key


cdef enum:
    HUGE_PAGE_BYTES = 2 * 1024 * 1024
    # After so many entries in use the next one goes anyway: an insertion has a bound.
    LOOKS_PER_EVICTION = 64

MIN_CACHE_BYTES = 64 * 1024
MAX_CACHE_BYTES = 1 << 40


class FlowCacheInfo(NamedTuple):
    """Counters since the start; what the cache holds now."""

    hits: int
    misses: int
    evictions: int
    entries: int
    capacity: int
    bytes: int


cdef class FlowCache:
    """A table from the whole flow_key to its text. The methods below serve tests; the encoder
    works on `table` directly."""

    def __cinit__(self, size_bytes: int, *, secrets: bytes | None = None):
        cdef uint64_t index_size = 2
        if not MIN_CACHE_BYTES <= size_bytes <= MAX_CACHE_BYTES:
            raise ValueError(
                f"flow cache: {size_bytes} bytes; it must have {MIN_CACHE_BYTES} to"
                f" {MAX_CACHE_BYTES}"
            )
        if secrets is None:
            secrets = os.urandom(sizeof(self.table.secret))
        if len(secrets) != sizeof(self.table.secret):
            raise ValueError(f"secrets: {sizeof(self.table.secret)} bytes are needed")
        memcpy(self.table.secret, <const char *>secrets, sizeof(self.table.secret))

        # The index has at least two places per entry and is a power of two.
        entries = size_bytes // sizeof(flow_entry)
        while index_size < 2 * entries:
            index_size *= 2
        entries = (size_bytes - index_size * sizeof(index_entry)) // sizeof(flow_entry)
        self.table.capacity = entries
        self.table.index_mask = index_size - 1
        self.table.index = <index_entry *>calloc(index_size, sizeof(index_entry))
        # Untouched pages are not resident: a host with few flows pays for few.
        failed = posix_memalign(
            <void **>&self.table.entries,
            HUGE_PAGE_BYTES,
            self.table.capacity * sizeof(flow_entry),
        )
        if failed or self.table.index == NULL:
            raise MemoryError
        # Entries fill up in order, so huge pages waste little; a kernel without them may refuse.
        madvise(self.table.entries, self.table.capacity * sizeof(flow_entry), MADV_HUGEPAGE)
        self.memory_bytes = (
            index_size * sizeof(index_entry) + self.table.capacity * sizeof(flow_entry)
        )

    def __dealloc__(self):
        free(self.table.index)
        free(self.table.entries)

    cdef flow_entry *add(self, const flow_key *key, uint32_t hash) noexcept nogil:
        """A new entry for a key that find_flow() did not find; its text is yet to be written."""
        cdef flow_table *table = &self.table
        cdef uint32_t place = hash & table.index_mask
        cdef uint32_t number
        cdef flow_entry *entry
        table.misses += 1
        if table.count < table.capacity:
            number = table.count
            table.count += 1
        else:
            number = self.evict()
        while table.index[place].number:
            place = (place + 1) & table.index_mask
        table.index[place].hash = hash
        table.index[place].number = number + 1
        entry = &table.entries[number]
        entry.key = key[0]
        entry.hash = hash
        entry.used_since_looked = 0
        return entry

    cdef uint32_t evict(self) noexcept nogil:
        """Take an entry out of the index; returns its number."""
        cdef flow_table *table = &self.table
        cdef flow_entry *entry
        cdef uint32_t number
        cdef int looks = 0
        while True:
            number = table.hand
            entry = &table.entries[number]
            table.hand = number + 1 if number + 1 < table.capacity else 0
            if not entry.used_since_looked or looks == LOOKS_PER_EVICTION:
                break
            entry.used_since_looked = 0
            looks += 1
        self.remove_from_index(number)
        table.evictions += 1
        return number

    cdef void remove_from_index(self, uint32_t number) noexcept nogil:
        """Free its place and move up what was pushed on by it, so that no probe ends early."""
        cdef flow_table *table = &self.table
        cdef uint32_t mask = table.index_mask
        cdef uint32_t hole = table.entries[number].hash & mask
        cdef uint32_t place, home
        while table.index[hole].number != number + 1:
            hole = (hole + 1) & mask
        place = hole
        while True:
            place = (place + 1) & mask
            if not table.index[place].number:
                break
            home = table.index[place].hash & mask
            # It may move only if the hole is not before its home.
            if ((place - home) & mask) >= ((place - hole) & mask):
                table.index[hole] = table.index[place]
                hole = place
        table.index[hole].number = 0

    cdef void forget_all(self) noexcept nogil:
        memset(self.table.index, 0, (<size_t>self.table.index_mask + 1) * sizeof(index_entry))
        self.table.count = 0
        self.table.hand = 0

    def get(self, key: bytes) -> bytes | None:
        """The text kept for a key."""
        cdef const flow_key *raw = self.raw_key(key)
        cdef flow_entry *entry = find_flow(&self.table, raw, flow_hash(raw, self.table.secret))
        return None if entry == NULL else entry.text[: entry.text_length]

    def put(self, key: bytes, text: bytes) -> None:
        """Keep a text for a key that has none."""
        cdef const flow_key *raw = self.raw_key(key)
        cdef uint32_t hash = flow_hash(raw, self.table.secret)
        cdef flow_entry *entry
        if len(text) > FLOW_TEXT_CAPACITY:
            raise ValueError(f"text: {len(text)} bytes; at most {FLOW_TEXT_CAPACITY}")
        if find_flow(&self.table, raw, hash) != NULL:
            raise ValueError("the key has a text")
        entry = self.add(raw, hash)
        memcpy(entry.text, <const char *>text, len(text))
        entry.text_length = len(text)
        entry.key_length = 0

    def clear(self) -> None:
        """Forget every flow."""
        self.forget_all()

    def info(self) -> FlowCacheInfo:
        """Counters since the start; what the cache holds now."""
        return FlowCacheInfo(
            hits=self.table.hits,
            misses=self.table.misses,
            evictions=self.table.evictions,
            entries=self.table.count,
            capacity=self.table.capacity,
            bytes=self.memory_bytes,
        )

    cdef const flow_key *raw_key(self, bytes key) except NULL:
        if len(key) != sizeof(flow_key):
            raise ValueError(f"a flow key has {sizeof(flow_key)} bytes, not {len(key)}")
        return <const flow_key *><const char *>key
