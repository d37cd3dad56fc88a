# SPDX-License-Identifier: Apache-2.0
"""packets.v1: one record for each packet that a hook saw."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from .common import constants, identity
from .field import Field, Topic

if TYPE_CHECKING:
    from .field import Type

MAC = r"^[0-9A-F]{2}(-[0-9A-F]{2}){5}$"
TCP_FLAGS = ("fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr", "ae")
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


def _endpoint(name: Literal["source", "destination"], which: str) -> tuple[Field, ...]:
    return (
        Field(
            f"{name}.ip",
            "ip",
            f"{which} address; of ARP the protocol address. "
            "IPv6 as RFC 5952 writes it. Absent without IP or ARP.",
            ecs=True,
            example="192.0.2.1" if name == "source" else "2001:db8::2",
        ),
        Field(
            f"{name}.port",
            "long",
            f"{which} port of TCP, UDP or SCTP. Later fragments have none.",
            ecs=True,
            bits=16,
            example=49152 if name == "source" else 443,
        ),
        Field(
            f"{name}.mac",
            "keyword",
            f"{which} hardware address of the frame. Absent on links without one.",
            ecs=True,
            pattern=MAC,
            example="02-00-5E-10-00-01" if name == "source" else "02-00-5E-10-00-02",
        ),
    )


def _interface(direction: Literal["ingress", "egress"], what: str) -> Field:
    return Field(
        f"observer.{direction}.interface.name",
        "keyword",
        f"Interface through which the packet {what}.",
        ecs=True,
        example="eth0",
    )


def _number(
    name: str,
    kind: Type,
    bits: int,
    description: str,
    example: int,
    *,
    required: bool = False,
    maximum: int | None = None,
    default: int | None = None,
    delta: bool = False,
) -> Field:
    return Field(
        f"packet.{name}",
        kind,
        description,
        required=required,
        bits=bits,
        maximum=maximum,
        example=example,
        default=default,
        delta=delta,
    )


PACKETS = Topic(
    name="packets.v1",
    title="Packets",
    description="One record for each packet that a hook saw.",
    record="Packet",
    table="packets",
    order_by=(
        "toStartOfFiveMinutes(ts), community_id, ts, agent_id, agent_ephemeral_id, event_sequence"
    ),
    shard_key="cityHash64(community_id)",
    rolled_up=True,
    index_pattern="logs-streamer.packet-*",
    rollover_days=1,
    kept_days=7,
    fields=(
        *identity("When the kernel saw the packet, in UTC; in a replay, the capture's time."),
        Field(
            "network.type",
            "keyword",
            "Protocol above the link. Absent for others than these.",
            ecs=True,
            values=("ipv4", "ipv6", "arp"),
            example="ipv4",
        ),
        Field(
            "network.transport",
            "keyword",
            "Protocol above IP, by its IANA keyword in lower case; absent where it has none here.",
            ecs=True,
            example="tcp",
        ),
        Field(
            "network.iana_number",
            "keyword",
            "Number of the protocol above IP, after the extension headers.",
            ecs=True,
            pattern=r"^\d{1,3}$",
            example="6",
        ),
        Field(
            "network.community_id",
            "keyword",
            "Community ID v1 of the flow, the same in both directions, and the record's Kafka key. "
            "Absent without IP.",
            ecs=True,
            pattern=r"^1:[A-Za-z0-9+/]{27}=$",
            example="1:LQU9qZlK+B5F3KDmev6m5PMibrg=",
            column="community_id",
            plain=True,
        ),
        Field(
            "network.direction",
            "keyword",
            "Seen by the host: coming in or going out. A capture file does not tell.",
            ecs=True,
            values=("ingress", "egress"),
            example="ingress",
        ),
        Field(
            "network.vlan.id",
            "keyword",
            "VLAN of the outer tag.",
            ecs=True,
            pattern=r"^\d{1,4}$",
            example="100",
        ),
        Field(
            "network.inner.vlan.id",
            "keyword",
            "VLAN of the second tag (QinQ).",
            ecs=True,
            pattern=r"^\d{1,4}$",
            example="200",
        ),
        *_endpoint("source", "Sender's"),
        *_endpoint("destination", "Receiver's"),
        _interface("ingress", "came in"),
        _interface("egress", "went out"),
        Field(
            "packet.hook",
            "keyword",
            "Where in the kernel the packet was seen.",
            required=True,
            values=("tc", "xdp", "socket"),
            example="tc",
        ),
        Field(
            "packet.ethertype",
            "keyword",
            "EtherType after the tags, where it is none of `network.type`.",
            pattern=r"^0x[0-9a-f]{4}$",
            example="0x88cc",
        ),
        _number(
            "length",
            "long",
            32,
            "Bytes on the wire, VLAN tags and the headers of every segment included.",
            1514,
            required=True,
        ),
        _number("ttl", "short", 8, "Time to live, or hop limit.", 64),
        _number(
            "dscp", "short", 8, "Differentiated services code point.", 46, maximum=63, default=0
        ),
        _number(
            "ecn", "short", 8, "Explicit congestion notification bits.", 3, maximum=3, default=0
        ),
        _number(
            "id",
            "long",
            32,
            "Identification of IPv4, or of the IPv6 fragment header.",
            48879,
            delta=True,
        ),
        _number(
            "fragment.offset",
            "integer",
            16,
            "Place of the fragment in the packet, in bytes. Only fragments have it.",
            1480,
        ),
        Field(
            "packet.fragment.more",
            "boolean",
            "More fragments follow. Only fragments have it.",
            example=True,
        ),
        _number(
            "payload_length",
            "long",
            32,
            "Bytes after the transport header, as the headers say; "
            "of a later fragment all after the IP headers.",
            1448,
        ),
        _number(
            "segments",
            "integer",
            16,
            "Packets on the wire that this one stands for (segmentation offload).",
            3,
            default=1,
        ),
        Field(
            "packet.parse",
            "keyword",
            "What makes the packet unusual, or why its fields end early. Absent: nothing.",
            many=True,
            values=PARSE_FLAGS,
            example="truncated",
        ),
        Field(
            "packet.tcp.flags",
            "keyword",
            "TCP flags that are set.",
            many=True,
            values=TCP_FLAGS,
            example="syn",
        ),
        _number("tcp.seq", "long", 32, "TCP sequence number.", 3735928559, delta=True),
        _number(
            "tcp.ack",
            "long",
            32,
            "TCP acknowledgement number; absent without the ACK flag.",
            195935983,
            delta=True,
        ),
        _number("tcp.window", "integer", 16, "TCP window as sent, not scaled.", 502),
        _number("icmp.type", "short", 8, "ICMP or ICMPv6 type.", 8),
        _number("icmp.code", "short", 8, "ICMP or ICMPv6 code.", 0),
        *constants("event", "streamer.packet", ("network",)),
    ),
)
