# SPDX-License-Identifier: Apache-2.0
"""deploy/kibana/streamer.ndjson: all saved objects, as Kibana imports them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from streamer.schema.common import TIMESTAMP
from streamer.schema.kibana import data_views
from streamer.schema.kibana.dashboards import DASHBOARDS
from streamer.schema.kibana.saved_object import (
    SEARCH_SOURCE,
    kuery,
    packed,
    reference,
    saved_object,
)
from streamer.schema.kibana.searches import SEARCHES
from streamer.schema.packets import PACKETS
from streamer.schema.stats import STATS

if TYPE_CHECKING:
    from streamer.schema.kibana.search import Search

Json = dict[str, Any]


def saved_objects() -> list[Json]:
    """Every object after those it refers to."""
    return [
        *(data_views.data_view(topic) for topic in (PACKETS, STATS)),
        *(saved_search(search) for search in SEARCHES),
        *(dashboard.saved_object() for dashboard in DASHBOARDS),
    ]


def render() -> str:
    """One object a line."""
    return "".join(packed(one) + "\n" for one in saved_objects())


def saved_search(search: Search) -> Json:
    """A list of events for Discover."""
    source = {
        "query": kuery(search.kql),
        "filter": [],
        "highlightAll": True,
        "version": True,
        "indexRefName": SEARCH_SOURCE,
    }
    attributes = {
        "title": search.title,
        "description": search.description,
        "columns": list(search.columns),
        "sort": [[TIMESTAMP, search.order]],
        "grid": {},
        "hideChart": False,
        "isTextBasedQuery": False,
        "kibanaSavedObjectMeta": {"searchSourceJSON": packed(source)},
    }
    link = reference(SEARCH_SOURCE, "index-pattern", data_views.identity(search.topic))
    return saved_object("search", search.id, attributes, [link])
