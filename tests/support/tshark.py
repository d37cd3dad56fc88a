# SPDX-License-Identifier: Apache-2.0
"""
What tshark reads in a capture file, as the fields that our events have.

Only the outermost IP header counts, as in the kernel programs, while tshark goes on into tunnels
and into the packets that ICMP errors quote; what it finds first is the outermost. The few things
tshark does not say (bytes after an SCTP header, say) are computed from the lengths it reads.
"""

from __future__ import annotations

import dataclasses
import functools
import ipaddress
import shutil
import subprocess
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .packet_fields import TCP_ACK, PacketFields
from .requirements import require

if TYPE_CHECKING:
    from pathlib import Path

PREFERENCES = {
    # each fragment for itself
    "ip.defragment": "FALSE",
    "ipv6.defragment": "FALSE",
    # a payload length of 0 is a super-packet, as tshark takes it to be in IPv4
    "ipv6.tso_support": "TRUE",
}

FIELDS = (
    *("frame.len", "frame.cap_len", "frame.protocols", "eth.src", "eth.dst", "eth.type"),
    *("vlan.id", "vlan.etype", "ieee8021ad.id", "ieee8021ad.svid", "ieee8021ad.cvid"),
    *("arp.src.proto_ipv4", "arp.dst.proto_ipv4", "arp.hw.type", "arp.hw.size"),
    *("ip.src", "ip.dst", "ip.hdr_len", "ip.len", "ip.dsfield", "ip.id", "ip.ttl", "ip.proto"),
    *("ip.flags.mf", "ip.frag_offset"),
    *("ipv6.src", "ipv6.dst", "ipv6.tclass", "ipv6.plen", "ipv6.nxt", "ipv6.hlim"),
    *("ipv6.hopopts.nxt", "ipv6.hopopts.len", "ipv6.routing.nxt", "ipv6.routing.len"),
    *("ipv6.dstopts.nxt", "ipv6.dstopts.len", "ah.next_header", "ah.length"),
    *("ipv6.fraghdr.nxt", "ipv6.fraghdr.offset", "ipv6.fraghdr.more", "ipv6.fraghdr.ident"),
    *("tcp.srcport", "tcp.dstport", "tcp.flags", "tcp.seq_raw", "tcp.ack_raw"),
    *("tcp.window_size_value", "tcp.hdr_len", "tcp.len"),
    *("udp.srcport", "udp.dstport", "udp.length", "sctp.srcport", "sctp.dstport"),
    *("icmp.type", "icmp.code", "icmpv6.type", "icmpv6.code"),
    *("_ws.malformed", "_ws.expert.message"),
)

LINK_HEADER_BYTES = {"eth": 14, "raw": 0, "sll": 16, "sll2": 20, "null": 4}
VLAN_TAG_BYTES = 4
VLAN_TAGS_MAX = 2
EXTENSION_HEADERS_MAX = 8
IP_HEADER_BYTES = 20
IPV6_HEADER_BYTES = 40
ICMP_HEADER_BYTES = 8
SCTP_HEADER_BYTES = 12
UDP_HEADER_BYTES = 8
TCP_HEADER_BYTES = 20
ICMP, TCP, UDP, FRAGMENT, AH, ICMPV6, NONE, SCTP = 1, 6, 17, 44, 51, 58, 59, 132
EXTENSIONS = {
    0: "ipv6.hopopts.{}",
    43: "ipv6.routing.{}",
    44: "ipv6.fraghdr.{}",
    60: "ipv6.dstopts.{}",
    51: "ah.{}",
}
FRAGMENT_OR_OPTIONS = frozenset(("fragment", "ip_options"))
ARP_ETHERNET = ("1", "6")  # Ethernet, IEEE 802


@dataclass(frozen=True)
class Reading:
    """One packet as tshark reads it."""

    fields: PacketFields
    protocols: str
    cut: bool  # the capture has not all of it
    malformed: bool  # tshark says so, of some layer

    def differences(self, got: PacketFields) -> dict[str, tuple[Any, Any]]:
        """Fields of `got` that tshark reads otherwise, with both values.

        tshark stops at some impossible lengths before it has told what lies at fixed places.
        """
        untold: tuple[str, ...] = ()
        if "bad_ip_length" in self.fields.parse and self.fields.network is None:
            untold = ("network", "source_ip", "destination_ip", "protocol", "ttl", "tos", "id")
            untold += ("fragment_offset", "fragment_more")
        elif "bad_transport_header" in self.fields.parse and self.fields.tcp_flags is None:
            untold = ("tcp_flags", "tcp_ack", "tcp_window")
        told = dataclasses.replace(self.fields, **{name: getattr(got, name) for name in untold})
        if "bad_ip_length" in self.fields.parse and self.fields.network is None:
            told = dataclasses.replace(told, parse=got.parse & FRAGMENT_OR_OPTIONS | told.parse)
        return got.differences(told)


def read(path: Path) -> list[Reading]:
    """Every packet of a capture file, in order."""
    require(shutil.which("tshark") is not None, "tshark is not installed")
    command = ["tshark", "-n", "-r", str(path), "-T", "fields", "-E", "occurrence=a"]
    command += ["-E", "aggregator=|"]
    for name, value in PREFERENCES.items():
        command += ["-o", f"{name}:{value}"]
    for name in FIELDS:
        command += ["-e", name]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [_Packet(line).reading() for line in done.stdout.split("\n")[:-1]]


class _Packet:
    """The raw fields of a packet, and their meaning layer by layer."""

    def __init__(self, line: str) -> None:
        columns = zip(FIELDS, line.split("\t"), strict=True)
        self.raw = {name: text.split("|") for name, text in columns if text}
        self.protocols = self.raw["frame.protocols"][0].split(":")
        self.length = int(self.raw["frame.len"][0])
        self.found: dict[str, int | str | bool | None] = {}
        self.parse: set[str] = set()
        self.offset = LINK_HEADER_BYTES[self.protocols[0]] if self.protocols[0] != "frame" else 0
        self.rest = 0  # bytes of the packet after the headers read so far

    def text(self, name: str) -> str | None:
        return self.raw.get(name, [None])[0]

    def number(self, name: str) -> int | None:
        text = self.text(name)
        return None if text is None else _number(text)

    def reading(self) -> Reading:
        self.found["source_mac"] = self.text("eth.src")
        self.found["destination_mac"] = self.text("eth.dst")
        layers = self.link()
        if "vlan_depth" not in self.parse:
            self.network(layers[0] if layers else "")
        fields = PacketFields(
            length=self.length,
            parse=frozenset(self.parse),
            **self.found,  # type: ignore[arg-type]
        )
        return Reading(
            fields=fields,
            protocols=":".join(self.protocols),
            cut=self.number("frame.cap_len") != self.length,
            malformed="_ws.malformed" in self.raw,
        )

    def link(self) -> list[str]:
        """The tags; returns the layers after them."""
        layers = [layer for layer in self.protocols[1:] if layer != "ethertype"]
        plain = deque(self.raw.get("vlan.id", ()))
        single = deque(self.raw.get("ieee8021ad.id", ()))
        tags: list[str] = []
        while layers and layers[0] in ("vlan", "ieee8021ad"):
            if layers.pop(0) == "vlan":
                tags += [plain.popleft()] if plain else []
            elif "ieee8021ad.svid" in self.raw and not tags:
                tags += [*self.raw["ieee8021ad.svid"], *self.raw.get("ieee8021ad.cvid", ())]
            else:
                tags += [single.popleft()] if single else []
        ids = [int(tag) for tag in tags]
        self.found["vlan_id"] = ids[0] if ids else None
        self.found["inner_vlan_id"] = ids[1] if len(ids) > 1 else None
        if len(ids) > VLAN_TAGS_MAX:
            self.parse.add("vlan_depth")
        self.offset += VLAN_TAG_BYTES * len(ids)
        return layers

    def network(self, layer: str) -> None:
        messages = "|".join(self.raw.get("_ws.expert.message", ()))
        if "llc" in self.protocols[:4] or layer not in ("ip", "ipv6", "arp"):
            bad_version = layer == "data" and "Bogus IPv6 version" in messages
            self.parse.add("bad_ip_header" if bad_version else "unknown_ethertype")
        elif layer == "arp":
            self.arp()
        elif layer == "ip" and "Bogus IPv4 version" in messages and "ip.src" not in self.raw:
            self.parse.add("bad_ip_header")
        elif layer == "ip":
            self.ipv4()
        else:
            self.ipv6()

    def arp(self) -> None:
        ethertype = (self.raw.get("vlan.etype") or self.raw.get("eth.type") or ["0x0806"])[-1]
        if _number(ethertype) == 0x8035:  # RARP looks the same
            self.parse.add("unknown_ethertype")
            return
        known = self.text("arp.hw.type") in ARP_ETHERNET and self.text("arp.hw.size") == "6"
        if not known or "arp.src.proto_ipv4" not in self.raw:
            self.parse.add("unknown_arp")
            return
        self.found["network"] = "arp"
        self.found["source_ip"] = self.text("arp.src.proto_ipv4")
        self.found["destination_ip"] = self.text("arp.dst.proto_ipv4")

    def ipv4(self) -> None:
        header_length, total = self.number("ip.hdr_len"), self.number("ip.len")
        if header_length is None or header_length < IP_HEADER_BYTES:
            self.parse.add("bad_ip_header")
            return
        if "ip.src" not in self.raw:  # tshark stops at a total length below the header's
            self.parse.add("bad_ip_length")
            return
        protocol = self.number("ip.proto")
        self.addresses("ipv4", "ip")
        self.found["protocol"] = protocol
        self.found["ttl"] = self.number("ip.ttl")
        self.found["tos"] = self.number("ip.dsfield")
        self.found["id"] = self.number("ip.id")
        if header_length > IP_HEADER_BYTES:
            self.parse.add("ip_options")
        offset = self.number("ip.frag_offset") or 0
        more = self.text("ip.flags.mf") in ("1", "True")
        if offset or more:
            self.fragment(offset, more)
        self.end(total or 0)
        self.rest = max(self.rest - header_length, 0)
        self.transport(protocol, later_fragment=offset > 0)

    def end(self, ip_length: int) -> None:
        """How much of the frame is the IP packet, from its header on."""
        there = self.length - self.offset
        if ip_length > there:
            self.parse.add("bad_ip_length")
        self.rest = min(ip_length or there, there)

    def addresses(self, network: str, layer: str) -> None:
        self.found["network"] = network
        self.found["source_ip"] = _ip(self.text(f"{layer}.src"))
        self.found["destination_ip"] = _ip(self.text(f"{layer}.dst"))

    def fragment(self, offset_units: int, more: bool) -> None:
        self.parse.add("fragment")
        self.found["fragment_offset"] = offset_units * 8
        self.found["fragment_more"] = more

    def ipv6(self) -> None:
        if "ipv6.src" not in self.raw:
            self.parse.add("bad_ip_header")
            return
        length, protocol = self.number("ipv6.plen") or 0, self.number("ipv6.nxt")
        self.addresses("ipv6", "ipv6")
        self.found["ttl"] = self.number("ipv6.hlim")
        self.found["tos"] = self.number("ipv6.tclass")
        if length or protocol == NONE:
            self.end(length + IPV6_HEADER_BYTES)
        else:
            self.end(0)
        self.rest -= IPV6_HEADER_BYTES
        self.extensions(protocol)

    def extensions(self, protocol: int | None) -> None:
        raw = {name: deque(values) for name, values in self.raw.items()}

        def take(name: str) -> int | None:
            return _number(raw[name].popleft()) if raw.get(name) else None

        for _ in range(EXTENSION_HEADERS_MAX):
            if protocol not in EXTENSIONS:
                break
            self.parse.add("ipv6_extensions")
            form = EXTENSIONS[protocol]
            if protocol == FRAGMENT:
                size: int | None = 8
                offset, more = take("ipv6.fraghdr.offset"), take("ipv6.fraghdr.more")
                self.found["id"] = take("ipv6.fraghdr.ident")
                self.fragment(offset or 0, bool(more))
            elif protocol == AH:
                length = take("ah.length")
                size = None if length is None else (length + 2) * 4
            else:
                length = take(form.format("len"))
                size = None if length is None else (length + 1) * 8
            following = take("ah.next_header" if protocol == AH else form.format("nxt"))
            if following is None or size is None:  # ends in the middle
                self.found["protocol"] = protocol
                self.parse.add("truncated")
                return
            self.rest = max(self.rest - size, 0)
            protocol = following
            if self.found.get("fragment_offset"):
                break
        self.found["protocol"] = protocol
        later = bool(self.found.get("fragment_offset"))
        if protocol in EXTENSIONS and not later:
            self.parse.add("extension_depth")
            return
        self.transport(protocol, later_fragment=later)

    def transport(self, protocol: int | None, *, later_fragment: bool) -> None:
        if later_fragment:
            self.found["payload_length"] = self.rest
        elif protocol == TCP:
            self.tcp()
        elif protocol == UDP:
            self.udp()
        elif protocol == SCTP:
            self.ports("sctp")
            self.after("source_port", SCTP_HEADER_BYTES)
        elif protocol in (ICMP, ICMPV6):
            layer = "icmp" if protocol == ICMP else "icmpv6"
            self.found["icmp_type"] = self.number(f"{layer}.type")
            self.found["icmp_code"] = self.number(f"{layer}.code")
            self.after("icmp_type", ICMP_HEADER_BYTES)
        else:
            self.found["payload_length"] = self.rest

    def after(self, first_field: str, header_bytes: int) -> None:
        """The payload behind a header that says no length, if there is a header at all."""
        if self.rest < header_bytes:
            self.parse.add("truncated")
        if self.found[first_field] is not None:
            self.found["payload_length"] = max(self.rest - header_bytes, 0)

    def ports(self, layer: str) -> None:
        self.found["source_port"] = self.number(f"{layer}.srcport")
        self.found["destination_port"] = self.number(f"{layer}.dstport")

    def tcp(self) -> None:
        self.ports("tcp")
        header_length = self.number("tcp.hdr_len")
        if self.rest < TCP_HEADER_BYTES or header_length is None:
            self.parse.add("truncated")
            return
        flags = self.number("tcp.flags")
        if flags is not None:  # tshark stops at an impossible data offset
            self.found["tcp_flags"] = flags & 0x1FF
            if flags & TCP_ACK:
                self.found["tcp_ack"] = self.number("tcp.ack_raw")
        self.found["tcp_seq"] = self.number("tcp.seq_raw")
        self.found["tcp_window"] = self.number("tcp.window_size_value")
        if header_length < TCP_HEADER_BYTES:
            self.parse.add("bad_transport_header")
        elif header_length > self.rest:
            short = "truncated" if "fragment" in self.parse else "bad_transport_header"
            self.parse.add(short)
        # of a fragment tshark says no length
        length = self.number("tcp.len")
        self.found["payload_length"] = (
            max(self.rest - header_length, 0) if length is None else length
        )

    def udp(self) -> None:
        self.ports("udp")
        length = self.number("udp.length")
        if self.rest < UDP_HEADER_BYTES or length is None:
            self.parse.add("truncated")
            return
        too_long = length > self.rest and "fragment" not in self.parse
        if length and (length < UDP_HEADER_BYTES or too_long):
            self.parse.add("bad_transport_header")
            length = 0
        self.found["payload_length"] = (length or self.rest) - UDP_HEADER_BYTES


def _ip(text: str | None) -> str | None:
    return text and str(ipaddress.ip_address(text))


@functools.cache
def _number(text: str) -> int:
    if text in ("True", "False"):
        return int(text == "True")
    return int(text, 0)
