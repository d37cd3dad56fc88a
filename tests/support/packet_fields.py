# SPDX-License-Identifier: Apache-2.0
"""What a packet's bytes say, in one shape for every reader: records, documents and tshark."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True)
class PacketFields:
    """None: the packet does not have it. MAC addresses in lower case with colons."""

    length: int
    source_mac: str | None = None
    destination_mac: str | None = None
    vlan_id: int | None = None
    inner_vlan_id: int | None = None
    network: str | None = None  # ipv4, ipv6, arp
    source_ip: str | None = None
    destination_ip: str | None = None
    protocol: int | None = None
    ttl: int | None = None
    tos: int | None = None
    id: int | None = None
    fragment_offset: int | None = None  # bytes
    fragment_more: bool | None = None
    source_port: int | None = None
    destination_port: int | None = None
    icmp_type: int | None = None
    icmp_code: int | None = None
    tcp_flags: int | None = None
    tcp_seq: int | None = None
    tcp_ack: int | None = None
    tcp_window: int | None = None
    payload_length: int | None = None
    parse: frozenset[str] = frozenset()

    def differences(self, other: PacketFields) -> dict[str, tuple[Any, Any]]:
        """Every field in which the two differ, with both values."""
        pairs = ((f.name, getattr(self, f.name), getattr(other, f.name)) for f in fields(self))
        return {name: (mine, theirs) for name, mine, theirs in pairs if mine != theirs}


TCP_FLAGS = ("fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr", "ae")
TCP_ACK = 1 << TCP_FLAGS.index("ack")


def from_document(document: dict[str, Any]) -> PacketFields:
    """Read a document of packets.v1: defaults that it leaves out are put back."""
    network = document.get("network", {})
    source, destination = document.get("source", {}), document.get("destination", {})
    packet = document["packet"]
    has_ip = network.get("type") in ("ipv4", "ipv6")
    fragment, icmp, tcp = packet.get("fragment", {}), packet.get("icmp", {}), packet.get("tcp", {})
    return PacketFields(
        length=packet["length"],
        source_mac=_mac(source.get("mac")),
        destination_mac=_mac(destination.get("mac")),
        vlan_id=_integer(network.get("vlan", {}).get("id")),
        inner_vlan_id=_integer(network.get("inner", {}).get("vlan", {}).get("id")),
        network=network.get("type"),
        source_ip=_ip(source.get("ip")),
        destination_ip=_ip(destination.get("ip")),
        protocol=_integer(network.get("iana_number")),
        ttl=packet.get("ttl"),
        tos=packet.get("dscp", 0) << 2 | packet.get("ecn", 0) if has_ip else None,
        id=packet.get("id"),
        fragment_offset=fragment.get("offset"),
        fragment_more=fragment.get("more"),
        source_port=source.get("port"),
        destination_port=destination.get("port"),
        icmp_type=icmp.get("type"),
        icmp_code=icmp.get("code"),
        tcp_flags=sum(1 << TCP_FLAGS.index(f) for f in tcp["flags"]) if "flags" in tcp else None,
        tcp_seq=tcp.get("seq"),
        tcp_ack=tcp.get("ack"),
        tcp_window=tcp.get("window"),
        payload_length=packet.get("payload_length"),
        parse=frozenset(packet.get("parse", ())),
    )


def _mac(text: str | None) -> str | None:
    return text and text.lower().replace("-", ":")


def _ip(text: str | None) -> str | None:
    return text and str(ipaddress.ip_address(text))


def _integer(text: str | None) -> int | None:
    return None if text is None else int(text)
