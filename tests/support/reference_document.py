# SPDX-License-Identifier: Apache-2.0
"""A packet record as a document the plain way: unpack, a dict, orjson.

Shares nothing with hotpath's encoder; it is the oracle of its tests and the naive version that
benchmarks compare with.
"""

from __future__ import annotations

import base64
import hashlib
import re
import struct
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv6Address
from typing import Any, NamedTuple

import communityid
import orjson

RECORD = struct.Struct("<BBHIQ QII 16s16sHH6s6sIHHHHBBBB BBHIIIHHHH")
EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - the text says Z

# Bits and numbers of bpf/event.h.
HAS_MAC, HAS_VLAN, HAS_INNER_VLAN, HAS_PORTS, HAS_ICMP = (1 << bit for bit in range(5))
HAS_TCP, HAS_IP, HAS_ID, HAS_PAYLOAD = (1 << bit for bit in range(12, 16))
FRAGMENT = 1 << 1
IPV4, IPV6, ARP = 1, 2, 3
TYPES = {IPV4: "ipv4", IPV6: "ipv6", ARP: "arp"}
HOOKS = {1: "tc", 2: "xdp", 3: "socket"}
DIRECTIONS = {1: "ingress", 2: "egress"}
PARSE_FLAGS = [
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
]
TCP_FLAGS = ["fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr", "ae"]

# www.iana.org/assignments/protocol-numbers, keywords in lower case; those that are named.
KEYWORDS = {
    1: "icmp",
    2: "igmp",
    4: "ipv4",
    6: "tcp",
    17: "udp",
    33: "dccp",
    41: "ipv6",
    46: "rsvp",
    47: "gre",
    50: "esp",
    51: "ah",
    58: "ipv6-icmp",
    88: "eigrp",
    89: "ospfigp",
    103: "pim",
    108: "ipcomp",
    112: "vrrp",
    115: "l2tp",
    132: "sctp",
    136: "udplite",
}


class Record(NamedTuple):
    """struct packet_event, in its order."""

    kind: int = 1
    version: int = 1
    length: int = 120
    cpu: int = 0
    cpu_sequence: int = 0
    timestamp_ns: int = 0
    wire_length: int = 60
    payload_length: int = 0
    source_ip: bytes = bytes(16)
    destination_ip: bytes = bytes(16)
    source_port: int = 0
    destination_port: int = 0
    source_mac: bytes = bytes(6)
    destination_mac: bytes = bytes(6)
    ifindex: int = 0
    vlan_id: int = 0
    inner_vlan_id: int = 0
    ethertype: int = 0
    flags: int = 0
    network: int = 0
    protocol: int = 0
    hook: int = 1
    direction: int = 0
    ttl: int = 0
    tos: int = 0
    tcp_flags: int = 0
    ip_id: int = 0
    tcp_seq: int = 0
    tcp_ack: int = 0
    tcp_window: int = 0
    segments: int = 1
    fragment: int = 0
    parse: int = 0

    @classmethod
    def unpack(cls, record: bytes) -> Record:
        return cls._make(RECORD.unpack(record))

    def pack(self) -> bytes:
        return RECORD.pack(*self)


class Agent(NamedTuple):
    """What is the same for all documents of a run."""

    id: str
    ephemeral_id: str
    host_name: str | None = None
    community_id_seed: int = 0


def named_bits(value: int, names: list[str]) -> list[str]:
    return [name for bit, name in enumerate(names) if value & 1 << bit]


def ip_text(network: int, ip: bytes) -> str:
    if network != IPV6:
        return str(IPv4Address(ip[12:]))
    address = IPv6Address(ip)
    return f"::ffff:{address.ipv4_mapped}" if address.ipv4_mapped else str(address)


def time_text(utc_ns: int) -> str:
    seconds, nanoseconds = divmod(utc_ns, 10**9)
    return f"{(EPOCH + timedelta(seconds=seconds)).isoformat()}.{nanoseconds:09}Z"


def community_id_text(record: Record, seed: int) -> str:
    """By the specification's package, which knows no TCP, UDP, SCTP or ICMP without ports."""
    start = 12 if record.network == IPV4 else 0
    source, destination = record.source_ip[start:], record.destination_ip[start:]
    wanted = {1: HAS_ICMP, 58: HAS_ICMP, 6: HAS_PORTS, 17: HAS_PORTS, 132: HAS_PORTS}
    if record.flags & wanted.get(record.protocol, 0):
        ports = (record.source_port, record.destination_port)
        flow = communityid.FlowTuple(record.protocol, source, destination, *ports)
        return str(communityid.CommunityID(seed=seed).calc(flow))
    addresses = b"".join(sorted((source, destination)))
    hashed = seed.to_bytes(2, "big") + addresses + bytes([record.protocol, 0])
    return "1:" + base64.b64encode(hashlib.sha1(hashed).digest()).decode()  # noqa: S324


def network_object(record: Record, seed: int) -> dict[str, Any]:
    network: dict[str, Any] = {}
    if record.network in TYPES:
        network["type"] = TYPES[record.network]
    if record.network in (IPV4, IPV6):
        if record.protocol in KEYWORDS:
            network["transport"] = KEYWORDS[record.protocol]
        network["iana_number"] = str(record.protocol)
        network["community_id"] = community_id_text(record, seed)
    if record.direction in DIRECTIONS:
        network["direction"] = DIRECTIONS[record.direction]
    if record.flags & HAS_VLAN:
        network["vlan"] = {"id": str(record.vlan_id)}
    if record.flags & HAS_INNER_VLAN:
        network["inner"] = {"vlan": {"id": str(record.inner_vlan_id)}}
    return network


def endpoint_object(record: Record, ip: bytes, port: int, mac: bytes) -> dict[str, Any]:
    endpoint: dict[str, Any] = {}
    if record.network in TYPES:
        endpoint["ip"] = ip_text(record.network, ip)
    if record.flags & HAS_PORTS:
        endpoint["port"] = port
    if record.flags & HAS_MAC:
        endpoint["mac"] = mac.hex("-").upper()
    return endpoint


def observer_object(record: Record, interfaces: dict[int, str | bytes]) -> dict[str, Any]:
    name = interfaces.get(record.ifindex)
    if not name or record.direction not in DIRECTIONS:
        return {}
    raw = name.encode("utf-8", "surrogateescape") if isinstance(name, str) else name
    text = re.sub("[\0-\x1f]", "\ufffd", raw.decode("utf-8", "replace"))
    return {DIRECTIONS[record.direction]: {"interface": {"name": text}}}


def packet_object(record: Record) -> dict[str, Any]:
    packet: dict[str, Any] = {}
    if record.hook in HOOKS:
        packet["hook"] = HOOKS[record.hook]
    if record.network not in TYPES and record.ethertype:
        packet["ethertype"] = f"0x{record.ethertype:04x}"
    if record.flags & HAS_ICMP and not record.flags & HAS_PORTS:
        packet["icmp"] = {"type": record.source_port, "code": record.destination_port}
    packet["length"] = record.wire_length
    if record.parse & HAS_IP:
        packet["ttl"] = record.ttl
        if record.tos >> 2:
            packet["dscp"] = record.tos >> 2
        if record.tos & 3:
            packet["ecn"] = record.tos & 3
    if record.parse & HAS_ID:
        packet["id"] = record.ip_id
    if record.parse & FRAGMENT:
        offset, more = (record.fragment & 0x1FFF) * 8, bool(record.fragment & 0x2000)
        packet["fragment"] = {"offset": offset, "more": more}
    if record.parse & HAS_PAYLOAD:
        packet["payload_length"] = record.payload_length
    if record.segments != 1:
        packet["segments"] = record.segments
    if shown := named_bits(record.parse, PARSE_FLAGS):
        packet["parse"] = shown
    if record.parse & HAS_TCP:
        tcp: dict[str, Any] = {"flags": named_bits(record.tcp_flags, TCP_FLAGS)}
        tcp["seq"] = record.tcp_seq
        if "ack" in tcp["flags"]:
            tcp["ack"] = record.tcp_ack
        tcp["window"] = record.tcp_window
        packet["tcp"] = tcp
    return packet


def document(
    record: Record,
    agent: Agent,
    *,
    utc_offset_ns: int,
    sequence: int,
    interfaces: dict[int, str | bytes],
) -> dict[str, Any]:
    """The document as a dict, its members in the order of the text."""
    r = record
    members = {
        "@timestamp": time_text(r.timestamp_ns + utc_offset_ns),
        "event": {"sequence": sequence},
        "agent": {"id": agent.id, "ephemeral_id": agent.ephemeral_id},
        "host": {"name": agent.host_name} if agent.host_name else {},
        "network": network_object(r, agent.community_id_seed),
        "source": endpoint_object(r, r.source_ip, r.source_port, r.source_mac),
        "destination": endpoint_object(r, r.destination_ip, r.destination_port, r.destination_mac),
        "observer": observer_object(r, interfaces),
        "packet": packet_object(r),
    }
    return {name: value for name, value in members.items() if value}


def encode(
    record: bytes,
    agent: Agent,
    *,
    utc_offset_ns: int,
    sequence: int,
    interfaces: dict[int, str | bytes],
) -> bytes:
    """The document's text."""
    members = document(
        Record.unpack(record),
        agent,
        utc_offset_ns=utc_offset_ns,
        sequence=sequence,
        interfaces=interfaces,
    )
    return orjson.dumps(members)
