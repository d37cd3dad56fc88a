# SPDX-License-Identifier: Apache-2.0
"""What a saved search is, and a question that one answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from streamer.schema.common import TIMESTAMP
from streamer.schema.packets import PACKETS

if TYPE_CHECKING:
    from streamer.schema.field import Topic

Json = dict[str, Any]

RANGE = "now-1h"  # of every documented request; Kibana has its time picker
SIZE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """A list of events in Kibana's Discover."""

    name: str
    title: str
    description: str
    kql: str = ""
    columns: tuple[str, ...]
    """Fields beside the time, which Kibana always shows first."""
    topic: Topic = PACKETS
    oldest_first: bool = False

    @property
    def id(self) -> str:
        return f"streamer-search-{self.name}"

    @property
    def order(self) -> str:
        return "asc" if self.oldest_first else "desc"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question, the search that answers it, and the same as a request to Elasticsearch."""

    ask: str
    search: Search
    query: Json
    """What the search's KQL means."""
    aggregations: Json = field(default_factory=dict)
    """Where the answer is a summary and not a list."""
    answer: str
    """How to read it."""
    example: str
    """The answer's head and a few rows, as lines with ` | ` between the cells."""

    def body(self) -> Json:
        """The whole request to `_search`."""
        within = {"range": {TIMESTAMP: {"gte": RANGE}}}
        query = {"bool": {"filter": [within, self.query]}}
        if self.aggregations:
            return {"size": 0, "query": query, "aggs": self.aggregations}
        return {
            "size": SIZE,
            "query": query,
            "sort": [{TIMESTAMP: self.search.order}],
            "_source": [TIMESTAMP, *self.search.columns],
        }


def term(name: str, value: str | int) -> Json:
    """The field has this value; of an address, or is in this network."""
    return {"term": {name: value}}


def between(name: str, **bounds: int) -> Json:
    """The number is within `gt`, `gte`, `lt`, `lte`."""
    return {"range": {name: bounds}}


def exists(name: str) -> Json:
    """The field is there."""
    return {"exists": {"field": name}}


def all_of(*queries: Json) -> Json:
    """Every one holds."""
    return {"bool": {"filter": [*queries]}}


def any_of(*queries: Json) -> Json:
    """At least one holds."""
    return {"bool": {"should": [*queries], "minimum_should_match": 1}}


def none_of(query: Json) -> Json:
    """It does not hold."""
    return {"bool": {"must_not": query}}
