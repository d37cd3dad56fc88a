# SPDX-License-Identifier: Apache-2.0
"""The shipped rsyslog configuration as a private process, from a topic into a data stream."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streamer.demo.processes import Process
from tests.support.requirements import require

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SHIPPED = Path(__file__).resolve().parents[2] / "deploy" / "elastic" / "rsyslog" / "streamer.conf"
STOP_S = 20.0
FOLDER = "/var/spool/streamer-rsyslog"


def rsyslogd() -> str:
    """Where the program is."""
    found = shutil.which("rsyslogd", path=f"{os.environ['PATH']}:/usr/sbin")
    require(found is not None, "no rsyslog: install rsyslog rsyslog-kafka rsyslog-elasticsearch")
    assert found is not None
    return found


def shipped_configuration(changes: Mapping[str, str]) -> str:
    """The shipped file; each text of `changes` is in it, and replaced."""
    text = SHIPPED.read_text(encoding="utf-8")
    for old, new in changes.items():
        assert old in text, f"{old} is not in {SHIPPED.name}"
        text = text.replace(old, new)
    return text


class Rsyslog:
    """What one instance keeps in its folder."""

    def __init__(self, folder: Path, process: Process) -> None:
        self.folder = folder
        self.process = process

    def stop(self) -> None:
        """Asks it to end, as a service manager does, and waits for that."""
        asyncio.run(self.process.stop(STOP_S))

    def counters(self) -> dict[str, dict[str, Any]]:
        """The newest of each group of counters, by the group's name."""
        newest: dict[str, dict[str, Any]] = {}
        for line in self._lines("counters.json"):
            group = json.loads(line[line.index("{") :])
            newest[group["name"]] = group
        return newest

    def count(self, group: str, name: str) -> int:
        """One counter; 0 before the first are written."""
        counted: int = self.counters().get(group, {}).get(name, 0)
        return counted

    def aside(self) -> list[dict[str, Any]]:
        """What could not be written, with the reasons."""
        return [json.loads(line) for line in self._lines("aside.json")]

    def aside_by_kind(self) -> dict[str, int]:
        """How many of each kind, as the instance counts them itself."""
        counted: dict[str, int] = self.counters().get("set_aside", {}).get("values", {})
        return counted

    def _lines(self, name: str) -> list[str]:
        file = self.folder / name
        if not file.exists():
            return []
        # a record may be any bytes; the last line may still be being written
        text = file.read_text(encoding="utf-8", errors="replace")
        return text[: text.rfind("\n") + 1].splitlines()


@contextmanager
def running_rsyslog(folder: Path, changes: Mapping[str, str]) -> Iterator[Rsyslog]:
    """An instance that counts each second, and is asked to end at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    configuration = folder / "rsyslog.conf"
    everything = {FOLDER: str(folder), 'interval="60"': 'interval="1"', **changes}
    configuration.write_text(shipped_configuration(everything), encoding="utf-8")
    process = Process(
        "rsyslog",
        [rsyslogd(), "-n", "-i", str(folder / "rsyslog.pid"), "-f", str(configuration)],
        log=folder / "rsyslog.log",
    )
    try:
        yield Rsyslog(folder, process)
    finally:
        process.kill()
