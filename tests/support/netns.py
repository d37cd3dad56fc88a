# SPDX-License-Identifier: Apache-2.0
"""Network namespaces and veth pairs of the tests' own, gone when the test is."""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import socket
import struct
import subprocess
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING

import pytest

from tests.support.requirements import require

if TYPE_CHECKING:
    from collections.abc import Iterator

PREFIX = "cap"
_CLONE_NEWNET = 0x40000000
_SIOCETHTOOL = 0x8946
# ETHTOOL_S*: checksums and segmentation of the sender, merging at the receiver.
OFFLOADS = {"rx": 0x15, "tx": 0x17, "tso": 0x1F, "gso": 0x24, "gro": 0x2C}


@dataclass(frozen=True)
class Namespace:
    """One network namespace made by `ip netns`."""

    name: str

    @property
    def path(self) -> Path:
        """Where it can be opened."""
        return Path("/run/netns") / self.name

    @property
    def enter(self) -> list[str]:
        """What makes a command run inside. `ip netns exec` fails where / is no mount (a chroot)."""
        return ["nsenter", f"--net={self.path}", "--"]

    def run(self, *command: str, check: bool = True) -> str:
        """Run a program inside to its end."""
        inside = [*self.enter, *command]
        return subprocess.run(inside, check=check, capture_output=True, text=True).stdout

    def ip(self, arguments: str) -> None:
        """Run `ip` inside."""
        command = [*self.enter, "ip", *arguments.split()]
        subprocess.run(command, check=True, capture_output=True, text=True)

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Make sockets inside."""
        libc = ctypes.CDLL(None, use_errno=True)
        with open("/proc/thread-self/ns/net", "rb") as home, self.path.open("rb") as target:  # noqa: PTH123
            assert libc.setns(target.fileno(), _CLONE_NEWNET) == 0
            try:
                yield
            finally:
                assert libc.setns(home.fileno(), _CLONE_NEWNET) == 0

    def index(self, interface: str) -> int:
        """Give an interface's index."""
        with self.entered():
            return socket.if_nametoindex(interface)

    def counters(self, interface: str) -> dict[str, int]:
        """The device's own counters, such as rx_packets and tx_bytes."""
        (link,) = json.loads(self.run("ip", "-json", "-stats", "link", "show", "dev", interface))
        return {
            f"{way}_{unit}": link["stats64"][way][unit]
            for way in ("rx", "tx")
            for unit in ("packets", "bytes")
        }

    def set_offloads(self, interface: str, *, on: bool) -> None:
        """Switch checksum, segmentation and receive offloads."""
        with self.entered(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
            for command in OFFLOADS.values():
                value = ctypes.create_string_buffer(struct.pack("=II", command, int(on)))
                request = struct.pack("16sP", interface.encode(), ctypes.addressof(value))
                fcntl.ioctl(control, _SIOCETHTOOL, request)


@dataclass(frozen=True)
class VethPair:
    """Two namespaces joined by a cable; nobody speaks on it but the test."""

    near: Namespace  # where packets are captured
    far: Namespace
    interface: str = "veth0"  # its name at both ends
    near_ip: str = "10.77.0.1"
    far_ip: str = "10.77.0.2"
    near_mac: str = "02:00:00:00:00:01"
    far_mac: str = "02:00:00:00:00:02"


@contextmanager
def namespaces(*suffixes: str, prefix: str = PREFIX) -> Iterator[list[Namespace]]:
    """Make namespaces without IPv6 chatter; remove them at the end."""
    made = [Namespace(f"{prefix}-{os.getpid()}-{suffix}") for suffix in suffixes]
    with ExitStack() as cleanup:
        for one in made:
            subprocess.run(["ip", "netns", "add", one.name], check=True, capture_output=True)
            cleanup.callback(
                subprocess.run, ["ip", "netns", "del", one.name], check=False, capture_output=True
            )
            for which_ones in ("default", "all"):
                quiet = f"net.ipv6.conf.{which_ones}.disable_ipv6=1"
                one.run("sysctl", "-qw", quiet)
            one.ip("link set lo up")
        yield made


@contextmanager
def veth_pair(*, offloads: bool = False, prefix: str = PREFIX) -> Iterator[VethPair]:
    """Make a pair whose ends know each other, so that not even ARP is spoken."""
    with namespaces("near", "far", prefix=prefix) as (near, far):
        pair = VethPair(near, far)
        near.ip(
            f"link add veth0 address {pair.near_mac} type veth "
            f"peer name veth0 address {pair.far_mac} netns {far.name}"
        )
        for end, own, other_ip, other_mac in (
            (near, pair.near_ip, pair.far_ip, pair.far_mac),
            (far, pair.far_ip, pair.near_ip, pair.near_mac),
        ):
            end.ip(f"address add {own}/24 dev veth0")
            end.ip("link set veth0 up")
            end.ip(f"neigh replace {other_ip} lladdr {other_mac} dev veth0")
            if not offloads:
                end.set_offloads("veth0", on=False)
                # TCP hands down super-packets all the same, for software to cut after TC
                end.ip("link set veth0 gso_max_segs 1")
        yield pair


def plug(near: Namespace, far: Namespace, name: str, number: int) -> VethPair:
    """Make one more cable between two namespaces; nobody speaks on it by itself."""
    pair = VethPair(
        near, far, name, f"10.80.{number}.1", f"10.80.{number}.2",
        f"02:00:00:00:{number:02x}:01", f"02:00:00:00:{number:02x}:02",
    )  # fmt: skip
    near.ip(
        f"link add {name} address {pair.near_mac} type veth "
        f"peer name {name} address {pair.far_mac} netns {far.name}"
    )
    for end, own, other, other_mac in (
        (near, pair.near_ip, pair.far_ip, pair.far_mac),
        (far, pair.far_ip, pair.near_ip, pair.near_mac),
    ):
        end.ip(f"address add {own}/24 dev {name}")
        end.ip(f"link set {name} up")
        end.ip(f"neigh replace {other} lladdr {other_mac} dev {name}")
    return pair


@contextmanager
def host_interface() -> Iterator[VethPair]:
    """A cable from the host's own network, which the container shares, to a namespace."""
    require_namespaces()
    home = Namespace(f"/proc/{os.getpid()}/ns/net")
    with namespaces("far", prefix=PREFIX) as (far,):
        yield plug(home, far, f"host{os.getpid()}", 77)


@pytest.fixture
def veth() -> Iterator[VethPair]:
    """Two namespaces joined by a cable, without offloads: one packet, one frame."""
    require_namespaces()
    with veth_pair() as pair:
        yield pair


@pytest.fixture
def veth_with_offloads() -> Iterator[VethPair]:
    """The same, with the kernel's usual offloads."""
    require_namespaces()
    with veth_pair(offloads=True) as pair:
        yield pair


def require_namespaces() -> None:
    """Skip unless this process can make namespaces."""
    require(os.geteuid() == 0, "needs root: makes network namespaces")
    require(which("ip") is not None, "needs iproute2")
