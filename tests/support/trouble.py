# SPDX-License-Identifier: Apache-2.0
"""What the demo's programs never do, done once in its network: the packets people search for."""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING

from tests.support.netns import Namespace
from tests.support.traffic import send_frames

if TYPE_CHECKING:
    from streamer.demo.network import Network

LINK = "demo0"
NOBODY = "192.0.2.77"  # has a hardware address in the client's table, and nothing else
NOBODY_MAC = "02:00:00:00:00:77"
ROUTER = "192.0.2.254"
UNANSWERED_S = 1.3  # a client says SYN again after one second
RESENT_SEQUENCE, LONE_SEQUENCE, ACK_SEQUENCE = 1000, 2000, 3000
TIMES_SENT = 3


def make_trouble(network: Network) -> None:
    """Fragments, expiring packets, an unanswered handshake, resent segments, a closed window."""
    client = Namespace(network.client.name)
    client.ip(f"neigh replace {NOBODY} lladdr {NOBODY_MAC} dev {LINK}")
    client.run("ping", "-n", "-q", "-c", "2", "-i", "0.2", "-s", "4000", network.server.ipv4)
    client.run("ping", "-n", "-q", "-c", "1", "-t", "1", network.server.ipv4)
    send_frames(client, LINK, _frames(network.client.ipv4))
    with client.entered():
        caller = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    with caller, contextlib.suppress(TimeoutError):
        caller.settimeout(UNANSWERED_S)
        caller.connect((NOBODY, 443))


def _frames(address: str) -> list[bytes]:
    """Frames to nobody, so that no kernel answers them."""
    from scapy.layers.inet import ICMP, IP, TCP
    from scapy.layers.l2 import Ether
    from scapy.packet import Packet, Raw

    def ip(source: str) -> Packet:
        return Ether(src="02:00:00:00:00:76", dst=NOBODY_MAC) / IP(src=source, dst=NOBODY)

    def tcp(flags: str, seq: int, size: int, window: int = 500) -> bytes:
        segment = TCP(sport=40000, dport=9000, flags=flags, seq=seq, ack=1, window=window)
        return bytes(ip(address) / segment / Raw(bytes(size)))

    expired = IP(src=NOBODY, dst="198.51.100.1", ttl=1) / TCP(sport=1, dport=2)
    return [
        tcp("PA", LONE_SEQUENCE, 100),
        *[tcp("PA", RESENT_SEQUENCE, 100)] * TIMES_SENT,
        *[tcp("A", ACK_SEQUENCE, 0)] * TIMES_SENT,  # says nothing twice: not sent again
        tcp("A", ACK_SEQUENCE, 0, window=0),
        tcp("RA", ACK_SEQUENCE, 0, window=0),
        bytes(ip(ROUTER) / ICMP(type=11, code=0) / expired),
    ]
