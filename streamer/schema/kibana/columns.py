# SPDX-License-Identifier: Apache-2.0
"""The columns of a Lens panel: what it counts, and by what it groups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from streamer.schema.common import TIMESTAMP
from streamer.schema.kibana.saved_object import kuery

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamer.schema.field import Topic

Json = dict[str, Any]
Operation = Literal["count", "sum", "max", "min", "unique_count", "counter_rate"]

RECORDS = "___records___"
BYTES = {"id": "bytes", "params": {"decimals": 1}}
KIBANA_TYPES = {
    "keyword": "string",
    "ip": "ip",
    "date_nanos": "date",
    "boolean": "boolean",
    "long": "number",
    "integer": "number",
    "short": "number",
}


@dataclass(frozen=True, slots=True)
class Metric:
    """One number."""

    label: str
    operation: Operation = "count"
    field: str = RECORDS
    only: str = ""
    """KQL: the events that count."""
    in_bytes: bool = False

    def columns(self, key: str, topic: Topic) -> dict[str, Json]:
        """By id; a rate brings the counter along from which it is computed."""
        if self.operation == "counter_rate":
            counter = Metric(f"{self.label}, counter", "max", self.field)
            rate = self._column("number") | {
                "references": [f"{key}-counter"],
                "timeScale": "s",
                "params": {},
            }
            return {key: rate} | counter.columns(f"{key}-counter", topic)
        kind = "number"
        if self.operation in {"min", "max"} and self.field != RECORDS:
            kind = KIBANA_TYPES[topic.field(self.field).type]
        # a number that is zero is shown as zero; Kibana's default is to show nothing
        params: Json = {} if self.operation in {"min", "max"} else {"emptyAsNull": False}
        if self.in_bytes:
            params["format"] = BYTES
        column = self._column(kind) | {"sourceField": self.field, "params": params}
        if self.only:
            column["filter"] = kuery(self.only)
        return {key: column}

    def _column(self, kind: str) -> Json:
        return {
            "label": self.label,
            "customLabel": True,
            "dataType": kind,
            "operationType": self.operation,
            "isBucketed": False,
            "scale": "ratio",
        }


@dataclass(frozen=True, slots=True)
class Top:
    """The values of a field that have the most of the first metric."""

    label: str
    field: str
    size: int = 10
    by_name: bool = False
    """In the order of the values: where the first metric is a rate, nothing else is possible."""

    def column(self, topic: Topic, metric: str) -> Json:
        order = {"type": "alphabetical"} if self.by_name else {"type": "column", "columnId": metric}
        return {
            "label": self.label,
            "customLabel": True,
            "dataType": KIBANA_TYPES[topic.field(self.field).type],
            "operationType": "terms",
            "isBucketed": True,
            "scale": "ordinal",
            "sourceField": self.field,
            "params": {
                "size": self.size,
                "orderBy": order,
                "orderDirection": "asc" if self.by_name else "desc",
                "otherBucket": False,
                "missingBucket": False,
                "parentFormat": {"id": "terms"},
            },
        }


def over_time(*, empty: bool) -> Json:
    """Intervals that suit the time range; `empty`: also those without an event."""
    return {
        "label": TIMESTAMP,
        "dataType": "date",
        "operationType": "date_histogram",
        "isBucketed": True,
        "scale": "interval",
        "sourceField": TIMESTAMP,
        "params": {"interval": "auto", "includeEmptyRows": empty, "dropPartials": False},
    }


def layer(groups: dict[str, Json], metrics: Sequence[Metric], topic: Topic) -> Json:
    """Groups, the outermost first, then the metrics m0, m1 ….."""
    columns = dict(groups)
    for number, metric in enumerate(metrics):
        columns |= metric.columns(f"m{number}", topic)
    return {
        "columns": columns,
        "columnOrder": list(columns),
        "incompleteColumns": {},
        "sampling": 1,
    }
