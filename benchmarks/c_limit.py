# SPDX-License-Identifier: Apache-2.0
"""Builds and runs c_limit.c over given records."""

from __future__ import annotations

import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hotpath.partitioner import partition_for_key

if TYPE_CHECKING:
    from hotpath.json_encoder import EventEncoder

HERE = Path(__file__).parent
FLOW = struct.Struct("=64sIHH32s536s")  # struct flow of c_limit.c
KEY_AT, KEY_END = 32, 96  # the flow's key in a record
PARTITIONS = 3


@dataclass(frozen=True)
class Measured:
    """Per event."""

    ns: float
    raw_bytes: float
    sealed_bytes: float


class CLimit:
    """The C program, with its flows' texts taken from documents of our own encoder."""

    def __init__(self, folder: Path) -> None:
        self._program = folder / "c_limit"
        self._flows = folder / "flows"
        self._records = folder / "records"
        self._constant = ""
        command = ["gcc", "-O2", "-Wall", "-Wextra", f"-I{HERE.parent / 'bpf'}"]
        command += [str(HERE / "c_limit.c"), "-o", str(self._program), "-llz4", "-lisal"]
        subprocess.run(command, check=True)

    def load(self, records: list[bytes], encoder: EventEncoder) -> None:
        """Write the input files."""
        self._records.write_bytes(b"".join(records))
        seen: set[bytes] = set()
        with self._flows.open("wb") as file:
            for record in records:
                flow = record[KEY_AT:KEY_END]
                if flow in seen:
                    continue
                seen.add(flow)
                document = encoder.encode(record, utc_offset_ns=0, sequence=7)
                key = encoder.record_key()
                assert key is not None
                begin, end = document.index(b'"network":'), document.index(b'"length":')
                text, name = document[begin:end], key[0]
                partition = partition_for_key(name, PARTITIONS)
                file.write(FLOW.pack(flow, partition, len(name), len(text), name, text))
                sequence = document.index(b'"sequence":7') + len(b'"sequence":7')
                self._constant = document[sequence:begin].decode()

    def documents(self) -> list[bytes]:
        """What it makes of the records, numbered from 0."""
        return self._run("print").splitlines()

    def measure(self, compression: str, rounds: int) -> Measured:
        """The best of so many rounds."""
        ns, raw_bytes, sealed_bytes, _checksum = self._run(str(rounds), compression).split()
        return Measured(float(ns), float(raw_bytes), float(sealed_bytes))

    def _run(self, *arguments: str) -> bytes:
        files = [str(self._flows), str(self._records), self._constant]
        command = [str(self._program), *files, *arguments]
        return subprocess.run(command, check=True, capture_output=True).stdout
