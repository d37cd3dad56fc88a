# SPDX-License-Identifier: Apache-2.0
"""A reading of bpf/event.h of its own: records of the ring as plain Python values."""

from __future__ import annotations

import ctypes
import ipaddress
from dataclasses import dataclass
from typing import Any

from .packet_fields import TCP_ACK, PacketFields

RECORD_PACKET = 1
PACKET_EVENT_VERSION = 1
PACKET_EVENT_BYTES = 120

HOOKS = {1: "tc", 2: "xdp", 3: "socket"}
DIRECTIONS = {0: None, 1: "ingress", 2: "egress"}
NETWORKS = {0: None, 1: "ipv4", 2: "ipv6", 3: "arp"}

PARSE_FLAGS = (
    "truncated",
    "fragment",
    "ip_options",
    "ipv6_extensions",
    "unknown_ethertype",
    "vlan_depth",
    "extension_depth",
    "bad_ip_header",
    "bad_ip_length",
    "bad_transport_header",
    "unknown_arp",
)
HAS_TCP, HAS_IP, HAS_ID, HAS_PAYLOAD = (1 << bit for bit in range(12, 16))
HAS_MAC, HAS_VLAN, HAS_INNER_VLAN, HAS_PORTS, HAS_ICMP = (1 << bit for bit in range(5))

u8, u16, u32, u64 = ctypes.c_uint8, ctypes.c_uint16, ctypes.c_uint32, ctypes.c_uint64


class Record(ctypes.Structure):
    """The bytes, named."""

    _fields_ = (
        ("kind", u8),
        ("version", u8),
        ("length", u16),
        ("cpu", u32),
        ("sequence", u64),
        ("timestamp_ns", u64),
        ("wire_length", u32),
        ("payload_length", u32),
        ("source_ip", u8 * 16),
        ("destination_ip", u8 * 16),
        ("source_port", u16),
        ("destination_port", u16),
        ("source_mac", u8 * 6),
        ("destination_mac", u8 * 6),
        ("ifindex", u32),
        ("vlan_id", u16),
        ("inner_vlan_id", u16),
        ("ethertype", u16),
        ("flags", u16),
        ("network", u8),
        ("protocol", u8),
        ("hook", u8),
        ("direction", u8),
        ("ttl", u8),
        ("tos", u8),
        ("tcp_flags", u16),
        ("ip_id", u32),
        ("tcp_seq", u32),
        ("tcp_ack", u32),
        ("tcp_window", u16),
        ("segments", u16),
        ("fragment", u16),
        ("parse", u16),
    )


@dataclass(frozen=True)
class PacketEvent:
    """One record: what the hook knew, and what the packet's bytes say."""

    cpu: int
    sequence: int
    timestamp_ns: int
    ifindex: int
    hook: str
    direction: str | None
    ethertype: int
    segments: int
    fields: PacketFields


def decode(data: bytes) -> PacketEvent:
    """Decode one record. What its flags say is absent has to be zero: nothing leaks."""
    assert len(data) == ctypes.sizeof(Record) == PACKET_EVENT_BYTES
    r: Any = Record.from_buffer_copy(data)
    assert (r.kind, r.version, r.length) == (RECORD_PACKET, PACKET_EVENT_VERSION, len(data))
    assert r.segments >= 1
    has_mac, has_ports, has_icmp = (bool(r.flags & bit) for bit in (HAS_MAC, HAS_PORTS, HAS_ICMP))
    has_ip, has_tcp, has_id = (bool(r.parse & bit) for bit in (HAS_IP, HAS_TCP, HAS_ID))
    network = NETWORKS[r.network]
    parse = frozenset(name for bit, name in enumerate(PARSE_FLAGS) if r.parse >> bit & 1)
    is_fragment = "fragment" in parse

    def only(present: bool, *names: str) -> list[Any]:
        values = [getattr(r, name) for name in names]
        values = [v if isinstance(v, int) else bytes(v) for v in values]
        assert present or not any(any(v) if isinstance(v, bytes) else v for v in values), names
        return values if present else [None] * len(values)

    source_mac, destination_mac = only(has_mac, "source_mac", "destination_mac")
    source_ip, destination_ip = only(network is not None, "source_ip", "destination_ip")
    ttl, tos, protocol = only(has_ip, "ttl", "tos", "protocol")
    tcp_flags, seq, ack, window = only(has_tcp, "tcp_flags", "tcp_seq", "tcp_ack", "tcp_window")
    [fragment] = only(is_fragment, "fragment")
    first, second = only(has_ports or has_icmp, "source_port", "destination_port")
    assert has_ip == (network in ("ipv4", "ipv6"))
    assert not (has_ports and has_icmp)
    fields = PacketFields(
        length=r.wire_length,
        source_mac=source_mac and source_mac.hex(":"),
        destination_mac=destination_mac and destination_mac.hex(":"),
        vlan_id=only(bool(r.flags & HAS_VLAN), "vlan_id")[0],
        inner_vlan_id=only(bool(r.flags & HAS_INNER_VLAN), "inner_vlan_id")[0],
        network=network,
        source_ip=network and _ip(source_ip, network),
        destination_ip=network and _ip(destination_ip, network),
        protocol=protocol,
        ttl=ttl,
        tos=tos,
        id=only(has_id, "ip_id")[0],
        fragment_offset=(fragment & 0x1FFF) * 8 if is_fragment else None,
        fragment_more=bool(fragment & 0x2000) if is_fragment else None,
        source_port=first if has_ports else None,
        destination_port=second if has_ports else None,
        icmp_type=first if has_icmp else None,
        icmp_code=second if has_icmp else None,
        tcp_flags=tcp_flags,
        tcp_seq=seq,
        # without the flag it means nothing, and a document leaves it out
        tcp_ack=ack if has_tcp and tcp_flags & TCP_ACK else None,
        tcp_window=window,
        payload_length=only(bool(r.parse & HAS_PAYLOAD), "payload_length")[0],
        parse=parse,
    )
    return PacketEvent(
        cpu=r.cpu,
        sequence=r.sequence,
        timestamp_ns=r.timestamp_ns,
        ifindex=r.ifindex,
        hook=HOOKS[r.hook],
        direction=DIRECTIONS[r.direction],
        ethertype=r.ethertype,
        segments=r.segments,
        fields=fields,
    )


def _ip(address: bytes, network: str) -> str:
    if network == "ipv6":
        return str(ipaddress.IPv6Address(address))
    assert address[:12] == bytes(10) + b"\xff\xff"
    return str(ipaddress.IPv4Address(address[12:]))
