# SPDX-License-Identifier: Apache-2.0
"""The questions of network, security and platform people, and the searches that answer them.

The saved searches and docs/searches.md are both made from this table. Addresses are those of
`streamer demo`; a reader puts in their own.
"""

from __future__ import annotations

from typing import Any

from streamer.schema.kibana.search import (
    Question,
    Search,
    all_of,
    any_of,
    between,
    exists,
    none_of,
    term,
)
from streamer.schema.stats import STATS

SERVER = "192.0.2.2"
NETWORK_IPV4 = "192.0.2.0/24"
NETWORK_IPV6 = "2001:db8::/32"
CONVERSATION = "1:GnIlCb3InCG7rU9Pyk6JSGY5p6c="
NAME_SERVER = 53
TIME_EXCEEDED = 11  # ICMP
TIME_EXCEEDED_V6 = 3  # ICMPv6
MULTICAST = ("224.0.0.0/4", "ff00::/8")

ENDPOINTS = (
    "source.ip",
    "source.port",
    "destination.ip",
    "destination.port",
)


def _top(field: str, size: int, **inside: Any) -> dict[str, Any]:
    """The values with the most events, or with the most of `order`."""
    order = inside.pop("order", None)
    terms = {"field": field, "size": size} | ({"order": order} if order else {})
    return {"terms": terms} | ({"aggs": inside} if inside else {})


def _sum(field: str) -> dict[str, Any]:
    return {"sum": {"field": field}}


def _max(field: str) -> dict[str, Any]:
    return {"max": {"field": field}}


REFUSED = Search(
    name="refused",
    title="[streamer] Refused connections",
    description="Resets that answer a SYN: nobody listens there, or a firewall rejects.",
    kql="packet.tcp.flags : rst and packet.tcp.flags : ack and packet.tcp.seq : 0",
    columns=(*ENDPOINTS, "packet.tcp.flags", "network.community_id"),
)

QUESTIONS: tuple[Question, ...] = (
    Question(
        ask=f"Who talks most to {SERVER}?",
        search=Search(
            name="to-one-address",
            title="[streamer] Traffic to one address",
            description=f"Every packet sent to {SERVER}: put in the address you ask about.",
            kql=f"destination.ip : {SERVER}",
            columns=(
                "source.ip",
                "source.port",
                "destination.port",
                "network.transport",
                "packet.length",
                "network.community_id",
            ),
        ),
        query=term("destination.ip", SERVER),
        aggregations={
            "senders": _top("source.ip", 10, order={"bytes": "desc"}, bytes=_sum("packet.length"))
        },
        answer="One bucket a sender, the one with the most bytes on the wire first; `doc_count` is"
        " its packets.",
        example="""\
source.ip | packets | bytes
192.0.2.1 | 319 | 6600512""",
    ),
    Question(
        ask="What was said in one conversation, packet by packet?",
        search=Search(
            name="conversation",
            title="[streamer] One conversation",
            description="All packets of one Community ID, both directions, in order.",
            kql=f'network.community_id : "{CONVERSATION}"',
            columns=(
                *ENDPOINTS,
                "packet.tcp.flags",
                "packet.tcp.seq",
                "packet.tcp.ack",
                "packet.tcp.window",
                "packet.payload_length",
            ),
            oldest_first=True,
        ),
        query=term("network.community_id", CONVERSATION),
        answer="The packets in the order of their times. Both directions of a conversation have the"
        " same Community ID, and so have the records of other programs that write one (Zeek,"
        " Suricata, Packetbeat).",
        example="""\
source.ip | source.port | packet.tcp.flags | packet.tcp.seq | packet.tcp.ack | packet.payload_length
192.0.2.1 | 54142 | syn | 3090333093 |  | 0
192.0.2.2 | 80 | syn ack | 112947081 | 3090333094 | 0
192.0.2.1 | 54142 | ack | 3090333094 | 112947082 | 0
192.0.2.1 | 54142 | psh ack | 3090333094 | 112947082 | 74
192.0.2.2 | 80 | ack | 112947082 | 3090333168 | 0
192.0.2.2 | 80 | psh ack | 112947082 | 3090333168 | 140""",
    ),
    Question(
        ask="Which connections were refused, and by whom?",
        search=REFUSED,
        query=all_of(
            term("packet.tcp.flags", "rst"),
            term("packet.tcp.flags", "ack"),
            term("packet.tcp.seq", 0),
        ),
        aggregations={
            "refusing": _top("source.ip", 10, ports=_top("source.port", 10)),
        },
        answer="A reset that answers a SYN has sequence number 0 and acknowledges it (RFC 9293,"
        " 3.5.2); a reset within a connection has the connection's number. Its source is who"
        " refuses, its source port what was asked for.",
        example="""\
refusing | port | packets
192.0.2.2 | 81 | 1""",
    ),
    Question(
        ask="What do our networks send?",
        search=Search(
            name="from-networks",
            title="[streamer] Traffic from networks",
            description=f"Packets from {NETWORK_IPV4} and {NETWORK_IPV6}: put in your prefixes.",
            kql=f'source.ip : ("{NETWORK_IPV4}" or "{NETWORK_IPV6}")',
            columns=(*ENDPOINTS, "network.transport", "packet.length"),
        ),
        query=any_of(term("source.ip", NETWORK_IPV4), term("source.ip", NETWORK_IPV6)),
        aggregations={
            "families": _top(
                "network.type",
                2,
                bytes=_sum("packet.length"),
                transports=_top("network.transport", 5),
            )
        },
        answer="An `ip` field takes a prefix where it takes an address, of IPv4 and of IPv6. In KQL"
        " what has a colon or a slash is quoted.",
        example="""\
network.type | packets | bytes | transports
ipv6 | 2220 | 813716 | udp 2060, tcp 128, ipv6-icmp 32
ipv4 | 532 | 6778724 | tcp 427, udp 60, icmp 45""",
    ),
    Question(
        ask="Who asks a name server that is not ours?",
        search=Search(
            name="other-name-servers",
            title="[streamer] Other name servers",
            description=f"Packets to port {NAME_SERVER} elsewhere than at {SERVER}: put in yours.",
            kql=f"destination.port : {NAME_SERVER} and not destination.ip : {SERVER}",
            columns=(*ENDPOINTS, "network.transport", "packet.payload_length"),
        ),
        query=all_of(
            term("destination.port", NAME_SERVER), none_of(term("destination.ip", SERVER))
        ),
        aggregations={
            "clients": _top("source.ip", 10, servers=_top("destination.ip", 10)),
        },
        answer="One bucket a client, with the servers it asks. Several name servers of yours:"
        " `not destination.ip : (192.0.2.2 or 192.0.2.3)`. DNS over TLS is port 853; over HTTPS it"
        " cannot be told from the web.",
        example="""\
client | server | packets
2001:db8::1 | 2001:db8::2 | 30""",
    ),
    Question(
        ask="Which packets are fragments, cut off, or odd in another way?",
        search=Search(
            name="unusual",
            title="[streamer] Unusual packets",
            description="Packets whose parsing ended early or that have rare headers.",
            kql="packet.parse : *",
            columns=(
                "packet.parse",
                "source.ip",
                "destination.ip",
                "network.iana_number",
                "packet.length",
                "packet.id",
                "packet.fragment.offset",
                "packet.fragment.more",
                "packet.ethertype",
            ),
        ),
        query=exists("packet.parse"),
        aggregations={
            "kinds": _top("packet.parse", 20, senders=_top("source.ip", 3)),
        },
        answer="`packet.parse` is absent from a packet that is nothing special, so all that have it"
        " are found; a packet can be of several kinds. Later fragments have no"
        " ports, so their Community ID is not the first one's.",
        example="""\
packet.parse | packets | senders
fragment | 12 | 192.0.2.1 6, 192.0.2.2 6
ipv6_extensions | 5 | fe80::68cd:cff:fe23:e5dd 2, fe80::70ad:d7ff:fec7:8a48 2, :: 1""",
    ),
    Question(
        ask="Which conversations of this host upload the most?",
        search=Search(
            name="uploads",
            title="[streamer] Outgoing payload",
            description="Packets with payload that the host sends.",
            kql="network.direction : egress and packet.payload_length > 0",
            columns=(*ENDPOINTS, "network.transport", "packet.payload_length"),
        ),
        query=all_of(term("network.direction", "egress"), between("packet.payload_length", gt=0)),
        aggregations={
            "conversations": _top(
                "network.community_id",
                10,
                order={"payload": "desc"},
                payload=_sum("packet.payload_length"),
                receiver=_top("destination.ip", 1),
                port=_top("destination.port", 1),
            )
        },
        answer="One bucket a conversation, with the bytes of payload it sent, what was sent again"
        " included.",
        example="""\
conversation | receiver | port | packets | payload
1:n4Mdw0ywylvMFRoJ+jPhdBy5Zlw= | 192.0.2.2 | 80 | 188 | 6291582
1:CHquv3MlgtMmSuIsMXJpL1EhVbs= | 2001:db8::2 | 9 | 2000 | 512000""",
    ),
    Question(
        ask="Whose packets expire on their way?",
        search=Search(
            name="expiring",
            title="[streamer] Expiring packets",
            description="A last hop's time to live, and the ICMP errors that report one.",
            kql=f'(packet.ttl <= 1 and not destination.ip : ("{MULTICAST[0]}" or "{MULTICAST[1]}"))'
            f" or (network.transport : icmp and packet.icmp.type : {TIME_EXCEEDED})"
            f" or (network.transport : ipv6-icmp and packet.icmp.type : {TIME_EXCEEDED_V6})",
            columns=(
                "source.ip",
                "destination.ip",
                "network.transport",
                "destination.port",
                "packet.ttl",
                "packet.icmp.type",
                "packet.icmp.code",
            ),
        ),
        query=any_of(
            all_of(
                between("packet.ttl", lte=1),
                none_of(any_of(*(term("destination.ip", network) for network in MULTICAST))),
            ),
            all_of(term("network.transport", "icmp"), term("packet.icmp.type", TIME_EXCEEDED)),
            all_of(
                term("network.transport", "ipv6-icmp"), term("packet.icmp.type", TIME_EXCEEDED_V6)
            ),
        ),
        answer="A traceroute, or a routing loop when there are many. Multicast within a link is"
        " sent with 1 and is left out.",
        example="""\
source.ip | destination.ip | network.transport | packet.ttl | packet.icmp.type
192.0.2.1 | 192.0.2.2 | icmp | 1 | 8
192.0.2.254 | 192.0.2.77 | icmp | 64 | 11""",
    ),
    Question(
        ask="Which handshakes got no answer at all?",
        search=Search(
            name="handshakes",
            title="[streamer] Handshakes",
            description="Every SYN, SYN-ACK and RST. A conversation with SYNs alone got no answer.",
            kql="packet.tcp.flags : (syn or rst)",
            columns=(
                "network.community_id",
                "packet.tcp.flags",
                *ENDPOINTS,
                "packet.tcp.seq",
            ),
        ),
        query=any_of(term("packet.tcp.flags", "syn"), term("packet.tcp.flags", "rst")),
        aggregations={
            "conversations": _top(
                "network.community_id",
                10,
                order=[{"answers": "asc"}, {"_count": "desc"}],
                answers={
                    "filter": any_of(
                        term("packet.tcp.flags", "ack"), term("packet.tcp.flags", "rst")
                    )
                },
                sender=_top("source.ip", 1),
                receiver=_top("destination.ip", 1),
                port=_top("destination.port", 1),
            )
        },
        answer="Conversations by their number of answers (SYN-ACK or RST): those with 0 come first,"
        " and `doc_count` is how often the client tried. With more than one shard the order is"
        " nearly right: ask for a larger `size`.",
        example="""\
conversation | sender | receiver | port | packets | answers
1:h5UU/KfIcM4f91skqO5qpZtVU3I= | 192.0.2.1 | 192.0.2.77 | 443 | 2 | 0
1:8F5VpxyQzf1T3dBuePbd/jk5bIQ= | 2001:db8::1 | 2001:db8::2 | 80 | 2 | 1""",
    ),
    Question(
        ask="Did streamer itself lose packets?",
        search=Search(
            name="losses",
            title="[streamer] Losses of streamer",
            description="Ledgers that report events that will never arrive.",
            kql="ledger.lost > 0",
            columns=(
                "host.name",
                "agent.ephemeral_id",
                "ledger.packets.seen",
                "ledger.packets.dropped.ring_full",
                "ledger.records.acknowledged",
                "ledger.lost",
                "ledger.pump.pauses",
            ),
            topic=STATS,
        ),
        query=between("ledger.lost", gt=0),
        aggregations={
            "runs": _top(
                "agent.ephemeral_id",
                100,
                order={"lost": "desc"},
                lost=_max("ledger.lost"),
                ring_full=_max("ledger.packets.dropped.ring_full"),
                seen=_max("ledger.packets.seen"),
            )
        },
        answer="Nothing found is the good answer. A ledger counts from the start of its run, so"
        " the largest value of a run is its total.",
        example="""\
run | lost | ring_full | seen
bfp8dee3gxpe | 7 | 7 | 2763""",
    ),
)

PACKETS = Search(
    name="packets",
    title="[streamer] All packets",
    description="Every packet, the newest first.",
    columns=(
        *ENDPOINTS,
        "network.transport",
        "network.direction",
        "packet.length",
        "packet.tcp.flags",
        "network.community_id",
    ),
)
IN_ORDER = Search(
    name="in-order",
    title="[streamer] Packets in order",
    description="The oldest first, with all that tells how a conversation went.",
    columns=(
        *ENDPOINTS,
        "packet.tcp.flags",
        "packet.tcp.seq",
        "packet.tcp.ack",
        "packet.tcp.window",
        "packet.payload_length",
        "packet.ttl",
    ),
    oldest_first=True,
)
RESETS = Search(
    name="resets",
    title="[streamer] TCP resets",
    description="Every packet with RST, refusals included.",
    kql="packet.tcp.flags : rst",
    columns=(*ENDPOINTS, "packet.tcp.flags", "packet.tcp.seq", "network.community_id"),
)
SEARCHES = (PACKETS, IN_ORDER, RESETS, *(question.search for question in QUESTIONS))
