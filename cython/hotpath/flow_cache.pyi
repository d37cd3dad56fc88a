# SPDX-License-Identifier: Apache-2.0
from typing import NamedTuple

MIN_CACHE_BYTES: int
MAX_CACHE_BYTES: int

class FlowCacheInfo(NamedTuple):
    """Counters since the start; what the cache holds now."""

    hits: int
    misses: int
    evictions: int
    entries: int
    capacity: int
    bytes: int

class FlowCache:
    """A table from the whole flow_key (64 bytes) to its text, bounded in bytes."""

    def __init__(self, size_bytes: int, *, secrets: bytes | None = None) -> None: ...
    def get(self, key: bytes) -> bytes | None:
        """The text kept for a key."""

    def put(self, key: bytes, text: bytes) -> None:
        """Keep a text for a key that has none."""

    def clear(self) -> None:
        """Forget every flow."""

    def info(self) -> FlowCacheInfo:
        """Counters since the start; what the cache holds now."""
