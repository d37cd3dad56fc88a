# SPDX-License-Identifier: Apache-2.0
"""A BPF ring buffer in plain memory, written by a model of kernel/bpf/ringbuf.c."""

from __future__ import annotations

import mmap
import os
import struct
from typing import Self

PAGE = mmap.PAGESIZE
BUSY, DISCARD = 1 << 31, 1 << 30
HEADER_BYTES = 8
_POSITION_MASK = (1 << 64) - 1


class RingImage:
    """The four parts of the kernel's mapping in a memory file: consumer page, producer page,
    data, and the same data again, which here is kept the same by writing everything twice."""

    def __init__(self, capacity: int, start: int = 0) -> None:
        self.capacity = capacity
        self.fd = os.memfd_create("ring", os.MFD_CLOEXEC)
        size = 2 * PAGE + 2 * capacity
        os.ftruncate(self.fd, size)
        self._memory = mmap.mmap(self.fd, size)
        self.producer = start
        self._memory[0:8] = self._memory[PAGE : PAGE + 8] = struct.pack("=Q", start)

    def close(self) -> None:
        self._memory.close()
        os.close(self.fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def consumer(self) -> int:
        """What the reader has told the kernel."""
        (position,) = struct.unpack("=Q", self._memory[0:8])
        return int(position)

    def reserve(self, length: int) -> int | None:
        """The position of a new busy record; None when there is no room (bpf_ringbuf_reserve)."""
        total = (length + HEADER_BYTES + 7) & ~7
        after = (self.producer + total) & _POSITION_MASK
        if (after - self.consumer) & _POSITION_MASK > self.capacity - 1:
            return None
        position = self.producer
        self._write(position, struct.pack("=II", length | BUSY, 0))
        # As the kernel leaves it: what the bytes held before.
        self.producer = after
        self._memory[PAGE : PAGE + 8] = struct.pack("=Q", after)
        return position

    def commit(self, position: int, payload: bytes, *, discard: bool = False) -> None:
        """bpf_ringbuf_submit or bpf_ringbuf_discard."""
        self._write(position + HEADER_BYTES, payload)
        self._write(position, struct.pack("=I", len(payload) | (DISCARD if discard else 0)))

    def _write(self, position: int, data: bytes) -> None:
        for index, byte in enumerate(data):
            at = 2 * PAGE + ((position + index) & (self.capacity - 1))
            self._memory[at] = self._memory[at + self.capacity] = byte
