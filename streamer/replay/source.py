# SPDX-License-Identifier: Apache-2.0
"""The bytes of a capture file: opened, decompressed, read in exact pieces."""

from __future__ import annotations

import errno
import gzip
import hashlib
import os
import shutil
import stat
import sys
import tempfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from streamer.errors import CaptureError

if TYPE_CHECKING:
    from collections.abc import Callable

# Timestamp in nanoseconds since 1970, original length, link type (LINKTYPE_*), captured bytes.
# A plain tuple, because one is made for each packet.
Packet = tuple[int, int, int, bytes]

# What libpcap and Wireshark take as the longest packet a sound file holds.
LONGEST_PACKET_BYTES = 262_144

_BLOCK_BYTES = 1 << 20
_GZIP_MAGIC = b"\x1f\x8b"
_CONVERT = "convert it first: editcap -F pcapng"
_FOREIGN_FORMATS = (
    (b"\x28\xb5\x2f\xfd", "is compressed with zstd", "decompress it first: zstd -d"),
    (b"\x04\x22\x4d\x18", "is compressed with LZ4", "decompress it first: lz4 -d"),
    (b"\xfd7zXZ\x00", "is compressed with xz", "decompress it first: xz -d"),
    (b"BZh", "is compressed with bzip2", "decompress it first: bzip2 -d"),
    (b"PK\x03\x04", "is a ZIP archive", "unpack it first"),
    (b"snoop\x00\x00\x00", "is a snoop capture", _CONVERT),
    (b"GMBU", "is a Network Monitor capture", _CONVERT),
    (b"RTSS", "is a Network Monitor capture", _CONVERT),
    (b"\x34\xcd\xb2\xa1", "is a pcap of Kuznetzov's variant", _CONVERT),
    (b"\xa1\xb2\xcd\x34", "is a pcap of Kuznetzov's variant", _CONVERT),
)


class Damaged(Exception):
    """The file ends, or stops making sense, before its end."""


class Source:
    """One input file, read from its start to its end."""

    def __init__(self, path: str) -> None:
        self.name = "standard input" if path == "-" else path
        self._path = path
        self._raw: BinaryIO | None = None
        self._read: Callable[[int], bytes] = _not_open
        self.offset = 0  # of the next byte, after decompression

    def open(self) -> None:
        """Open the file; what is no regular file is copied, as it is read twice."""
        try:
            self._raw = self._open()
            if not stat.S_ISREG(os.fstat(self._raw.fileno()).st_mode):
                self._raw = _copy(self._raw)
        except OSError as error:
            raise self._unreadable(error) from None
        self.rewind()

    def close(self) -> None:
        """Close the file; may be called twice."""
        if self._raw is not None:
            self._raw.close()
        self._raw = None

    def rewind(self) -> None:
        """Start again at the first byte."""
        try:
            raw = self._start()
            magic = raw.read(2)
            raw.seek(0)
        except OSError as error:
            raise self._unreadable(error) from None
        self._read = gzip.open(raw, "rb").read if magic == _GZIP_MAGIC else raw.read  # noqa: SIM115
        self.offset = 0

    def digest(self) -> bytes:
        """SHA-256 of the file as it is stored; afterwards rewind()."""
        digest = hashlib.sha256()
        try:
            raw = self._start()
            while block := raw.read(_BLOCK_BYTES):
                digest.update(block)
        except OSError as error:
            raise self._unreadable(error) from None
        return digest.digest()

    def read(self, length: int) -> bytes:
        """Give exactly `length` bytes, or fewer at the end of the file."""
        try:
            data = self._read(length)
        except EOFError:
            raise Damaged("the compressed data ends early") from None
        except (gzip.BadGzipFile, zlib.error) as error:
            raise Damaged(f"the compressed data is damaged ({error})") from None
        except OSError as error:
            raise self._unreadable(error) from None
        self.offset += len(data)
        return data

    def read_all(self, length: int, what: str) -> bytes:
        """Give exactly `length` bytes; less is damage."""
        data = self.read(length)
        if len(data) < length:
            raise Damaged(f"cut off inside {what}, at byte {self.offset}")
        return data

    def not_a_capture(self, start: bytes) -> CaptureError:
        """The sentence for a file of another kind."""
        for magic, sentence, hint in _FOREIGN_FORMATS:
            if start.startswith(magic):
                return CaptureError(f"{self.name} {sentence}", hint=hint)
        return CaptureError(
            f"{self.name} is not a capture file (neither pcap nor pcapng, plain or gzip)"
        )

    def _start(self) -> BinaryIO:
        if self._raw is None:
            raise ValueError("the source is not open")
        self._raw.seek(0)
        return self._raw

    def _open(self) -> BinaryIO:
        if self._path == "-":
            return _copy(sys.stdin.buffer)
        return Path(self._path).open("rb")

    def _unreadable(self, error: OSError) -> CaptureError:
        if error.errno == errno.ENOENT:
            return CaptureError(f"{self.name}: no such file")
        return CaptureError(f"cannot read {self.name}: {error.strerror or error}")


def _not_open(_: int) -> bytes:
    raise ValueError("the source is not open")


def _copy(stream: BinaryIO) -> BinaryIO:
    copy = tempfile.TemporaryFile()  # noqa: SIM115 - closed by Source
    try:
        shutil.copyfileobj(stream, copy)
    except BaseException:
        copy.close()
        raise
    finally:
        if stream is not sys.stdin.buffer:
            stream.close()
    return copy
