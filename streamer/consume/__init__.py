# SPDX-License-Identifier: Apache-2.0
"""Reading the topics in Python: typed events one by one, or many at a time as Arrow tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamer.consume.event import Event, Identity
from streamer.consume.events import Packet, Stats
from streamer.consume.iterator import Events
from streamer.consume.rejected import Rejected
from streamer.consume.start import Start
from streamer.consume.stream import Source
from streamer.consume.tables import Tables
from streamer.schema import PACKETS, STATS

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamer.config import KafkaSettings

__all__ = [
    "Event",
    "Events",
    "Identity",
    "Packet",
    "Rejected",
    "Start",
    "Stats",
    "Tables",
    "packets",
    "stats",
]


def packets(
    kafka: str | KafkaSettings = "localhost:9092",
    *,
    topic: str = PACKETS.name,
    group: str | None = None,
    start: Start = "now",
    where: str | None = None,
    on_rejected: Callable[[Rejected], None] | None = None,
) -> Events[Packet]:
    """The packet events of a topic.

        async with packets("broker:9092", group="alerts", where="port == 53") as events:
            async for event in events:
                print(event.timestamp, event.source.ip, event.packet.length)

    `kafka` is the brokers' address, or the settings of a configuration file's section
    (`load_settings().kafka`) for TLS and passwords. With a `group`, several processes share the
    partitions, and a restart goes on where the group was: `start` is for its first time only.
    `where` is a filter as of `streamer tail`. Records that are no packet events are left out,
    counted in `rejected` and given to `on_rejected`.
    """
    return Events(Source(kafka, Packet, PACKETS, topic, group, start, where, on_rejected))


def stats(
    kafka: str | KafkaSettings = "localhost:9092",
    *,
    topic: str = STATS.name,
    group: str | None = None,
    start: Start = "now",
    where: str | None = None,
    on_rejected: Callable[[Rejected], None] | None = None,
) -> Events[Stats]:
    """The statistics of a topic: the ledger, every few seconds; options as for `packets`."""
    return Events(Source(kafka, Stats, STATS, topic, group, start, where, on_rejected))
