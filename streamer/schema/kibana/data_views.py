# SPDX-License-Identifier: Apache-2.0
"""Data views: which data streams, and how each field's values are shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from streamer.schema.common import TIMESTAMP
from streamer.schema.kibana.saved_object import packed, saved_object

if TYPE_CHECKING:
    from streamer.schema.field import Topic

BYTES = {"id": "bytes"}
# Without it Kibana groups the digits of a port and a sequence number by thousands.
IDENTIFIER = {"id": "number", "params": {"pattern": "0"}}
NANOSECONDS = {
    "id": "duration",
    "params": {"inputFormat": "nanoseconds", "outputFormat": "humanizePrecise"},
}
FORMATS: dict[str, dict[str, Any]] = {
    "event.sequence": IDENTIFIER,
    "source.port": IDENTIFIER,
    "destination.port": IDENTIFIER,
    "packet.length": BYTES,
    "packet.payload_length": BYTES,
    "packet.id": IDENTIFIER,
    "packet.fragment.offset": IDENTIFIER,
    "packet.tcp.seq": IDENTIFIER,
    "packet.tcp.ack": IDENTIFIER,
    "packet.tcp.window": IDENTIFIER,
    "ledger.pump.raw_bytes": BYTES,
    "ledger.pump.sealed_bytes": BYTES,
    "ledger.pump.cpu_ns": NANOSECONDS,
    "ledger.delivery.queued_bytes": BYTES,
    "ledger.delivery.in_flight_bytes": BYTES,
    "ledger.delivery.acknowledged_bytes": BYTES,
    "ledger.ring.fill_bytes": BYTES,
    "ledger.ring.size_bytes": BYTES,
}


def identity(topic: Topic) -> str:
    """The id by which searches and panels refer to it."""
    return f"streamer-{topic.table}"


def data_view(topic: Topic) -> dict[str, Any]:
    """The saved object. Kibana still calls a data view an index pattern there."""
    names = [field.name for field in topic.fields]
    return saved_object(
        "index-pattern",
        identity(topic),
        {
            "title": topic.index_pattern,
            "name": f"streamer {topic.title.lower()}",
            "timeFieldName": TIMESTAMP,
            "allowNoIndex": True,  # imported before the first event is
            "fieldFormatMap": packed({name: FORMATS[name] for name in names if name in FORMATS}),
        },
    )
