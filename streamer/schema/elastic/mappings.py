# SPDX-License-Identifier: Apache-2.0
"""How Elasticsearch maps each field of a topic."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streamer.schema.field import Field, Topic

PRIORITY = 200  # above Elasticsearch's own templates for logs-*-* and metrics-*-* (100)
IGNORE_ABOVE = 1024  # ECS's


def varying(topic: Topic) -> dict[str, Any]:
    """The mappings of what is in each record; what the table does not know is not indexed."""
    return {"dynamic": False, "properties": _properties(topic.varying)}


def constants(topic: Topic, *, constant_keyword: bool = True) -> dict[str, Any]:
    """The mappings of what is the same in each record.

    A constant_keyword is searched without being in any document. Without that type the fields
    are keywords, and something has to write them into the documents.
    """
    return {"properties": _properties(topic.constants, constant_keyword=constant_keyword)}


def index_template(topic: Topic) -> dict[str, Any]:
    """One template that needs no other: the mappings, and what Elasticsearch does by default."""
    return {
        "index_patterns": [topic.index_pattern],
        "data_stream": {},
        "priority": PRIORITY,
        "template": {"mappings": {"dynamic": False, "properties": _properties(topic.fields)}},
        "_meta": {"description": f"{topic.name}: {topic.description}"},
    }


def render(topic: Topic) -> str:
    """That template as text."""
    return json.dumps(index_template(topic), indent=2, ensure_ascii=False) + "\n"


def _properties(fields: Iterable[Field], *, constant_keyword: bool = True) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    for field in fields:
        node = properties
        for name in field.path[:-1]:
            node = node.setdefault(name, {"properties": {}})["properties"]
        node[field.path[-1]] = _mapping(field, constant_keyword=constant_keyword)
    return properties


def _mapping(field: Field, *, constant_keyword: bool) -> dict[str, Any]:
    if field.constant is not None and constant_keyword:
        # A constant_keyword holds one value; a list of that one value is accepted too.
        value = field.constant if isinstance(field.constant, str) else field.constant[0]
        return {"type": "constant_keyword", "value": value}
    if field.type == "keyword":
        return {"type": "keyword", "ignore_above": IGNORE_ABOVE}
    if field.type == "counts":
        # each name becomes a long of its own: few, and never taken from packets
        return {"type": "object", "dynamic": True}
    return {"type": field.type}
