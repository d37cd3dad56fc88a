# SPDX-License-Identifier: Apache-2.0
"""What each KQL query of ours means, said once more in Python."""

from __future__ import annotations

import json
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Any

from streamer.schema.kibana.searches import QUESTIONS
from tests.support.kibana_objects import translations

if TYPE_CHECKING:
    from collections.abc import Callable

Event = dict[str, Any]


def within(event: Event, field: str, *networks: str) -> bool:
    """The address is in one of these networks."""
    if field not in event:
        return False
    address = ip_address(event[field])
    return any(address in ip_network(network) for network in networks)


def flags(event: Event) -> set[str]:
    return set(event.get("packet.tcp.flags", ()))


def expires(event: Event) -> bool:
    """A last hop, or the report of one."""
    reported = {"icmp": 11, "ipv6-icmp": 3}.get(event.get("network.transport", ""))
    if reported is not None and event.get("packet.icmp.type") == reported:
        return True
    multicast = within(event, "destination.ip", "224.0.0.0/4", "ff00::/8")
    return event.get("packet.ttl", 64) <= 1 and not multicast


def closes_window(event: Event) -> bool:
    return event.get("packet.tcp.window") == 0 and not flags(event) & {"rst", "syn"}


EXPIRING = (
    '(packet.ttl <= 1 and not destination.ip : ("224.0.0.0/4" or "ff00::/8"))'
    " or (network.transport : icmp and packet.icmp.type : 11)"
    " or (network.transport : ipv6-icmp and packet.icmp.type : 3)"
)
CONVERSATION = "1:GnIlCb3InCG7rU9Pyk6JSGY5p6c="
PREDICATES: dict[str, Callable[[Event], bool]] = {
    "": lambda _: True,
    "destination.ip : 192.0.2.2": lambda e: e.get("destination.ip") == "192.0.2.2",
    f'network.community_id : "{CONVERSATION}"': lambda e: (
        e.get("network.community_id") == CONVERSATION
    ),
    "packet.tcp.flags : rst": lambda e: "rst" in flags(e),
    "packet.tcp.flags : rst and packet.tcp.flags : ack and packet.tcp.seq : 0": lambda e: (
        flags(e) >= {"rst", "ack"} and e["packet.tcp.seq"] == 0
    ),
    'source.ip : ("192.0.2.0/24" or "2001:db8::/32")': lambda e: within(
        e, "source.ip", "192.0.2.0/24", "2001:db8::/32"
    ),
    "destination.port : 53 and not destination.ip : 192.0.2.2": lambda e: (
        e.get("destination.port") == 53 and e.get("destination.ip") != "192.0.2.2"
    ),
    "packet.parse : *": lambda e: "packet.parse" in e,
    "network.direction : egress and packet.payload_length > 0": lambda e: (
        e["network.direction"] == "egress" and e.get("packet.payload_length", 0) > 0
    ),
    EXPIRING: expires,
    "packet.tcp.flags : (syn or rst)": lambda e: bool(flags(e) & {"syn", "rst"}),
    "ledger.lost > 0": lambda e: e["ledger.lost"] > 0,
    "packet.tcp.flags : syn and not packet.tcp.flags : ack": lambda e: (
        "syn" in flags(e) and "ack" not in flags(e)
    ),
    "packet.tcp.flags : syn and packet.tcp.flags : ack": lambda e: flags(e) >= {"syn", "ack"},
    "packet.tcp.window : 0 and not packet.tcp.flags : (rst or syn)": closes_window,
    "network.transport : tcp and not packet.tcp.flags : (rst or syn)": lambda e: (
        e.get("network.transport") == "tcp" and not flags(e) & {"rst", "syn"}
    ),
    "network.transport : tcp and packet.payload_length > 0": lambda e: (
        e.get("network.transport") == "tcp" and e["packet.payload_length"] > 0
    ),
}


def filters() -> dict[str, Callable[[Event], bool]]:
    """By the text of the condition: of the panels' columns, and of the one documented request."""
    found = {json.dumps(dsl): PREDICATES[kql] for kql, dsl in translations().items()}
    (handshakes,) = (one for one in QUESTIONS if one.search.name == "handshakes")
    answers = handshakes.aggregations["conversations"]["aggs"]["answers"]["filter"]
    found[json.dumps(answers)] = lambda event: bool(flags(event) & {"ack", "rst"})
    return found
