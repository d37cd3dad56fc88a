# SPDX-License-Identifier: Apache-2.0
"""Kafka's own DumpLogSegments, as an oracle for record batches."""

from __future__ import annotations

import re
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING

from tests.support.requirements import require

if TYPE_CHECKING:
    from collections.abc import Sequence

LIBRARIES = Path(__file__).parents[2] / "var/kafka/libs"


@dataclass(frozen=True)
class DumpedBatch:
    """One `baseOffset: ...` line."""

    fields: dict[str, str]
    payloads: list[str]
    keys: list[str]


def dump_log_segment(batches: Sequence[bytes], folder: Path) -> list[DumpedBatch]:
    """Write the batches as one log segment and read Kafka's description of it."""
    require(which("java") is not None, "Java is not installed")
    require(any(LIBRARIES.glob("kafka_2.13-*.jar")), f"no Kafka artefacts in {LIBRARIES}")
    segment = folder / "00000000000000000000.log"
    offset = 0
    with segment.open("wb") as file:
        for batch in batches:
            # A broker gives each batch its base offset; the CRC does not cover it.
            file.write(struct.pack(">q", offset) + batch[8:])
            offset += struct.unpack_from(">i", batch, 57)[0]
    command = ["java", "-Xmx256m", "-cp", f"{LIBRARIES}/*", "kafka.tools.DumpLogSegments"]
    dump = subprocess.run(
        [*command, "--deep-iteration", "--print-data-log", "--files", str(segment)],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    dumped: list[DumpedBatch] = []
    for line in dump.splitlines():
        if line.startswith("baseOffset: "):
            fields = dict(re.findall(r"(\w+): (\S+)", line))
            dumped.append(DumpedBatch(fields, [], []))
        elif line.startswith("| offset: "):
            match = re.search(r"(?: key: (.*?))? payload: (.*)$", line)
            assert match is not None, line
            dumped[-1].keys.append(match[1] or "")
            dumped[-1].payloads.append(match[2])
        else:
            assert line.startswith(("Dumping ", "Log starting offset: ")), line
    return dumped
