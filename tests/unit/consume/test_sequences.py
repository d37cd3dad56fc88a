# SPDX-License-Identifier: Apache-2.0
"""Duplicates and gaps, against plain sets."""

from __future__ import annotations

import random
import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from streamer.consume.sequences import BLOCK, MAX_BLOCKS, MAX_RUNS, Sequences


def sent(total: int, partitions: int, seed: int) -> list[tuple[int, int]]:
    """Numbers 0 to total, spread over partitions, which are read in runs: (partition, number)."""
    chance = random.Random(seed)
    queues: list[list[int]] = [[] for _ in range(partitions)]
    for number in range(total):
        queues[chance.randrange(partitions)].append(number)
    read = []
    while any(queues):
        partition = chance.randrange(partitions)
        some = chance.randrange(1, 50)
        read += [(partition, number) for number in queues[partition][:some]]
        del queues[partition][:some]
    return read


@given(
    total=st.integers(1, 4000),
    partitions=st.integers(1, 4),
    seed=st.integers(0, 1000),
    lost=st.sets(st.integers(0, 4000), max_size=30),
    again=st.sets(st.integers(0, 4000), max_size=30),
)
def test_all_partitions_from_their_start(
    total: int, partitions: int, seed: int, lost: set[int], again: set[int]
) -> None:
    """Each number is new once, and what is missing at the end is what was lost."""
    sequences = Sequences()
    seen: set[int] = set()
    shown: set[int] = set()
    twice = 0
    for partition, number in sent(total, partitions, seed):
        for _ in range(0 if number in lost else 2 if number in again else 1):
            is_new = sequences.is_new(partition, 0, ("a", "run", number))
            assert is_new == (number not in seen)
            twice += not is_new
            seen.add(number)
            shown.add(partition)
        assert sequences.missing(shown) == max(seen, default=-1) + 1 - len(seen)
    assert sequences.duplicates == twice
    assert sequences.missing(shown) == len(set(range(max(seen, default=-1))) - seen)


@given(total=st.integers(1, 4000), partitions=st.integers(1, 4), seed=st.integers(0, 1000))
def test_beginning_in_the_middle_is_no_gap(total: int, partitions: int, seed: int) -> None:
    """What a partition gave before our start is not missing, wherever the others began."""
    chance = random.Random(seed)
    starts = [chance.randrange(total) for _ in range(partitions)]
    places: dict[int, int] = {}
    for number in range(total):
        places[number] = chance.randrange(partitions)
    sequences = Sequences()
    for partition in chance.sample(range(partitions), partitions):
        mine = [number for number, at in places.items() if at == partition]
        # Each partition shows the run after the place where its reading began.
        for number in mine:
            if number >= starts[partition]:
                assert sequences.is_new(partition, 100 + number, ("a", "run", number))
    assert sequences.missing(range(partitions)) == 0


def test_a_gap_after_the_middle_is_seen() -> None:
    sequences = Sequences()
    for number in range(5000, 9000):
        if number not in (7000, 7001):
            sequences.is_new(number % 3, 70, ("a", "run", number))
    assert sequences.missing(range(3)) == 2
    assert sequences.is_new(7000 % 3, 80, ("a", "run", 7000))  # it was only late
    assert sequences.missing(range(3)) == 1
    assert not sequences.is_new(7000 % 3, 81, ("a", "run", 7000))


def test_runs_are_apart() -> None:
    sequences = Sequences()
    for identity in (("a", "x", 0), ("a", "y", 0), ("b", "x", 0)):
        assert sequences.is_new(0, 0, identity)
        assert not sequences.is_new(0, 0, identity)
    assert sequences.is_new(0, 0, ("b", "x", 2))
    assert sequences.missing([0]) == 1
    sequences.restart()
    assert sequences.missing([0]) == 0


def test_a_leap_costs_no_memory_and_forgets_no_loss() -> None:
    sequences = Sequences()
    top = 2**53 - 1
    assert sequences.is_new(0, 0, ("a", "run", 0))
    tracemalloc.start()
    assert sequences.is_new(0, 0, ("a", "run", top))
    assert sequences.missing([0]) == top - 1
    assert not sequences.is_new(0, 0, ("a", "run", top))
    assert sequences.is_new(0, 0, ("a", "run", 12345))  # forgotten, so never called a duplicate
    assert sequences.missing([0]) == top - 2
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


def test_memory_is_bounded() -> None:
    """Every run in disorder, every block incomplete; more runs than are kept."""
    sequences = Sequences()
    tracemalloc.start()
    for run in range(40):
        for block in range(MAX_BLOCKS * 2):
            sequences.is_new(0, 0, ("a", str(run), block * BLOCK))
    used = tracemalloc.get_traced_memory()[0]
    assert used < 40 * 150_000  # so a thousand of them stay below 150 MB
    last = (MAX_BLOCKS * 2 - 1) * BLOCK
    assert sequences.missing([0]) == 40 * (last + 1 - MAX_BLOCKS * 2)
    for run in range(MAX_RUNS * 2):
        sequences.is_new(0, 0, ("b", str(run), 0))
    assert tracemalloc.get_traced_memory()[0] < used
    tracemalloc.stop()
    assert sequences.missing([0]) == 40 * (last + 1 - MAX_BLOCKS * 2)
