# SPDX-License-Identifier: Apache-2.0
from typing_extensions import Buffer

from hotpath.flow_cache import FlowCacheInfo

MAX_DOCUMENT_BYTES: int
TCP_FLAG_NAMES: tuple[str, ...]
PARSE_FLAG_NAMES: tuple[str, ...]

class EventEncoder:
    """Encodes packet events; what it keeps is bounded by `flow_cache_bytes`.

    `constants` and `event_constants` are JSON members to put into each document, at the top and
    inside "event". Not safe to use from two threads at once.
    """

    def __init__(
        self,
        *,
        agent_id: str,
        ephemeral_id: str,
        host_name: str | None = None,
        community_id_seed: int = 0,
        constants: bytes = b"",
        event_constants: bytes = b"",
        flow_cache_bytes: int = 4194304,
    ) -> None: ...
    def set_interface(self, ifindex: int, name: str | bytes) -> None:
        """Set the name of an interface; an empty name forgets it.

        A change forgets the cached flows, since their texts hold names.
        """

    def encode(self, record: bytes, *, utc_offset_ns: int, sequence: int) -> bytes:
        """The document of one record."""

    def encode_lines(
        self,
        records: Buffer,
        out: Buffer,
        *,
        utc_offset_ns: int,
        first_sequence: int,
    ) -> int:
        """Write the documents of packed records, a line each, to `out`; returns the bytes written.

        `out` must have room for MAX_DOCUMENT_BYTES more than is written.
        """

    def record_key(self) -> tuple[bytes, int] | None:
        """The Kafka key of the event encoded last and its murmur2; None if it has no key."""

    def cache_info(self) -> FlowCacheInfo:
        """Hits, misses, evictions; entries and bytes held now."""
