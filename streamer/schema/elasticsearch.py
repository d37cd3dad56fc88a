# SPDX-License-Identifier: Apache-2.0
"""Elasticsearch's index template for a topic's data streams."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from .common import ECS_VERSION

if TYPE_CHECKING:
    from .field import Field, Topic

PRIORITY = 200  # above Elasticsearch's own templates for logs-*-* (100)
IGNORE_ABOVE = 1024  # ECS's


def index_template(topic: Topic) -> dict[str, Any]:
    """The body of `PUT _index_template/…`."""
    properties: dict[str, Any] = {}
    for field in topic.fields:
        node = properties
        for name in field.path[:-1]:
            node = node.setdefault(name, {"properties": {}})["properties"]
        node[field.path[-1]] = _mapping(field)
    return {
        "index_patterns": [topic.index_pattern],
        "data_stream": {},
        "priority": PRIORITY,
        "template": {"mappings": {"dynamic": False, "properties": properties}},
        "_meta": {"description": f"{topic.name}: {topic.description}", "ecs": ECS_VERSION},
    }


def render(topic: Topic) -> str:
    """The template as text."""
    return json.dumps(index_template(topic), indent=2, ensure_ascii=False) + "\n"


def _mapping(field: Field) -> dict[str, Any]:
    if field.constant is not None:
        # A constant_keyword holds one value; a list of that one value is accepted too.
        value = field.constant if isinstance(field.constant, str) else field.constant[0]
        return {"type": "constant_keyword", "value": value}
    if field.type == "keyword":
        return {"type": "keyword", "ignore_above": IGNORE_ABOVE}
    if field.type == "counts":
        # each name becomes a long of its own: few, and never taken from packets
        return {"type": "object", "dynamic": True}
    return {"type": field.type}
