# SPDX-License-Identifier: Apache-2.0
"""Frames of every kind the programs know, and of many that they do not, built by scapy."""

from __future__ import annotations

import importlib
import logging
import struct
import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

SOURCE_MAC, DESTINATION_MAC = "02:00:00:00:00:01", "02:00:00:00:00:02"
V4 = {"src": "192.0.2.1", "dst": "198.51.100.2"}
V6 = {"src": "2001:db8::1", "dst": "2001:db8:0:1::2"}


def build() -> dict[str, bytes]:
    """All of them by name; the same bytes at each call."""
    logging.getLogger("scapy").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scapy's own
        return _build()


def write_capture(path: Path, frames: Iterable[bytes], lengths: Iterable[int] = ()) -> Path:
    """A classic capture file; `lengths`: what the frames had on the wire."""
    frames = list(frames)
    lengths = list(lengths) or [len(frame) for frame in frames]
    with path.open("wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 0x40000, 1))
        for number, (frame, length) in enumerate(zip(frames, lengths, strict=True)):
            file.write(struct.pack("<IIII", 1_700_000_000, number, len(frame), length) + frame)
    return path


def _build() -> dict[str, bytes]:
    s: Any = importlib.import_module("scapy.all")  # its names are made while it is imported
    mpls: Any = importlib.import_module("scapy.contrib.mpls")

    def ether(payload: Any, kind: int | None = None) -> Any:
        header = s.Ether(src=SOURCE_MAC, dst=DESTINATION_MAC)
        if kind is not None:
            header.type = kind
        return header / payload

    def ip(**changes: Any) -> Any:
        return s.IP(**{**V4, **changes})

    def ip6(**changes: Any) -> Any:
        return s.IPv6(**{**V6, **changes})

    def ah(following: int, icv_bytes: int = 12) -> bytes:
        words = (12 + icv_bytes) // 4 - 2
        return bytes((following, words, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2)) + bytes(icv_bytes)

    tcp = s.TCP(sport=40000, dport=443, seq=0x89ABCDEF, ack=0x01234567, window=1234)
    udp = s.UDP(sport=5353, dport=53000)
    data = bytes(range(33))
    hop, route = s.IPv6ExtHdrHopByHop(), s.IPv6ExtHdrRouting(addresses=["2001:db8::9"])
    destination = s.IPv6ExtHdrDestOpt()
    dot1q, dot1ad = s.Dot1Q, s.Dot1AD
    frames: dict[str, Any] = {
        # ---- transport over IPv4 and IPv6
        "tcp": ether(ip() / tcp / data),
        "tcp syn options": ether(
            ip() / s.TCP(flags="SEC", options=[("MSS", 1460), ("SAckOK", b""), ("WScale", 7)])
        ),
        "tcp all flags": ether(ip() / s.TCP(flags=0x1FF, reserved=0)),
        "tcp no flags": ether(ip() / s.TCP(flags=0, ack=77)),
        "tcp reset with ack field": ether(ip() / s.TCP(flags="R", ack=5)),
        "udp": ether(ip() / udp / data),
        "udp without payload": ether(ip() / udp),
        "udp behind padding": ether(ip() / udp / b"x").build() + bytes(17),
        "udp options area": ether(ip() / s.UDP(len=20) / data),
        "sctp": ether(ip() / s.SCTP(sport=7, dport=9) / s.SCTPChunkInit()),
        "icmp echo": ether(ip() / s.ICMP(id=1, seq=2) / data),
        "icmp error": ether(ip() / s.ICMP(type=3, code=3) / s.IP(src="203.0.113.9") / udp / data),
        "icmp time stamp": ether(ip() / s.ICMP(type=13)),
        "gre": ether(ip() / s.GRE() / s.IP(src="203.0.113.9") / tcp),
        "ip in ip": ether(ip() / s.IP(src="203.0.113.9") / udp / data),
        "ipv6 in ip": ether(ip() / ip6() / tcp),
        "esp": ether(ip(proto=50) / data),
        "ah over ipv4": ether(ip(proto=51) / (ah(17) + bytes(udp / data))),
        "igmp": ether(ip(proto=2, ttl=1) / b"\x16\x00\x09\x04\xe0\x00\x00\xfb"),
        "ospf": ether(ip(proto=89) / data),
        "udp-lite": ether(ip(proto=136) / bytes(udp / data)),
        "unassigned protocol": ether(ip(proto=253) / data),
        "icmpv6 over ipv4": ether(ip(proto=58) / b"\x80\x00\x00\x00\x00\x01\x00\x02zz"),
        "dscp and ecn": ether(ip(tos=0xB9) / tcp),
        "ttl 0, id 65535": ether(ip(ttl=0, id=65535, flags="DF") / udp),
        "tcp6": ether(ip6() / tcp / data),
        "udp6": ether(ip6(tc=0xB9, fl=0xFFFFF, hlim=1) / udp / data),
        "sctp6": ether(ip6() / s.SCTP(sport=7, dport=9) / s.SCTPChunkData(data=b"abcd")),
        "icmpv6 echo": ether(ip6() / s.ICMPv6EchoRequest(id=1, seq=2, data=data)),
        "icmpv6 neighbour": ether(ip6() / s.ICMPv6ND_NS(tgt="2001:db8::2")),
        "icmpv6 error": ether(ip6() / s.ICMPv6TimeExceeded() / s.IPv6(src="::9") / udp / data),
        "icmp over ipv6": ether(ip6(nh=1) / s.ICMP() / data),
        "mapped addresses": ether(s.IPv6(src="::ffff:192.0.2.1", dst="::ffff:192.0.2.2") / udp),
        "no next header": ether(ip6(nh=59)),
        "no next header, padding": ether(ip6(nh=59, plen=0) / bytes(10)),
        "no next header, data": ether(ip6(nh=59, plen=10) / bytes(10)),
        # ---- options, extension headers
        "ip options": ether(ip(options=[s.IPOption_RR(), s.IPOption_NOP()]) / tcp / data),
        "longest ip header": ether(ip(options=[s.IPOption_NOP()] * 40) / udp / data),
        "hop-by-hop": ether(ip6() / hop / tcp),
        "routing": ether(ip6() / route / udp / data),
        "destination options": ether(ip6() / destination / s.ICMPv6EchoReply(data=data)),
        "ah": ether(ip6(nh=51) / (ah(6, 16) + bytes(tcp))),
        "ah without icv": ether(ip6(nh=51) / (ah(17, 0) + bytes(udp))),
        "all extension headers": ether(
            ip6()
            / hop
            / destination
            / route
            / s.IPv6ExtHdrFragment(id=0xDEADBEEF, nh=51)
            / (ah(60) + bytes(s.IPv6ExtHdrDestOpt(nh=17)) + bytes(udp / data))
        ),
        "eight extension headers": ether(ip6() / hop / _chain(s, 7, udp)),
        "nine extension headers": ether(ip6() / hop / _chain(s, 8, udp)),
        "fifty extension headers": ether(ip6() / hop / _chain(s, 49, udp)),
        "extension header, no next": ether(ip6() / s.IPv6ExtHdrDestOpt(nh=59)),
        "extension header, other protocol": ether(ip6() / s.IPv6ExtHdrDestOpt(nh=132) / bytes(40)),
        "long extension header": ether(ip6(nh=60) / _options(17, 2048) / bytes(udp / data)),
        "mobility header": ether(ip6(nh=135) / b"\x3b\x00\x00\x00\x00\x00\x00\x00"),
        # ---- fragments
        "first fragment udp": ether(ip(flags="MF", id=9) / s.UDP(len=3000) / bytes(1000)),
        "first fragment tcp": ether(ip(flags="MF", id=9) / tcp / bytes(1000)),
        "first fragment icmp": ether(ip(flags="MF", id=9) / s.ICMP() / bytes(1000)),
        "first fragment sctp": ether(ip(flags="MF", id=9, proto=132) / bytes(1000)),
        "middle fragment": ether(ip(flags="MF", id=9, frag=100, proto=17) / bytes(1000)),
        "last fragment": ether(ip(id=9, frag=8191, proto=6) / bytes(7)),
        "later fragment of icmp": ether(ip(id=9, frag=1, proto=1) / bytes(70)),
        "later fragment with options": ether(
            ip(id=9, frag=5, proto=17, options=[s.IPOption_RR()]) / bytes(70)
        ),
        "tiny first fragment": ether(ip(flags="MF", proto=6) / bytes(tcp)[:8]),
        "evil reserved bit": ether(ip(flags="evil") / udp),
        "first fragment6": ether(
            ip6() / s.IPv6ExtHdrFragment(id=77, m=1) / s.UDP(len=2000) / bytes(800)
        ),
        "first fragment6 tcp": ether(ip6() / s.IPv6ExtHdrFragment(id=77, m=1) / tcp / bytes(800)),
        "last fragment6": ether(
            ip6() / s.IPv6ExtHdrFragment(id=77, offset=8191, nh=17) / bytes(100)
        ),
        "later fragment6, extension": ether(
            ip6() / hop / s.IPv6ExtHdrFragment(id=77, offset=101, m=1, nh=60) / bytes(100)
        ),
        "atomic fragment6": ether(ip6() / s.IPv6ExtHdrFragment(id=0xFFFFFFFF) / udp / data),
        # ---- tags
        "802.1q": ether(dot1q(vlan=5, prio=7) / ip() / tcp),
        "802.1q priority tag": ether(dot1q(vlan=0, prio=3) / ip6() / udp),
        "802.1q vlan 4095": ether(dot1q(vlan=4095, dei=1) / ip6() / tcp / data),
        "802.1ad alone": ether(dot1ad(vlan=100) / ip() / udp, 0x88A8),
        "qinq": ether(dot1ad(vlan=100) / dot1q(vlan=5) / ip() / udp / data, 0x88A8),
        "qinq of 802.1ad": ether(dot1ad(vlan=100) / dot1ad(vlan=5) / ip6() / udp, 0x88A8),
        "qinq of 802.1q": ether(dot1q(vlan=100) / dot1q(vlan=5) / ip() / tcp / data),
        "qinq reversed": ether(dot1q(vlan=9, type=0x88A8) / dot1ad(vlan=5) / ip() / tcp),
        "qinq before 802.1ad": ether(dot1q(vlan=9) / dot1q(vlan=5) / ip() / udp, 0x9100),
        "three tags": ether(dot1q(vlan=9) / dot1q(vlan=5) / dot1q(vlan=4) / ip() / udp),
        "tagged arp": ether(dot1q(vlan=9) / s.ARP(psrc="192.0.2.1", pdst="192.0.2.2")),
        "tagged llc": ether(dot1q(vlan=9, type=16) / (b"\x42\x42\x03" + bytes(43))),
        "tagged, unknown type": ether(dot1q(vlan=9, type=0x88B5) / data),
        "tagged fragments": ether(
            dot1ad(vlan=100)
            / dot1q(vlan=5)
            / ip6()
            / s.IPv6ExtHdrFragment(id=1, offset=2, nh=6)
            / data,
            0x88A8,
        ),
        # ---- ARP
        "arp request": ether(s.ARP(hwsrc=SOURCE_MAC, psrc="192.0.2.1", pdst="192.0.2.2")),
        "arp reply, padded": ether(
            s.ARP(op=2, hwsrc=SOURCE_MAC, psrc="192.0.2.1", pdst="192.0.2.2")
        ).build()
        + bytes(18),
        "arp probe": ether(s.ARP(hwsrc=SOURCE_MAC, psrc="0.0.0.0", pdst="192.0.2.2")),  # noqa: S104
        "arp of another hardware": ether(bytes.fromhex("0020080008040001") + bytes(24), 0x0806),
        "arp of another protocol": ether(bytes.fromhex("000186dd06100001") + bytes(44), 0x0806),
        "rarp": ether(s.ARP(op=3, hwsrc=SOURCE_MAC), 0x8035),
        # ---- other link-layer payloads
        "lldp": ether(bytes.fromhex("0207040200000000010403020001060200780000") + data, 0x88CC),
        "mpls": ether(mpls.MPLS(label=16, ttl=9) / ip() / udp, 0x8847),
        "pppoe": ether(bytes.fromhex("110000010016") + b"\x00\x21" + bytes(ip() / udp), 0x8864),
        "llc": s.Dot3(src=SOURCE_MAC, dst=DESTINATION_MAC) / s.LLC() / s.STP(),
        "snap with ip": s.Dot3(src=SOURCE_MAC, dst=DESTINATION_MAC)
        / s.LLC(dsap=0xAA, ssap=0xAA)
        / s.SNAP(code=0x0800)
        / ip()
        / udp,
        "neither length nor type": ether(bytes(60), 1520),
        "experimental type": ether(data, 0x88B5),
        "type 0xffff": ether(data, 0xFFFF),
        # ---- contradictions
        "version 6 in an ipv4 frame": ether(ip6() / udp, 0x0800),
        "version 4 in an ipv6 frame": ether(ip() / udp / data, 0x86DD),
        "version 15": ether(b"\xf5" + bytes(39), 0x0800),
        "ip header of 16 bytes": ether(ip(ihl=4) / udp),
        "ip header of 0 bytes": ether(ip(ihl=0) / udp),
        "total length 0": ether(ip(len=0) / tcp / data),
        "total length over the frame": ether(ip(len=2000) / tcp / data),
        "total length inside the transport header": ether(ip(len=24) / tcp / data),
        "total length is the ip header": ether(ip(len=20) / udp / data),
        "udp length 4": ether(ip() / s.UDP(len=4) / data),
        "udp length 0": ether(ip() / s.UDP(len=0) / data),
        "udp length over ip": ether(ip() / s.UDP(len=100) / data),
        "tcp data offset over ip": ether(ip() / s.TCP(dataofs=15) / data[:10]),
        "tcp data offset 4": ether(ip() / s.TCP(dataofs=4, ack=1, flags="A") / data),
        "tcp data offset 0": ether(ip() / s.TCP(dataofs=0) / data),
        "total length below the header's": ether(ip(len=10) / tcp / data),
        "payload length 0": ether(ip6(plen=0) / tcp / data),
        "payload length over the frame": ether(ip6(plen=2000) / tcp / data),
        "payload length inside the transport header": ether(ip6(plen=10) / tcp / data),
        "payload length inside an extension header": ether(ip6(nh=60, plen=8) / _options(17, 64)),
        "extension header over the frame": ether(ip6(nh=60) / b"\x11\xff\x01\x04\0\0\0\0" / data),
    }
    return {name: bytes(frame) for name, frame in frames.items()}


def _options(following: int, size: int) -> bytes:
    """A hop-by-hop or destination options header full of padding."""
    body = bytes((following, size // 8 - 1))
    room = size - len(body)
    while room:
        pad = min(room, 200)
        if room - pad == 1:
            pad -= 1
        body += b"\x00" if pad == 1 else bytes((1, pad - 2)) + bytes(pad - 2)
        room -= pad
    return body


def _chain(scapy: Any, count: int, last: Any) -> Any:
    """Destination options headers, one behind the other."""
    packet = scapy.IPv6ExtHdrDestOpt() / last
    for _ in range(count - 1):
        packet = scapy.IPv6ExtHdrDestOpt() / packet
    return packet
