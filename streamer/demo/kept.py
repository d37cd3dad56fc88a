# SPDX-License-Identifier: Apache-2.0
"""A kept demo, for people: how to look at each part of it, and what came of it in the end."""

from __future__ import annotations

import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LATEST = """\
SELECT ts, source_ip, source_port, destination_ip, destination_port, packet_length \
FROM streamer.packets ORDER BY ts DESC LIMIT 10 FORMAT PrettyCompact"""


@dataclass(frozen=True)
class Kept:
    """Where the parts of a kept demo are."""

    folder: str
    client_netns: str
    server: str
    broker: str
    clickhouse: str
    password: str
    metrics: str

    def instructions(self) -> str:
        """A command for each part, to be copied into any shell of this machine."""
        streamer = own_command()
        folder = shlex.quote(self.folder)
        clickhouse = f"curl -s -u default:{self.password} {self.clickhouse}"
        inside = f"nsenter --net={self.client_netns}"
        commands = {
            "The packets in Kafka, as they come; Ctrl-C ends it": (
                f"{streamer} tail --kafka {self.broker}"
            ),
            "More traffic, from another shell": (
                f"{inside} curl -s -o /dev/null http://{self.server}/"
            ),
            "The latest in ClickHouse": f"{clickhouse} --data '{LATEST}'",
            "Metrics of streamer run": f"curl -s {self.metrics}",
            "Logs": f"tail -n 5 {folder}/*.log {folder}/*/*.log",
            "End it all": f"{streamer} demo --down",
        }
        return "\n".join(f"{title}\n  {command}" for title, command in commands.items())


@dataclass(frozen=True)
class Result:
    """How a kept demo ended: the ledger of its last capture, and how much of it was read."""

    ledger: dict[str, Any] | None = None
    rows: int | None = None
    trouble: str | None = None


def own_command() -> str:
    """How this program is called from any folder."""
    script = Path(sys.executable).with_name("streamer")
    if not script.exists():
        return f"{shlex.quote(sys.executable)} -m streamer"
    found = shutil.which("streamer")
    on_path = found is not None and Path(found).samefile(script)
    return "streamer" if on_path else shlex.quote(str(script))
