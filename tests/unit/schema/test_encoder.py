# SPDX-License-Identifier: Apache-2.0
"""The encoder against packets.v1, both ways: it writes nothing else, and all of it."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from hotpath.json_encoder import PARSE_FLAG_NAMES, TCP_FLAG_NAMES, EventEncoder
from streamer.schema import PACKETS, constants, render
from streamer.schema.packets import PARSE_FLAGS, TCP_FLAGS

# struct packet_event of bpf/event.h
EVENT = struct.Struct("=BBHIQ QII 16s16sHH6s6sIHHHHBBBB BBHIIIHHHH")
HAS_MAC, HAS_VLAN, HAS_INNER_VLAN, HAS_PORTS, HAS_ICMP = (1 << bit for bit in range(5))
HAS_TCP, HAS_IP, HAS_ID, HAS_PAYLOAD = (1 << bit for bit in range(12, 16))
IPV4, IPV6, ARP = 1, 2, 3
TC, XDP, SOCKET = 1, 2, 3
INGRESS, EGRESS = 1, 2
ETH0 = 7


@dataclass
class Packet:
    """The parts of a record that the samples vary."""

    source: str = "::"
    destination: str = "::"
    ports: tuple[int, int] = (0, 0)
    vlans: tuple[int, int] = (0, 0)
    ethertype: int = 0x0800
    flags: int = HAS_MAC
    network: int = 0
    protocol: int = 0
    hook: int = TC
    direction: int = INGRESS
    tos: int = 0
    tcp_flags: int = 0
    segments: int = 1
    fragment: int = 0
    parse: int = 0

    def record(self) -> bytes:
        packed = [self.packed(self.source), self.packed(self.destination)]
        macs = b"\x02\x00\x5e\x10\x00\x0a", b"\x02\x00\x5e\x10\x00\x0b"
        key = (*packed, *self.ports, *macs, ETH0, *self.vlans, self.ethertype, self.flags)
        kinds = (self.network, self.protocol, self.hook, self.direction)
        rest = (64, self.tos, self.tcp_flags, 4321, 2**32 - 1, 5, 502, self.segments)
        header = (1, 1, EVENT.size, 0, 0)
        measures = (10**18, 1514, 1448)
        return EVENT.pack(*header, *measures, *key, *kinds, *rest, self.fragment, self.parse)

    @staticmethod
    def packed(address: str) -> bytes:
        parsed = ip_address(address)
        return parsed.packed if parsed.version == 6 else b"\0" * 10 + b"\xff\xff" + parsed.packed


ALL_SHOWN = (1 << len(PARSE_FLAGS)) - 1
ALL_IP = HAS_IP | HAS_ID | HAS_PAYLOAD
SAMPLES = {
    "tcp": Packet(
        "192.0.2.1",
        "192.0.2.2",
        ports=(49152, 443),
        vlans=(100, 200),
        flags=HAS_MAC | HAS_VLAN | HAS_INNER_VLAN | HAS_PORTS,
        network=IPV4,
        protocol=6,
        tos=46 << 2 | 3,
        tcp_flags=0x1FF,
        segments=3,
        parse=ALL_IP | HAS_TCP,
    ),
    "icmpv6": Packet(
        "2001:db8::1",
        "2001:db8::2",
        ports=(128, 0),
        ethertype=0x86DD,
        flags=HAS_ICMP,
        network=IPV6,
        protocol=58,
        hook=SOCKET,
        direction=EGRESS,
        parse=HAS_IP | HAS_PAYLOAD,
    ),
    "fragment": Packet(
        "10.0.0.1",
        "10.0.0.2",
        network=IPV4,
        protocol=17,
        hook=XDP,
        fragment=0x2000 | 185,
        parse=ALL_IP | 1 << 1,
    ),
    "arp": Packet("10.0.0.1", "10.0.0.2", ethertype=0x0806, network=ARP),
    "unknown ethertype": Packet(ethertype=0x88CC, parse=1 << 4),
    "everything unusual": Packet(
        "10.0.0.1", "10.0.0.2", network=IPV4, protocol=253, parse=ALL_SHOWN | HAS_IP
    ),
    "nothing but a frame": Packet(ethertype=0, flags=0, direction=0, parse=1),
}
SCHEMA = Draft202012Validator(
    json.loads(render("json-schema", closed=True)),
    format_checker=Draft202012Validator.FORMAT_CHECKER,
)


def encode(packet: Packet, *, with_constants: bool = False) -> dict[str, Any]:
    event, record = constants() if with_constants else (b"", b"")
    encoder = EventEncoder(
        agent_id="5f0c2a4e",
        ephemeral_id="q3Zx0bTtW1aY",
        host_name="alpha",
        event_constants=event,
        constants=record,
    )
    encoder.set_interface(ETH0, "eth0")
    text = encoder.encode(packet.record(), utc_offset_ns=0, sequence=2**53 - 1)
    document: dict[str, Any] = json.loads(text)
    return document


def leaves(node: dict[str, Any], prefix: str = "") -> set[str]:
    found = set()
    for name, value in node.items():
        if isinstance(value, dict):
            found |= leaves(value, f"{prefix}{name}.")
        else:
            found.add(prefix + name)
    return found


@pytest.mark.parametrize("with_constants", [False, True])
@pytest.mark.parametrize("packet", SAMPLES.values(), ids=SAMPLES)
def test_nothing_is_written_that_is_not_declared(packet: Packet, with_constants: bool) -> None:
    SCHEMA.validate(encode(packet, with_constants=with_constants))


def test_everything_declared_is_written_by_a_sample() -> None:
    written = set().union(*(leaves(encode(p, with_constants=True)) for p in SAMPLES.values()))
    assert written == {field.name for field in PACKETS.fields}


def test_without_constants_no_constant_is_written() -> None:
    written = set().union(*(leaves(encode(packet)) for packet in SAMPLES.values()))
    assert written == {field.name for field in PACKETS.varying}


def test_every_value_of_the_closed_lists_is_written_by_a_sample() -> None:
    documents = [encode(packet) for packet in SAMPLES.values()]
    assert {d["packet"]["hook"] for d in documents} == {"tc", "xdp", "socket"}
    for name in ("type", "direction"):
        values = {d["network"][name] for d in documents if name in d.get("network", {})}
        assert values == set(PACKETS.field(f"network.{name}").values)
    assert encode(SAMPLES["everything unusual"])["packet"]["parse"] == list(PARSE_FLAGS)
    assert encode(SAMPLES["tcp"])["packet"]["tcp"]["flags"] == list(TCP_FLAGS)


def test_defaults_are_left_out() -> None:
    packet = encode(SAMPLES["icmpv6"])["packet"]
    assert not {"dscp", "ecn", "segments", "parse", "fragment", "tcp"} & set(packet)


def test_the_names_of_flags_are_the_declared_ones() -> None:
    assert TCP_FLAG_NAMES == TCP_FLAGS
    assert PARSE_FLAG_NAMES == PARSE_FLAGS
