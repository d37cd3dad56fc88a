# SPDX-License-Identifier: Apache-2.0
"""The panels of a dashboard: what each shows, and its form in a saved object.

Numbers, charts and tables are Lens panels, kept in the dashboard itself. What Lens cannot ask,
values that occur at least twice, is one of Kibana's aggregation-based tables.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from streamer.schema.kibana import data_views
from streamer.schema.kibana.columns import KIBANA_TYPES, layer, over_time
from streamer.schema.kibana.saved_object import SEARCH_SOURCE, kuery, packed, reference
from streamer.schema.packets import PACKETS

if TYPE_CHECKING:
    from streamer.schema.field import Topic
    from streamer.schema.kibana.columns import Metric, Top
    from streamer.schema.kibana.search import Search

Json = dict[str, Any]

LAYER = "data"
ROWS_OF_A_PAGE = 10
REPEATED = 2


@dataclass(frozen=True, slots=True)
class Embedded:
    """A panel as a dashboard keeps it: its kind, its configuration, and the objects it needs."""

    kind: str
    config: Json
    references: list[Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """One large number."""

    title: str
    metric: Metric
    description: str = ""
    query: str = ""
    topic: Topic = PACKETS
    sum_of: Top | None = None
    """The number is the sum of the metric over these values."""

    def embed(self) -> Embedded:
        visualization: Json = {"layerId": LAYER, "layerType": "data", "metricAccessor": "m0"}
        groups = {}
        if self.sum_of is not None:
            groups["of"] = self.sum_of.column(self.topic, "m0")
            visualization |= {"breakdownByAccessor": "of", "collapseFn": "sum"}
        return lens(self, "lnsMetric", layer(groups, [self.metric], self.topic), visualization)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Bars or lines over time, or over the values of a field."""

    title: str
    metrics: tuple[Metric, ...]
    form: Literal["bar_stacked", "bar_horizontal", "line"] = "bar_stacked"
    over: Top | None = None
    """None: over time."""
    split: Top | None = None
    description: str = ""
    query: str = ""
    topic: Topic = PACKETS

    def embed(self) -> Embedded:
        groups = {}
        if self.split is not None:
            groups["split"] = self.split.column(self.topic, "m0")
        groups["x"] = (
            over_time(empty=self.form != "line")
            if self.over is None
            else self.over.column(self.topic, "m0")
        )
        drawn: Json = {
            "layerId": LAYER,
            "layerType": "data",
            "seriesType": self.form,
            "xAccessor": "x",
            "accessors": [f"m{number}" for number in range(len(self.metrics))],
        }
        if self.split is not None:
            drawn["splitAccessor"] = "split"
        shown = self.split is not None or len(self.metrics) > 1
        visualization = {
            "preferredSeriesType": self.form,
            "legend": {"isVisible": shown, "position": "right"},
            "valueLabels": "hide",
            "fittingFunction": "Linear" if self.form == "line" else "None",
            "axisTitlesVisibilitySettings": {"x": False, "yLeft": True, "yRight": True},
            "layers": [drawn],
        }
        return lens(self, "lnsXY", layer(groups, self.metrics, self.topic), visualization)


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows by the values of fields, a column for each metric."""

    title: str
    rows: tuple[Top, ...]
    metrics: tuple[Metric, ...]
    description: str = ""
    query: str = ""
    topic: Topic = PACKETS

    def embed(self) -> Embedded:
        groups = {f"r{n}": row.column(self.topic, "m0") for n, row in enumerate(self.rows)}
        names = [f"m{number}" for number in range(len(self.metrics))]
        visualization = {
            "layerId": LAYER,
            "layerType": "data",
            "columns": [
                *({"columnId": name, "isTransposed": False} for name in groups),
                *({"columnId": name, "isTransposed": False, "isMetric": True} for name in names),
            ],
            "sorting": {"columnId": "m0", "direction": "desc"},
            "paging": {"enabled": True, "size": ROWS_OF_A_PAGE},
        }
        return lens(self, "lnsDatatable", layer(groups, self.metrics, self.topic), visualization)


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeats:
    """Rows of values that occur together at least twice."""

    title: str
    rows: tuple[Top, ...]
    count: str
    """What the column with the number of events is called."""
    description: str = ""
    query: str = ""
    topic: Topic = PACKETS

    def embed(self) -> Embedded:
        aggregations: list[Json] = [
            {
                "id": "1",
                "enabled": True,
                "type": "count",
                "schema": "metric",
                "params": {"customLabel": self.count},
            }
        ]
        for number, row in enumerate(self.rows, start=2):
            text = KIBANA_TYPES[self.topic.field(row.field).type] == "string"
            aggregations.append(
                {
                    "id": str(number),
                    "enabled": True,
                    "type": "terms",
                    "schema": "bucket",
                    "params": {
                        "field": row.field,
                        "size": row.size,
                        "order": "desc",
                        "orderBy": "1",
                        "otherBucket": False,
                        # an event without the field makes a row too; Kibana can do so with text
                        "missingBucket": text,
                        "missingBucketLabel": "-",
                        "customLabel": row.label,
                        "json": packed({"min_doc_count": REPEATED}),
                    },
                }
            )
        visualization = {
            "title": self.title,
            "description": self.description,
            "type": "table",
            "params": {
                "perPage": ROWS_OF_A_PAGE,
                "showPartialRows": False,
                "showMetricsAtAllLevels": False,
                "showTotal": False,
                "totalFunc": "sum",
                "percentageCol": "",
            },
            "uiState": {},
            "data": {
                "aggs": aggregations,
                "searchSource": {
                    "query": kuery(self.query),
                    "filter": [],
                    "indexRefName": SEARCH_SOURCE,
                },
            },
        }
        link = reference(SEARCH_SOURCE, "index-pattern", data_views.identity(self.topic))
        return Embedded("visualization", {"savedVis": visualization}, [link])


@dataclass(frozen=True, slots=True, kw_only=True)
class Hits:
    """A saved search."""

    search: Search
    description: str = ""

    @property
    def title(self) -> str:
        return self.search.title

    def embed(self) -> Embedded:
        return Embedded("search", {}, [reference("panel", "search", self.search.id)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A few sentences."""

    text: str
    title: str = ""
    description: str = ""

    def embed(self) -> Embedded:
        visualization = {
            "title": "",
            "description": "",
            "type": "markdown",
            "params": {"fontSize": 12, "openLinksInNewTab": False, "markdown": self.text},
            "uiState": {},
            "data": {"aggs": [], "searchSource": {"query": kuery(""), "filter": []}},
        }
        return Embedded("visualization", {"savedVis": visualization}, [])


Panel = Number | Chart | Table | Repeats | Hits | Note


def lens(panel: Number | Chart | Table, kind: str, columns: Json, visualization: Json) -> Embedded:
    """The attributes of a Lens panel."""
    name = f"indexpattern-datasource-layer-{LAYER}"
    links = [reference(name, "index-pattern", data_views.identity(panel.topic))]
    attributes = {
        "title": panel.title,
        "description": panel.description,
        "type": "lens",
        "visualizationType": kind,
        "state": {
            "visualization": visualization,
            "query": kuery(panel.query),
            "filters": [],
            "datasourceStates": {"formBased": {"layers": {LAYER: columns}}},
            "internalReferences": [],
            "adHocDataViews": {},
        },
        "references": links,
    }
    return Embedded("lens", {"attributes": attributes}, links)
