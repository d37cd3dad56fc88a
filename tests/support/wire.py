# SPDX-License-Identifier: Apache-2.0
"""One namespace with a veth pair in it: what is sent at one end arrives at the other."""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.support.requirements import require

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_CLONE_NEWNET = 0x40000000
# IEEE 802 "local experimental": nobody else in the namespace sends it.
FRAME = bytes.fromhex("ffffffffffff 020000000001 88b5") + bytes(46)


class Wire:
    """Ends "left" and "right", both up; the test runs inside the namespace."""

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace
        self.left = socket.if_nametoindex("left")
        self.right = socket.if_nametoindex("right")

    def send(self, interface: str, count: int) -> None:
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sender:
            sender.bind((interface, 0))
            for _ in range(count):
                sender.send(FRAME)

    @staticmethod
    def tool(command: str) -> str:
        """Run `ip` or `tc` inside."""
        done = subprocess.run(command.split(), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout


def wait_until(condition: Callable[[], bool], deadline_s: float = 10) -> None:
    """Returns when `condition` holds; fails when it does not in time."""
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end, "not in time"
        time.sleep(0.002)


@contextmanager
def inside(namespace: str) -> Iterator[None]:
    """The calling thread's network namespace for a while."""
    libc = ctypes.CDLL(None, use_errno=True)
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    target = os.open(f"/run/netns/{namespace}", os.O_RDONLY | os.O_CLOEXEC)
    try:
        assert libc.setns(target, _CLONE_NEWNET) == 0
        try:
            yield
        finally:
            assert libc.setns(home, _CLONE_NEWNET) == 0
    finally:
        os.close(target)
        os.close(home)


@pytest.fixture
def wire() -> Iterator[Wire]:
    require(os.geteuid() == 0, "making network namespaces needs root")
    name = f"pyb-{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        with inside(name):
            for setting in ("all", "default"):
                Wire.tool(f"sysctl -qw net.ipv6.conf.{setting}.disable_ipv6=1")
            Wire.tool("ip link add left type veth peer name right")
            for end in ("lo", "left", "right"):
                Wire.tool(f"ip link set {end} up")
            yield Wire(name)
    finally:
        subprocess.run(["ip", "netns", "del", name], check=True)
