# SPDX-License-Identifier: Apache-2.0
"""The one table of fields per topic, and everything that is generated from it."""

from __future__ import annotations

from typing import Literal

from . import clickhouse, elastic, json_schema
from .encoding import constant_members
from .field import Field, Topic
from .packets import PACKETS
from .stats import STATS

Format = Literal["json-schema", "elasticsearch", "clickhouse"]

TOPICS: dict[str, Topic] = {topic.name: topic for topic in (PACKETS, STATS)}

__all__ = ["PACKETS", "STATS", "TOPICS", "Field", "Format", "Topic", "constants", "render"]


def render(
    output_format: Format,
    topic: str = PACKETS.name,
    *,
    closed: bool = False,
    broker: str = clickhouse.BROKER,
) -> str:
    """What `streamer schema FORMAT --topic TOPIC` prints.

    `closed` makes the JSON Schema refuse unknown fields; `broker` is for ClickHouse's consumer.
    """
    match output_format:
        case "json-schema":
            return json_schema.render(TOPICS[topic], closed=closed)
        case "elasticsearch":
            return elastic.render(TOPICS[topic])
        case "clickhouse":
            return clickhouse.render(TOPICS[topic], clickhouse.Layout(broker=broker))


def constants(topic: str = PACKETS.name) -> tuple[bytes, bytes]:
    """Raw JSON members the same in every record: those inside `event`, and those beside it."""
    return constant_members(TOPICS[topic])
