# SPDX-License-Identifier: Apache-2.0
"""Capture files, packet by packet: pcap and pcapng, plain or gzip.

A damaged or cut-off file gives every packet up to the damage; `CaptureFile.damage` then says where
and why it ended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamer.errors import CaptureError
from streamer.replay import link_types, pcap, pcapng
from streamer.replay.source import Damaged, Source

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from streamer.replay.source import Packet


class CaptureFile:
    """One capture file; a context manager that opens it and checks that it is one."""

    def __init__(self, path: str) -> None:
        self._source = Source(path)
        self._is_pcapng = False
        self.name = self._source.name
        self.damage: str | None = None  # set when packets() has ended

    def __enter__(self) -> CaptureFile:
        self._source.open()
        try:
            self._check()
        except BaseException:
            self._source.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._source.close()

    def digest(self) -> bytes:
        """SHA-256 of the file's bytes as they are stored."""
        return self._source.digest()

    def packets(self) -> Iterator[Packet]:
        """Every packet, in the file's order."""
        self._source.rewind()
        self.damage = None
        read = pcapng.packets if self._is_pcapng else pcap.packets
        try:
            yield from read(self._source)
        except Damaged as damage:
            self.damage = str(damage)

    def _check(self) -> None:
        source = self._source
        try:
            magic = source.read(8)
            if not magic:
                raise CaptureError(f"{self.name} is empty: it has not even a capture file's header")
            self._is_pcapng = magic[:4] == pcapng.MAGIC
            if not self._is_pcapng and magic[:4] not in pcap.MAGIC:
                raise source.not_a_capture(magic)
            source.rewind()
            if self._is_pcapng:
                pcapng.check(source)
                return
            link_type = pcap.link_type(source)
        except Damaged as damage:
            raise CaptureError(f"{self.name} ends before its first packet: {damage}") from None
        if not link_types.is_supported(link_type):
            raise CaptureError(
                f"{self.name} holds packets of link type {link_types.describe(link_type)}",
                hint=f"supported are {link_types.SUPPORTED_NAMES}",
            )
