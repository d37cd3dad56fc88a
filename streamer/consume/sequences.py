# SPDX-License-Identifier: Apache-2.0
"""Notices events that came twice and events that never came, by their identity.

A run numbers its events without a gap, but spreads them over the topic's partitions, which are read
at different speeds. So a number that has not come yet may still be on its way: `missing` is a bound
while events flow, and exact when everything was read. Memory is bounded; what had to be forgotten
is never called a duplicate.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

    from streamer.consume.event import Identity

BLOCK_BITS = 10
BLOCK = 1 << BLOCK_BITS  # numbers in one block, a bit for each
FULL = (1 << BLOCK) - 1
MAX_BLOCKS = 512  # incomplete ones of a run: half a million numbers between two partitions
MAX_RUNS = 1024


class Sequences:
    """What was seen of each run: some kilobytes, 120 MB at most if a thousand are in disorder."""

    def __init__(self) -> None:
        self.duplicates = 0
        self._runs: OrderedDict[tuple[str, str], _Run] = OrderedDict()
        self._forgotten = 0
        self._whole: dict[int, bool] = {}  # partitions: were they read from their first record?

    def restart(self) -> None:
        """Other partitions are read from now on: nothing can be concluded from before."""
        self._runs.clear()
        self._whole.clear()
        self._forgotten = 0

    def is_new(self, partition: int, offset: int, identity: Identity) -> bool:
        """False for an event that came before; it is counted."""
        agent, ephemeral, sequence = identity
        run = self._runs.get((agent, ephemeral))
        if run is None:
            run = self._runs[agent, ephemeral] = _Run()
            if len(self._runs) > MAX_RUNS:
                self._forgotten += self._missing(self._runs.popitem(last=False)[1], self._whole)
        else:
            self._runs.move_to_end((agent, ephemeral))
        if partition not in run.partitions:
            run.partitions.add(partition)
            if not self._whole.setdefault(partition, offset == 0):
                run.begin(sequence)
        if run.add(sequence):
            return True
        self.duplicates += 1
        return False

    def missing(self, partitions: Collection[int]) -> int:
        """Numbers below the highest of their run that have not come.

        `partitions` are those of which something may lie before the place where reading began. A
        run that one of them has not shown yet is left out: its absent numbers may lie there.
        """
        return self._forgotten + sum(self._missing(run, partitions) for run in self._runs.values())

    def _missing(self, run: _Run, partitions: Collection[int]) -> int:
        unsure = {each for each in partitions if not self._whole.get(each)}
        return run.missing if unsure <= run.partitions else 0


class _Run:
    """The numbers of one run that have come, from `low` on."""

    __slots__ = ("_blocks", "_floor", "_forgotten", "_high", "_low", "_top", "partitions")

    def __init__(self) -> None:
        self.partitions: set[int] = set()
        self._low = 0  # below it, numbers may lie before the place where reading began
        self._high = -1
        self._blocks: dict[int, int] = {}  # the incomplete ones
        self._floor = 0  # blocks below it are not known any more
        self._top = -1  # the highest block; what is neither above it nor incomplete is complete
        self._forgotten = 0

    def begin(self, sequence: int) -> None:
        """A partition that is not read from its start has given its first number."""
        if sequence <= self._low:
            return
        self._low = sequence
        lowest = sequence >> BLOCK_BITS
        self._blocks = {
            block: bits & wanted
            for block, bits in self._blocks.items()
            if block >= lowest and bits & (wanted := self._wanted(block)) != wanted
        }
        self._forgotten = 0
        self._floor = max(self._floor, lowest)
        self._top = max(self._top, lowest - 1)
        self._high = max(self._high, sequence - 1)

    def add(self, sequence: int) -> bool:
        """False if the number has come before."""
        if sequence < self._low:
            return True
        block, bit = sequence >> BLOCK_BITS, 1 << (sequence & BLOCK - 1)
        if block < self._floor:
            self._forgotten = max(0, self._forgotten - 1)
            return True
        if block > self._top:
            self._extend(block)
        bits = self._blocks.get(block)
        if bits is None or bits & bit:
            return False
        bits |= bit
        if bits == self._wanted(block):
            del self._blocks[block]
        else:
            self._blocks[block] = bits
        self._high = max(self._high, sequence)
        return True

    def _wanted(self, block: int) -> int:
        """The bits of a complete block."""
        first = block << BLOCK_BITS
        return FULL if self._low <= first else FULL & ~((1 << self._low - first) - 1)

    def _extend(self, top: int) -> None:
        """Make room for blocks up to `top`; the lowest are forgotten if there are too many."""
        first = self._top + 1
        if top - first >= MAX_BLOCKS:  # a leap: what lies between is missing, and not waited for
            first = self._floor = top - MAX_BLOCKS + 1
            self._forgotten += (first - self._top - 1) << BLOCK_BITS
        self._blocks |= dict.fromkeys(range(first, top + 1), 0)
        self._top = top
        while len(self._blocks) > MAX_BLOCKS:
            lowest = next(iter(self._blocks))
            absent = self._wanted(lowest) & ~self._blocks.pop(lowest)
            self._forgotten += absent.bit_count()
            self._floor = max(self._floor, lowest + 1)

    @property
    def missing(self) -> int:
        absent = sum(
            (self._wanted(block) & ~bits).bit_count() for block, bits in self._blocks.items()
        )
        # those of the highest block that nobody has reached yet
        return self._forgotten + absent - max(0, (self._top + 1 << BLOCK_BITS) - 1 - self._high)
