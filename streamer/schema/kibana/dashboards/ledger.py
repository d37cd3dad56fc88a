# SPDX-License-Identifier: Apache-2.0
"""Our own ledger: what became of every packet, and whether anything is missing.

A ledger counts from the start of its run, so a run's largest value is its total; a run is one
`agent.ephemeral_id`.
"""

from __future__ import annotations

from streamer.schema.kibana.columns import Metric, Top
from streamer.schema.kibana.dashboard import Control, Dashboard, Row
from streamer.schema.kibana.panels import Chart, Number, Table
from streamer.schema.stats import STATS

RUN = Top("Run", "agent.ephemeral_id", 100)
LINES = Top("Run", "agent.ephemeral_id", 10)
RATES = Top("Run", "agent.ephemeral_id", 10, by_name=True)
RANGE = "Ledgers come every few seconds: choose a time range of ten minutes or more."


def _total(title: str, field: str, description: str = "") -> Number:
    return Number(
        title=title,
        description=description,
        metric=Metric(title, "max", field),
        sum_of=RUN,
        topic=STATS,
    )


def _rate(title: str, label: str, field: str, description: str) -> Chart:
    return Chart(
        title=title,
        description=f"{description} {RANGE}",
        form="line",
        metrics=(Metric(label, "counter_rate", field),),
        split=RATES,
        topic=STATS,
    )


LEDGER = Dashboard(
    name="ledger",
    title="[streamer] Ledger",
    description="What became of every packet and event, by run, and whether anything is missing.",
    topic=STATS,
    controls=(Control("Host", "host.name"),),
    rows=(
        Row(
            6,
            (
                _total("Seen", "ledger.packets.seen", "Packets seen by all hooks."),
                _total(
                    "Own traffic",
                    "ledger.packets.filtered.self",
                    "Packets of streamer's own connections, left out.",
                ),
                _total("Acknowledged", "ledger.records.acknowledged", "Events that Kafka has."),
                _total("Lost", "ledger.lost", "Events that will never arrive, each counted."),
                _total(
                    "Unaccounted, at most",
                    "ledger.unaccounted",
                    "The largest difference seen. While running it is a bound: what was on its way"
                    " between two readings is in it. At the end of a run it must be 0.",
                ),
            ),
            widths=(10, 10, 10, 9, 9),
        ),
        Row(
            12,
            (
                _rate(
                    "Packets seen per second, by run",
                    "Packets per second",
                    "ledger.packets.seen",
                    "From the growth of the counter.",
                ),
                _rate(
                    "Events lost per second, by run",
                    "Events per second",
                    "ledger.lost",
                    "Full ring, unreadable records, events given up. A flat 0 is good.",
                ),
            ),
        ),
        Row(
            12,
            (
                Chart(
                    title="Bytes in the ring, by run",
                    description="Near its size the kernel drops packets, and counts them.",
                    form="line",
                    metrics=(
                        Metric("In the ring", "max", "ledger.ring.fill_bytes", in_bytes=True),
                    ),
                    split=LINES,
                    topic=STATS,
                ),
                Chart(
                    title="Bytes that wait for Kafka, by run",
                    description="Queued for their first request. A steady climb: the brokers do"
                    " not keep up.",
                    form="line",
                    metrics=(
                        Metric("Queued", "max", "ledger.delivery.queued_bytes", in_bytes=True),
                    ),
                    split=LINES,
                    topic=STATS,
                ),
            ),
        ),
        Row(
            14,
            (
                Table(
                    title="Runs",
                    description="The last state of each run's counters.",
                    rows=(Top("Host", "host.name", 50), Top("Run", "agent.ephemeral_id", 20)),
                    metrics=(
                        Metric("Seen", "max", "ledger.packets.seen"),
                        Metric("Own traffic", "max", "ledger.packets.filtered.self"),
                        Metric("Ring full", "max", "ledger.packets.dropped.ring_full"),
                        Metric("Emitted", "max", "ledger.packets.emitted"),
                        Metric("Encoded", "max", "ledger.records.encoded"),
                        Metric("Acknowledged", "max", "ledger.records.acknowledged"),
                        Metric("Lost", "max", "ledger.lost"),
                        Metric("Pauses", "max", "ledger.pump.pauses"),
                        Metric("Requests again", "max", "ledger.delivery.retries"),
                        Metric("Last report", "max", "@timestamp"),
                    ),
                    topic=STATS,
                ),
            ),
        ),
    ),
)
