# SPDX-License-Identifier: Apache-2.0
"""Events with values at their limits, by name: what every reader must bring out as it was sent.

The records are the ring's; the documents are made by the plain Python encoder of the tests, so a
reader is compared with nothing that streamer wrote. `events()` encodes the same records with the
real encoder, whose text must say the same.
"""

from __future__ import annotations

from ipaddress import IPv4Address, ip_address
from typing import TYPE_CHECKING, Any, NamedTuple

from hotpath.json_encoder import EventEncoder
from streamer.schema.field import JSON_SAFE_INTEGER
from tests.support import reference_document as reference
from tests.support.reference_document import Agent, Record

if TYPE_CHECKING:
    from streamer.schema.field import Field

LONGEST_NAME = "wan-uplink.4094"  # IFNAMSIZ - 1 bytes, linux/if.h
ODD_NAME = 'a"b\\c<é>&;%'  # the kernel refuses only white space, `/` and `:`
INTERFACES: dict[int, str | bytes] = {1: LONGEST_NAME, 2: ODD_NAME}
assert all(len(str(name).encode()) <= 15 for name in INTERFACES.values())

HAS_MAC, HAS_VLAN, HAS_INNER_VLAN, HAS_PORTS, HAS_ICMP = (1 << bit for bit in range(5))
HAS_TCP, HAS_IP, HAS_ID, HAS_PAYLOAD = (1 << bit for bit in range(12, 16))
ALL_IP = HAS_IP | HAS_ID | HAS_PAYLOAD
FRAGMENT = 1 << 1
IPV4, IPV6, ARP = 1, 2, 3
INGRESS, EGRESS = 1, 2
LEAST_IPV4 = str(IPv4Address(0))
# 2262-04-11T23:47:16.854775807Z: signed nanoseconds end there, in both readers
LAST_NS = 2**63 - 1
PLAIN_NS = 1_795_428_610_000_000_001


class Event(NamedTuple):
    """One event: its number, and its document as an object."""

    sequence: int
    document: dict[str, Any]


def _packed(address: str) -> bytes:
    ip = ip_address(address)
    return ip.packed if ip.version == 6 else b"\0" * 10 + b"\xff\xff" + ip.packed


def _between(source: str, destination: str, network: int, **rest: Any) -> Record:
    values: dict[str, Any] = {
        "timestamp_ns": PLAIN_NS,
        "ethertype": 0x86DD if network == IPV6 else 0x0800,
    } | rest
    return Record(
        source_ip=_packed(source), destination_ip=_packed(destination), network=network, **values
    )


TCP: dict[str, Any] = {"flags": HAS_MAC | HAS_PORTS, "protocol": 6, "parse": ALL_IP | HAS_TCP}
RECORDS: dict[str, tuple[int, Record]] = {
    "everything at its least": (
        0,
        _between(
            LEAST_IPV4,
            LEAST_IPV4,
            IPV4,
            **TCP,
            wire_length=14,
            direction=INGRESS,
            ifindex=1,
            timestamp_ns=1,
        ),
    ),
    "everything at its most": (
        JSON_SAFE_INTEGER,
        _between(
            "255.255.255.255",
            "255.255.255.254",
            IPV4,
            **TCP | {"flags": HAS_MAC | HAS_PORTS | HAS_VLAN | HAS_INNER_VLAN},
            source_port=65535,
            destination_port=65535,
            source_mac=b"\xff" * 6,
            destination_mac=b"\xff" * 6,
            vlan_id=4095,
            inner_vlan_id=4095,
            wire_length=2**32 - 1,
            payload_length=2**32 - 1,
            ttl=255,
            tos=255,
            tcp_flags=0x1FF,
            ip_id=2**32 - 1,
            tcp_seq=2**32 - 1,
            tcp_ack=2**32 - 1,
            tcp_window=65535,
            segments=65535,
            direction=EGRESS,
            ifindex=2,
            hook=2,
            timestamp_ns=LAST_NS,
        ),
    ),
    "at the epoch": (
        1,
        _between("192.0.2.1", "192.0.2.2", IPV4, **TCP, timestamp_ns=0, tcp_flags=0x10),
    ),
    "IPv4-mapped addresses in an IPv6 header": (
        2**53 - 2,
        _between("::ffff:192.0.2.1", "::ffff:198.51.100.2", IPV6, **TCP, source_port=1),
    ),
    "the same addresses in an IPv4 header": (
        2**32,
        _between("192.0.2.1", "198.51.100.2", IPV4, **TCP, source_port=1),
    ),
    "IPv6 ends": (
        2**31,
        _between(
            "::",
            "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
            IPV6,
            protocol=58,
            flags=HAS_ICMP,
            parse=HAS_IP | HAS_PAYLOAD,
            source_port=255,
            destination_port=255,
            hook=3,
        ),
    ),
    "IPv6 with one zero group": (3, _between("2001:db8:0:1:1:1:1:1", "fe80::1", IPV6, protocol=0)),
    "the last fragment": (
        4,
        _between(
            "10.0.0.1",
            "10.0.0.2",
            IPV4,
            protocol=17,
            fragment=0x1FFF,
            parse=ALL_IP | FRAGMENT,
        ),
    ),
    "the first fragment": (
        5,
        _between(
            "10.0.0.1",
            "10.0.0.2",
            IPV4,
            protocol=255,
            fragment=0x2000,
            parse=ALL_IP | FRAGMENT,
        ),
    ),
    "every doubt": (6, _between("10.0.0.1", "10.0.0.2", IPV4, protocol=253, parse=0x7FF | HAS_IP)),
    "icmp at its least": (
        7,
        _between("10.0.0.1", "10.0.0.2", IPV4, protocol=1, flags=HAS_ICMP, parse=ALL_IP),
    ),
    "ARP": (8, _between("10.0.0.1", "10.0.0.2", ARP, ethertype=0x0806)),
    "no network": (9, Record(timestamp_ns=PLAIN_NS, ethertype=0xFFFF, parse=1 << 4, flags=HAS_MAC)),
    "nothing but a length": (10, Record(timestamp_ns=PLAIN_NS, parse=1)),
}


def events(agent: Agent) -> dict[str, Event]:
    """Each event by its name, with the numbers of RECORDS."""
    return {
        name: Event(
            sequence,
            reference.document(
                record, agent, utc_offset_ns=0, sequence=sequence, interfaces=INTERFACES
            ),
        )
        for name, (sequence, record) in RECORDS.items()
    }


def texts(agent: Agent) -> dict[str, bytes]:
    """Each document as streamer's own encoder writes it."""
    encoder = EventEncoder(
        agent_id=agent.id, ephemeral_id=agent.ephemeral_id, host_name=agent.host_name
    )
    for index, name in INTERFACES.items():
        encoder.set_interface(index, name)
    return {
        name: encoder.encode(record.pack(), utc_offset_ns=0, sequence=sequence)
        for name, (sequence, record) in RECORDS.items()
    }


def value(document: dict[str, Any], field: Field) -> Any:
    """What a document says of a field; None if nothing."""
    node: Any = document
    for name in field.path:
        if name not in node:
            return None
        node = node[name]
    return node
