# SPDX-License-Identifier: Apache-2.0
class BufferPool:
    """Buffers of at most memory_bytes in all, those in use and those kept together.

    Every method may be called from any thread.
    """

    def __init__(self, memory_bytes: int) -> None: ...
    @property
    def memory_bytes(self) -> int: ...
    @property
    def used_bytes(self) -> int:
        """Bytes of the bound that are handed out."""

    @property
    def kept_bytes(self) -> int:
        """Bytes of the bound that wait for reuse."""

    def acquire(self, size: int) -> PooledBuffer | None:
        """A writable buffer of size bytes, or None when the bound is reached."""

class PooledBuffer:
    """Bytes in a pool's memory, writable through the buffer protocol."""

    def __len__(self) -> int: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...
    def release(self) -> None:
        """Give the memory back to the pool, once the last view of it is gone. Idempotent."""
