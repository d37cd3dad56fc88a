# SPDX-License-Identifier: Apache-2.0
"""Packets between the two ends of a veth pair."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.netns import Namespace, VethPair

VLAN = b"\x81\x00"
QINQ = b"\x88\xa8"
UNUSED_PORT = 9


def mac(text: str) -> bytes:
    """Six bytes."""
    return bytes.fromhex(text.replace(":", ""))


@contextmanager
def udp_pair(pair: VethPair) -> Iterator[tuple[socket.socket, socket.socket]]:
    """Give a socket at each end, connected to the other."""
    with pair.near.entered():
        near = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with pair.far.entered():
        far = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with near, far:
        near.bind((pair.near_ip, 5001))
        far.bind((pair.far_ip, 5002))
        near.connect((pair.far_ip, 5002))
        far.connect((pair.near_ip, 5001))
        yield near, far


def send_udp(pair: VethPair, port: int, count: int = 1, size: int = 100) -> None:
    """Send datagrams from the far end to a port of the near one, where somebody listens."""
    with pair.near.entered():
        near = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with pair.far.entered():
        far = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with near, far:
        near.bind((pair.near_ip, port))
        far.connect((pair.near_ip, port))
        for _ in range(count):
            far.send(bytes(size))


def exchange_udp(pair: VethPair, count: int) -> None:
    """Send datagrams of many sizes, fragmented ones among them, both ways."""
    with udp_pair(pair) as (near, far):
        for number in range(count):
            near.send(bytes(number * 37 % 1400))
            far.send(bytes(number * 53 % 1400))
        near.send(bytes(4000))
        far.send(bytes(4000))


@contextmanager
def tcp_connection(
    client_in: Namespace, server_in: Namespace, server_ip: str, port: int = 5003
) -> Iterator[tuple[socket.socket, socket.socket]]:
    """Give both ends of a connection: the client's, then the server's."""
    with server_in.entered():
        listener = socket.create_server((server_ip, port))
    with client_in.entered():
        client = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    with listener, client:
        client.connect((server_ip, port))
        server, _ = listener.accept()
        with server:
            yield client, server


def exchange_tcp(pair: VethPair, upload_bytes: int) -> None:
    """Connect, send, answer, close in order."""
    with tcp_connection(pair.near, pair.far, pair.far_ip) as (client, server):
        upload(client, server, upload_bytes)
        server.sendall(b"thanks")
        assert client.recv(16) == b"thanks"
        client.shutdown(socket.SHUT_WR)
        assert server.recv(16) == b""
        server.shutdown(socket.SHUT_WR)
        assert client.recv(16) == b""


def upload(sender: socket.socket, receiver: socket.socket, count: int) -> None:
    """Send that many bytes and receive them."""
    thread = threading.Thread(target=sender.sendall, args=(bytes(count),))
    thread.start()
    received = 0
    while received < count:
        received += len(receiver.recv(1 << 20))
    thread.join()


def refuse_udp(pair: VethPair) -> None:
    """Have each end answer with an ICMP error."""
    for here, other_ip in ((pair.near, pair.far_ip), (pair.far, pair.near_ip)):
        with here.entered():
            one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with one:
            one.sendto(b"nobody", (other_ip, UNUSED_PORT))


def send_frames(namespace: Namespace, interface: str, frames: list[bytes]) -> None:
    """Send whole frames as they are."""
    with namespace.entered():
        one = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    with one:
        one.bind((interface, 0))
        for frame in frames:
            assert one.send(frame) == len(frame)


def tagged_frames(source: str, destination: str) -> list[bytes]:
    """UDP in frames with one tag, two tags, and a priority tag only."""
    from scapy.layers.inet import IP, UDP

    packet = bytes(IP(src="10.9.0.1", dst="10.9.0.2", id=7) / UDP(sport=1, dport=2) / b"tagged")
    ends = mac(destination) + mac(source)
    ip = b"\x08\x00" + packet
    return [
        ends + VLAN + b"\x00\x64" + ip,
        ends + QINQ + b"\x00\xc8" + VLAN + b"\x01\x2c" + ip,
        ends + VLAN + b"\xe0\x00" + ip,
        ends + VLAN + b"\x0f\xfe" + VLAN + b"\x00\x01" + ip,
    ]
