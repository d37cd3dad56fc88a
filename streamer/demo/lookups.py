# SPDX-License-Identifier: Apache-2.0
"""A client of UDP services: `python -m streamer.demo.lookups names|burst ADDRESS`."""

from __future__ import annotations

import itertools
import socket
import struct
import sys
import time

NAMES = ("server.example", "client.example", "nobody.example")
KINDS = (1, 28)  # A, AAAA
LOOKUPS = 30
DATAGRAMS = 2000
IN = 1


def query(identifier: int, name: str, kind: int) -> bytes:
    """A DNS query with one question (RFC 1035)."""
    labels = b"".join(bytes((len(label),)) + label.encode() for label in name.split("."))
    header = struct.pack(">6H", identifier, 0x0100, 1, 0, 0, 0)
    return header + labels + b"\0" + struct.pack(">HH", kind, IN)


def look_up(address: str) -> None:
    """Ask for each name in turn, a new socket each time, as resolvers do."""
    questions = itertools.cycle(itertools.product(NAMES, KINDS))
    for identifier, (name, kind) in zip(range(LOOKUPS), questions, strict=False):
        with connected(address, 53) as client:
            client.send(query(identifier, name, kind))
            reply = client.recv(512)
        if struct.unpack_from(">H", reply)[0] != identifier:
            raise SystemExit("an answer to another question")
        time.sleep(0.05)


def burst(address: str) -> None:
    """Many datagrams as fast as they go."""
    with connected(address, 9) as client:
        for number in range(DATAGRAMS):
            client.send(struct.pack(">I", number) * 64)


def connected(address: str, port: int) -> socket.socket:
    """A UDP socket with a time-out."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    client = socket.socket(family, socket.SOCK_DGRAM)
    client.settimeout(5)
    client.connect((address, port))
    return client


if __name__ == "__main__":
    {"names": look_up, "burst": burst}[sys.argv[1]](sys.argv[2])
