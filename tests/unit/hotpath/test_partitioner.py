# SPDX-License-Identifier: Apache-2.0
"""The partition of a key against Kafka's own test vectors and another client's partitioner."""

from __future__ import annotations

import pytest
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.partitioner import murmur2 as aiokafka_murmur2
from hypothesis import given
from hypothesis import strategies as st

from hotpath.partitioner import murmur2, partition_for_key


# org.apache.kafka.common.utils.UtilsTest.testMurmur2
@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_kafkas_own_vectors(key: bytes, expected: int) -> None:
    assert murmur2(key) == expected


@given(st.binary(max_size=64))
def test_aiokafka_hashes_alike(key: bytes) -> None:
    assert murmur2(key) & 0xFFFFFFFF == aiokafka_murmur2(key)


@given(st.binary(max_size=64), st.integers(1, 1000))
def test_aiokafka_chooses_the_same_partition(key: bytes, partitions: int) -> None:
    numbers = list(range(partitions))
    assert partition_for_key(key, partitions) == DefaultPartitioner()(key, numbers, numbers)


@pytest.mark.parametrize("partitions", [0, -1, 1 << 31])
def test_impossible_numbers_of_partitions_are_refused(partitions: int) -> None:
    with pytest.raises(ValueError, match="partitions"):
        partition_for_key(b"key", partitions)
