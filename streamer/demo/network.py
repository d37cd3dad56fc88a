# SPDX-License-Identifier: Apache-2.0
"""Two machines in miniature: network namespaces joined by a virtual cable."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from streamer.demo.processes import program
from streamer.errors import StreamerError

PREFIX = "streamer-demo-"
FOLDER = Path("/run/netns")
LINK = "demo0"


@dataclass(frozen=True)
class Host:
    """One of the two, with the addresses of its end of the cable."""

    name: str
    ipv4: str
    ipv6: str

    @property
    def netns(self) -> Path:
        """The file that stands for its network namespace."""
        return FOLDER / self.name


class Network:
    """A client and a server. Addresses are of the blocks kept for documentation."""

    def __init__(self, name: str) -> None:
        self.client = Host(f"{PREFIX}{name}-client", "192.0.2.1", "2001:db8::1")
        self.server = Host(f"{PREFIX}{name}-server", "192.0.2.2", "2001:db8::2")

    def create(self) -> None:
        """Make the namespaces, the cable and the addresses. Takes a twentieth of a second."""
        for host in (self.client, self.server):
            _ip(f"netns add {host.name}")
        _ip(
            f"link add {LINK} netns {self.client.name} type veth"
            f" peer name {LINK} netns {self.server.name}"
        )
        for host in (self.client, self.server):
            _ip(
                "link set lo up",
                f"address add {host.ipv4}/24 dev {LINK}",
                f"address add {host.ipv6}/64 dev {LINK} nodad",
                f"link set {LINK} up",
                netns=host.netns,
            )

    def remove(self) -> None:
        """Remove both, whatever there is of them; the cable goes with them."""
        for host in (self.client, self.server):
            _remove(host.name)


def sweep() -> list[Path]:
    """Remove what a demo left behind that was killed. Only while no other demo can run."""
    left = sorted(FOLDER.glob(f"{PREFIX}*"))
    for path in left:
        _remove(path.name)
    return left


def _remove(name: str) -> None:
    if not (FOLDER / name).exists():
        return
    listed = _run(["netns", "pids", name], check=False)
    for process_id in listed.stdout.split():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(process_id), signal.SIGKILL)
    if _run(["netns", "delete", name], check=False).returncode != 0:
        # made, but a kill came before something was mounted on it
        (FOLDER / name).unlink(missing_ok=True)


def _ip(*lines: str, netns: Path | None = None) -> None:
    for line in lines:
        _run(line.split(), netns=netns)


def _run(
    arguments: list[str], *, netns: Path | None = None, check: bool = True
) -> subprocess.CompletedProcess[str]:
    # Not `ip -netns`: that mounts a sysfs, which it can't where / is no mount (a chroot).
    inside = [] if netns is None else [program("nsenter"), f"--net={netns}", "--"]
    # A session of its own: Ctrl-C on the terminal must not stop it half-way.
    result = subprocess.run(
        [*inside, program("ip"), *arguments],
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,
    )
    if check and result.returncode != 0:
        raise StreamerError(f"ip {' '.join(arguments)}: {result.stderr.strip()}")
    return result
