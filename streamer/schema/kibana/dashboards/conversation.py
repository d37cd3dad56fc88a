# SPDX-License-Identifier: Apache-2.0
"""One flow's life, from the first packet to the last."""

from __future__ import annotations

from streamer.schema.kibana.columns import Metric, Top
from streamer.schema.kibana.dashboard import Control, Dashboard, Row
from streamer.schema.kibana.panels import Chart, Hits, Note, Table
from streamer.schema.kibana.searches import IN_ORDER

SENDER = Top("Sender", "source.ip", 2)

CONVERSATION = Dashboard(
    name="conversation",
    title="[streamer] One conversation",
    description="One flow's life: both directions, from the first packet to the last.",
    controls=(Control("Community ID", "network.community_id", single=True),),
    rows=(
        Row(
            4,
            (
                Note(
                    text="Choose a **Community ID** above, or filter for one from a row of another"
                    " dashboard. Without one, the panels show all conversations together.",
                ),
            ),
        ),
        Row(
            9,
            (
                Table(
                    title="The two directions",
                    rows=(SENDER, Top("Receiver", "destination.ip", 2)),
                    metrics=(
                        Metric("Packets"),
                        Metric("On the wire", "sum", "packet.length", in_bytes=True),
                        Metric("Payload", "sum", "packet.payload_length", in_bytes=True),
                        Metric("From port", "max", "source.port"),
                        Metric("To port", "max", "destination.port"),
                        Metric("First packet", "min", "@timestamp"),
                        Metric("Last packet", "max", "@timestamp"),
                        Metric("Lowest TTL", "min", "packet.ttl"),
                        Metric("Highest TTL", "max", "packet.ttl"),
                    ),
                ),
            ),
        ),
        Row(
            12,
            (
                Chart(
                    title="Payload over time, by sender",
                    metrics=(Metric("Payload", "sum", "packet.payload_length", in_bytes=True),),
                    split=SENDER,
                ),
                Chart(
                    title="TCP: highest sequence number over time, by sender",
                    description="A steady climb is a steady transfer; a flat part is a pause. It"
                    " starts again at 0 after 4,294,967,295.",
                    form="line",
                    metrics=(Metric("Sequence number", "max", "packet.tcp.seq"),),
                    split=SENDER,
                ),
            ),
        ),
        Row(
            12,
            (
                Chart(
                    title="TCP: smallest window over time, by sender",
                    description="As sent, not scaled. Near 0: its reader does not keep up.",
                    form="line",
                    # without TCP there is no window, which sorts above the largest
                    query="network.transport : tcp and not packet.tcp.flags : (rst or syn)",
                    metrics=(Metric("Window", "min", "packet.tcp.window"),),
                    split=SENDER,
                ),
                Chart(
                    title="TCP: packets by flag and sender",
                    over=Top("Flag", "packet.tcp.flags"),
                    metrics=(Metric("Packets"),),
                    split=SENDER,
                ),
            ),
        ),
        Row(20, (Hits(search=IN_ORDER),)),
    ),
)
