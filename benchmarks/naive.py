# SPDX-License-Identifier: Apache-2.0
"""The same events the way one would first write them in Python: a dict each.

It is not made slow on purpose: one struct for the record, texts of addresses and the Community ID
cached, orjson, keyword sets built once.
"""

from __future__ import annotations

import base64
import hashlib
import socket
import struct
from functools import lru_cache
from time import gmtime, strftime
from typing import Any

import orjson

RECORD = struct.Struct("=BBHIQ QII 16s16sHH6s6sIHHHHBBBB BBHIIIHHHH")
HOOKS = {1: "tc", 2: "xdp", 3: "socket"}
DIRECTIONS = {1: "ingress", 2: "egress"}
TRANSPORTS = {1: "icmp", 6: "tcp", 17: "udp", 58: "ipv6-icmp", 132: "sctp"}
TCP_FLAGS = ("fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr", "ae")
IPV4, ICMP, TCP_ACK = 1, 1, 1 << 4
HAS_MAC, HAS_PORTS, HAS_ICMP = 1 << 0, 1 << 3, 1 << 4
HAS_TCP, HAS_IP, HAS_ID, HAS_PAYLOAD = 1 << 12, 1 << 13, 1 << 14, 1 << 15


@lru_cache(100_000)
def address_text(network: int, address: bytes) -> str:
    if network == IPV4:
        return socket.inet_ntop(socket.AF_INET, address[12:])
    return socket.inet_ntop(socket.AF_INET6, address)


@lru_cache(100_000)
def mac_text(address: bytes) -> str:
    return address.hex("-").upper()


@lru_cache(100_000)
def community_id(
    network: int, protocol: int, addresses: tuple[bytes, bytes], ports: tuple[int, int]
) -> str:
    (source, destination), (source_port, port) = addresses, ports
    if network == IPV4:
        source, destination = source[12:], destination[12:]
    if protocol == ICMP:  # an echo request and its reply name each other
        port = 8 - source_port
    if (source, source_port) > (destination, port):
        source, destination, source_port, port = destination, source, port, source_port
    data = b"\0\0" + source + destination + struct.pack(">BBHH", protocol, 0, source_port, port)
    return "1:" + base64.b64encode(hashlib.sha1(data, usedforsecurity=False).digest()).decode()


class NaiveEncoder:
    """Makes the documents of TCP, UDP and echo packets; the benchmark's traffic has no others."""

    def __init__(self, agent_id: str, ephemeral_id: str, host_name: str, interface: str) -> None:
        self._agent = {"id": agent_id, "ephemeral_id": ephemeral_id}
        self._host = {"name": host_name}
        self._interface = interface

    def encode(self, record: bytes, utc_offset_ns: int, sequence: int) -> tuple[bytes, bytes]:
        """Key and document."""
        # fmt: off
        (
            _kind, _version, _length, _cpu, _sequence,
            timestamp_ns, wire_length, payload_length,
            source_ip, destination_ip, source_port, destination_port,
            source_mac, destination_mac, _ifindex,
            _vlan_id, _inner_vlan_id, _ethertype, flags,
            network, protocol, hook, direction,
            ttl, tos, tcp_flags, ip_id, tcp_seq, tcp_ack, tcp_window, segments,
            _fragment, parse,
        ) = RECORD.unpack(record)
        # fmt: on
        seconds, nanoseconds = divmod(timestamp_ns + utc_offset_ns, 1_000_000_000)
        key = community_id(
            network, protocol, (source_ip, destination_ip), (source_port, destination_port)
        )
        source: dict[str, Any] = {"ip": address_text(network, source_ip)}
        destination: dict[str, Any] = {"ip": address_text(network, destination_ip)}
        if flags & HAS_PORTS:
            source["port"] = source_port
            destination["port"] = destination_port
        if flags & HAS_MAC:
            source["mac"] = mac_text(source_mac)
            destination["mac"] = mac_text(destination_mac)
        packet: dict[str, Any] = {"hook": HOOKS[hook], "length": wire_length}
        if parse & HAS_IP:
            packet["ttl"] = ttl
            if tos >> 2:
                packet["dscp"] = tos >> 2
            if tos & 3:
                packet["ecn"] = tos & 3
        if parse & HAS_ID:
            packet["id"] = ip_id
        if parse & HAS_PAYLOAD:
            packet["payload_length"] = payload_length
        if segments != 1:
            packet["segments"] = segments
        if parse & HAS_TCP:
            names = [name for bit, name in enumerate(TCP_FLAGS) if tcp_flags >> bit & 1]
            packet["tcp"] = {"flags": names, "seq": tcp_seq, "window": tcp_window}
            if tcp_flags & TCP_ACK:
                packet["tcp"]["ack"] = tcp_ack
        if flags & HAS_ICMP:
            packet["icmp"] = {"type": source_port, "code": destination_port}
        document = {
            "@timestamp": f"{strftime('%Y-%m-%dT%H:%M:%S', gmtime(seconds))}.{nanoseconds:09}Z",
            "event": {"sequence": sequence},
            "agent": self._agent,
            "host": self._host,
            "network": {
                "type": "ipv4" if network == IPV4 else "ipv6",
                "transport": TRANSPORTS[protocol],
                "iana_number": str(protocol),
                "community_id": key,
                "direction": DIRECTIONS[direction],
            },
            "source": source,
            "destination": destination,
            "observer": {DIRECTIONS[direction]: {"interface": {"name": self._interface}}},
            "packet": packet,
        }
        return key.encode(), orjson.dumps(document)
