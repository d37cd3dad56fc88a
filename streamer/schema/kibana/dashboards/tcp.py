# SPDX-License-Identifier: Apache-2.0
"""TCP trouble: refusals, handshakes without answer, resets, repeated segments, zero windows."""

from __future__ import annotations

from streamer.schema.kibana.columns import Metric, Top
from streamer.schema.kibana.dashboard import Control, Dashboard, Row
from streamer.schema.kibana.panels import Chart, Hits, Number, Repeats, Table
from streamer.schema.kibana.searches import REFUSED, RESETS

FIRST_SYN = "packet.tcp.flags : syn and not packet.tcp.flags : ack"
SYN_ACK = "packet.tcp.flags : syn and packet.tcp.flags : ack"
# A reset has no window to speak of, and a SYN none yet.
ZERO_WINDOW = "packet.tcp.window : 0 and not packet.tcp.flags : (rst or syn)"
PACKETS = Metric("Packets")

TCP = Dashboard(
    name="tcp",
    title="[streamer] TCP trouble",
    description="Refusals, handshakes without answer, resets, repeated segments, zero windows.",
    controls=(
        Control("Sender", "source.ip"),
        Control("Receiver", "destination.ip"),
    ),
    rows=(
        Row(
            6,
            (
                Number(
                    title="SYNs", description="Tries to connect.", query=FIRST_SYN, metric=PACKETS
                ),
                Number(
                    title="SYN-ACKs",
                    description="Answers that accept. Fewer than SYNs: some were refused or got no"
                    " answer.",
                    query=SYN_ACK,
                    metric=PACKETS,
                ),
                Number(
                    title="Refused",
                    description="Resets that answer a SYN: RST and ACK with sequence number 0.",
                    query=REFUSED.kql,
                    metric=PACKETS,
                ),
                Number(
                    title="Resets",
                    description="All packets with RST, refusals included.",
                    query=RESETS.kql,
                    metric=PACKETS,
                ),
                Number(
                    title="Zero windows",
                    description="Packets whose sender can take no more. RST and SYN left out.",
                    query=ZERO_WINDOW,
                    metric=PACKETS,
                ),
            ),
            widths=(10, 10, 10, 9, 9),
        ),
        Row(
            12,
            (
                Chart(
                    title="Resets over time, by sender",
                    query=RESETS.kql,
                    metrics=(PACKETS,),
                    split=Top("Sender", "source.ip", 6),
                ),
                Chart(
                    title="Zero windows over time, by sender",
                    query=ZERO_WINDOW,
                    metrics=(PACKETS,),
                    split=Top("Sender", "source.ip", 6),
                ),
            ),
        ),
        Row(
            14,
            (
                Table(
                    title="Handshakes, by conversation",
                    description="SYNs without SYN-ACK and RST: nobody answered. Several SYNs: the"
                    " client tried again. A packet seen on two interfaces counts twice.",
                    query="packet.tcp.flags : (syn or rst)",
                    rows=(Top("Community ID", "network.community_id", 50),),
                    metrics=(
                        Metric("SYN", only=FIRST_SYN),
                        Metric("SYN-ACK", only=SYN_ACK),
                        Metric("RST", only=RESETS.kql),
                        Metric("To port", "max", "destination.port", only=FIRST_SYN),
                    ),
                ),
                Table(
                    title="Who resets",
                    query=RESETS.kql,
                    rows=(
                        Top("Sender", "source.ip", 20),
                        Top("From port", "source.port", 5),
                    ),
                    metrics=(
                        Metric("Resets"),
                        Metric("Of them refusals", only=REFUSED.kql),
                    ),
                ),
                Table(
                    title="Who closed the window",
                    query=ZERO_WINDOW,
                    rows=(
                        Top("Sender", "source.ip", 20),
                        Top("Port", "source.port", 5),
                        Top("Receiver", "destination.ip", 5),
                    ),
                    metrics=(Metric("Zero windows"), Metric("Last", "max", "@timestamp")),
                ),
            ),
        ),
        Row(
            14,
            (
                Repeats(
                    title="Segments sent again: same sender, same sequence number, payload in both",
                    description="Packets with payload that one agent saw at least twice on one"
                    " interface in one direction, with the same sequence number, sender and"
                    " conversation. What was sent again in other pieces is not found; of more than"
                    " 100 sequence numbers, the most frequent are shown.",
                    query="network.transport : tcp and packet.payload_length > 0",
                    rows=(
                        Top("Sequence number", "packet.tcp.seq", 100),
                        Top("Community ID", "network.community_id", 10),
                        Top("Sender", "source.ip", 2),
                        Top("Receiver", "destination.ip", 2),
                        Top("Agent", "agent.id", 10),
                        Top("Came in by", "observer.ingress.interface.name", 10),
                        Top("Went out by", "observer.egress.interface.name", 10),
                    ),
                    count="Times seen",
                ),
            ),
        ),
        Row(16, (Hits(search=RESETS),)),
    ),
)
