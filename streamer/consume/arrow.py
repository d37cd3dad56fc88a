# SPDX-License-Identifier: Apache-2.0
"""Events as Arrow columns. They have the names of ClickHouse's columns, so queries fit both.

Needs pyarrow; imported only by those who ask for tables.
"""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from streamer.schema.common import TIMESTAMP

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamer.consume.event import Event
    from streamer.schema import Field, Topic

TIME = pa.timestamp("ns", "UTC")


def schema(topic: Topic) -> pa.Schema:
    """A column for each field that varies; the constants are the schema's metadata."""
    columns = [
        pa.field(field.column_name, _type(field), metadata={"field": field.name})
        for field in topic.varying
    ]
    constants = {field.name: str(field.constant) for field in topic.constants}
    return pa.schema(columns, metadata={"topic": topic.name, **constants})


class Converter:
    """Makes tables of one topic's events."""

    def __init__(self, topic: Topic) -> None:
        self.schema = schema(topic)
        self._tree: dict[str, Any] = {}
        for field in topic.varying:
            node = self._tree
            for name in field.path[:-1]:
                node = node.setdefault(name, {})
            node[field.path[-1]] = field

    def table(self, events: Sequence[Event]) -> pa.Table:
        """One row for each event; what it does not have is null."""
        columns: dict[str, pa.Array] = {}
        self._collect(events, self._tree, columns)
        return pa.table([columns[name] for name in self.schema.names], schema=self.schema)

    def _collect(
        self, objects: Sequence[Any], tree: dict[str, Any], columns: dict[str, pa.Array]
    ) -> None:
        # Object by object: half the time of asking each event for each whole path.
        for name, node in tree.items():
            values = list(map(attrgetter(name.removeprefix("@")), objects))
            if isinstance(node, dict):
                self._collect(values, node, columns)
            else:
                columns[node.column_name] = _array(values, node)


def _array(values: list[Any], field: Field) -> pa.Array:
    if field.name == TIMESTAMP:
        without_zone = pa.array([text[:-1] for text in values], pa.string())
        return without_zone.cast(pa.timestamp("ns")).cast(TIME)
    if field.type == "counts":
        values = [list(value.items()) for value in values]
    return pa.array(values, _type(field))


def _type(field: Field) -> pa.DataType:
    match field.type:
        case "date_nanos":
            return TIME
        case "boolean":
            return pa.bool_()
        case "counts":
            return pa.map_(pa.string(), pa.int64())
        case "keyword" | "ip":
            if field.many:
                return pa.list_(pa.string())
            # few different values, many times each; addresses and flows are many
            few = field.type == "keyword" and not field.plain
            return pa.dictionary(pa.int32(), pa.string()) if few else pa.string()
        case _:
            return getattr(pa, f"{'int' if field.signed else 'uint'}{field.bits}")()
