# SPDX-License-Identifier: Apache-2.0
"""The requests that Kibana would send for our panels and saved searches.

A translator of just the operations that they use; KQL is translated by Kibana's own library
(tests/data/kql_dsl.json). Two things differ from Kibana's requests: names of aggregations, and
`auto` intervals, which are a second here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.support.kibana_objects import parsed, translations

if TYPE_CHECKING:
    from tests.support.kibana_objects import Panel

Json = dict[str, Any]

TRANSLATIONS = translations()
OPERATIONS = {"sum": "sum", "max": "max", "min": "min", "unique_count": "cardinality"}
INTERVAL = "1s"
MISSING = "__missing__"


def query(kql: str) -> Json:
    """KQL within the time range, as Kibana joins the two."""
    within = {"range": {"@timestamp": {"gte": "now-1h", "format": "strict_date_optional_time"}}}
    return {"bool": {"filter": [within, *([TRANSLATIONS[kql]] if kql else [])]}}


def discover(search: Json) -> tuple[str, Json]:
    """A saved search: its KQL, and the request for its first page."""
    attributes = parsed(search)["attributes"]
    kql = attributes["kibanaSavedObjectMeta"]["searchSourceJSON"]["query"]["query"]
    ((field, order),) = attributes["sort"]
    return kql, {
        "size": 500,
        "track_total_hits": True,
        "query": query(kql),
        "sort": [{field: {"order": order}}],
        "fields": [field, *attributes["columns"]],
        "_source": False,
    }


def aggregated(panel: Panel) -> tuple[str, Json]:
    """A panel that computes something: its KQL, and the request."""
    config = panel.body["embeddableConfig"]
    if panel.kind == "lens":
        state = config["attributes"]["state"]
        (layer,) = state["datasourceStates"]["formBased"]["layers"].values()
        return state["query"]["query"], _request(state["query"]["query"], _lens(layer))
    data = config["savedVis"]["data"]
    kql = data["searchSource"]["query"]["query"]
    return kql, _request(kql, _visualization(data["aggs"]))


def _request(kql: str, aggregations: Json) -> Json:
    return {
        "size": 0,
        "track_total_hits": True,
        "query": query(kql),
        "aggs": aggregations,
    }


def _lens(layer: Json) -> Json:
    columns = layer["columns"]
    metrics: Json = {}
    for key, column in columns.items():
        if column["isBucketed"] or "references" in column:
            continue
        if column["operationType"] == "count":
            metric: Json = {}  # a bucket counts by itself
        else:
            operation = OPERATIONS[column["operationType"]]
            metric = {key: {operation: {"field": column["sourceField"]}}}
        if "filter" in column:
            condition = TRANSLATIONS[column["filter"]["query"]]
            metrics[key] = {"filter": condition} | ({"aggs": metric} if metric else {})
        else:
            metrics |= metric
    aggregations = metrics
    for key in reversed([key for key, column in columns.items() if column["isBucketed"]]):
        column = columns[key]
        params = column["params"]
        if column["operationType"] == "date_histogram":
            bucket: Json = {
                "date_histogram": {
                    "field": column["sourceField"],
                    "fixed_interval": INTERVAL,
                    "time_zone": "UTC",
                    "min_doc_count": 0 if params["includeEmptyRows"] else 1,
                }
            }
            inside = aggregations
        else:
            by, needed = _order(params, columns, metrics)
            bucket = {
                "terms": {
                    "field": column["sourceField"],
                    "size": params["size"],
                    "order": {by: params["orderDirection"]},
                }
            }
            inside = {**needed, **aggregations}
        aggregations = {key: bucket | ({"aggs": inside} if inside else {})}
    return aggregations


def _order(params: Json, columns: Json, metrics: Json) -> tuple[str, Json]:
    """What orders the values, and the aggregation that this needs beside them."""
    if params["orderBy"]["type"] == "alphabetical":
        return "_key", {}
    key = params["orderBy"]["columnId"]
    column = columns[key]
    if column["operationType"] == "count" and "filter" not in column:
        return "_count", {}
    return key, {key: metrics[key]}


def _visualization(aggs: list[Json]) -> Json:
    """An aggregation-based table: the count is each bucket's own."""
    aggregations: Json = {}
    for one in reversed([one for one in aggs if one["schema"] == "bucket"]):
        params = one["params"]
        terms = {
            "field": params["field"],
            "size": params["size"],
            "order": {"_count": params["order"]},
            **({"missing": MISSING} if params["missingBucket"] else {}),
            **params["json"],
        }
        inside = {"aggs": aggregations} if aggregations else {}
        aggregations = {params["field"]: {"terms": terms} | inside}
    return aggregations
