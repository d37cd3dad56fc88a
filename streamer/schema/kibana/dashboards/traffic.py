# SPDX-License-Identifier: Apache-2.0
"""Who talks to whom, how much, and over what."""

from __future__ import annotations

from streamer.schema.kibana.columns import Metric, Top
from streamer.schema.kibana.dashboard import Control, Dashboard, Row
from streamer.schema.kibana.panels import Chart, Number, Table

PACKETS = Metric("Packets")
WIRE = Metric("On the wire", "sum", "packet.length", in_bytes=True)
UNUSUAL = "packet.parse : *"

TRAFFIC = Dashboard(
    name="traffic",
    title="[streamer] Traffic overview",
    description="Who talks to whom, how much, and over what.",
    controls=(
        Control("IP version", "network.type"),
        Control("Transport", "network.transport"),
        Control("Direction", "network.direction"),
    ),
    rows=(
        Row(
            6,
            (
                Number(title="Packets", metric=PACKETS),
                Number(
                    title="Bytes on the wire",
                    description="The headers of every segment included.",
                    metric=WIRE,
                ),
                Number(
                    title="Conversations",
                    description="Different Community IDs. Beyond some thousands an estimate.",
                    metric=Metric("Conversations", "unique_count", "network.community_id"),
                ),
                Number(
                    title="Unusual packets",
                    description="Packets with packet.parse: fragments, options, cut off.",
                    query=UNUSUAL,
                    metric=PACKETS,
                ),
            ),
        ),
        Row(
            13,
            (
                Chart(
                    title="Packets over time, by transport",
                    metrics=(PACKETS,),
                    split=Top("Transport", "network.transport", 6),
                ),
                Chart(
                    title="Bytes on the wire over time, by direction",
                    metrics=(WIRE,),
                    split=Top("Direction", "network.direction", 2),
                ),
            ),
        ),
        Row(
            14,
            (
                Chart(
                    title="Senders with the most bytes",
                    form="bar_horizontal",
                    over=Top("Sender", "source.ip"),
                    metrics=(WIRE,),
                ),
                Chart(
                    title="Receivers with the most bytes",
                    form="bar_horizontal",
                    over=Top("Receiver", "destination.ip"),
                    metrics=(WIRE,),
                ),
                Table(
                    title="Ports packets go to",
                    description="Answers go to the client's port, so clients' ports are among"
                    " them.",
                    rows=(
                        Top("Port", "destination.port", 50),
                        Top("Transport", "network.transport", 3),
                    ),
                    metrics=(PACKETS, WIRE),
                ),
            ),
        ),
        Row(
            15,
            (
                Table(
                    title="Conversations with the most bytes",
                    description="A row for each direction of a conversation.",
                    rows=(
                        Top("Community ID", "network.community_id", 20),
                        Top("From", "source.ip", 2),
                        Top("To", "destination.ip", 2),
                    ),
                    metrics=(
                        WIRE,
                        PACKETS,
                        Metric("From port", "max", "source.port"),
                        Metric("To port", "max", "destination.port"),
                    ),
                ),
                Chart(
                    title="Unusual packets, by what makes them so",
                    form="bar_horizontal",
                    over=Top("Kind", "packet.parse"),
                    metrics=(PACKETS,),
                ),
            ),
            widths=(32, 16),
        ),
    ),
)
