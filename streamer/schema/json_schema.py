# SPDX-License-Identifier: Apache-2.0
"""JSON Schema (draft 2020-12) of a topic's records."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .field import Field, Topic

_IP = {"type": "string", "anyOf": [{"format": "ipv4"}, {"format": "ipv6"}]}


def json_schema(topic: Topic, *, closed: bool = False) -> dict[str, Any]:
    """The schema as an object.

    Fields may be added to a topic at any time, so by default unknown ones are allowed, as every
    reader should; `closed` forbids them, for tests.
    """
    root = _object(closed=closed)
    for field in topic.fields:
        node = root
        for name in field.path[:-1]:
            if field.required and name not in node.setdefault("required", []):
                node["required"].append(name)
            node = node["properties"].setdefault(name, _object(closed=closed))
        if field.required:
            node.setdefault("required", []).append(field.path[-1])
        node["properties"][field.path[-1]] = _leaf(field)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:streamer:{topic.name}",
        "title": topic.name,
        "description": topic.description,
        **root,
    }


def render(topic: Topic, *, closed: bool = False) -> str:
    """The schema as text."""
    return json.dumps(json_schema(topic, closed=closed), indent=2, ensure_ascii=False) + "\n"


def _object(*, closed: bool) -> dict[str, Any]:
    node: dict[str, Any] = {"type": "object", "properties": {}}
    if closed:
        node["additionalProperties"] = False
    return node


def _leaf(field: Field) -> dict[str, Any]:
    leaf: dict[str, Any] = {"description": field.description}
    if field.constant is not None:
        value = list(field.constant) if isinstance(field.constant, tuple) else field.constant
        return leaf | {"const": value}
    if field.many:
        return leaf | {
            "type": "array",
            "items": _value(field),
            "uniqueItems": True,
        }
    leaf |= _value(field)
    if field.default is not None:
        leaf["default"] = field.default
    if field.example is not None:
        leaf["examples"] = [field.example]
    return leaf


def _value(field: Field) -> dict[str, Any]:
    match field.type:
        case "keyword":
            value: dict[str, Any] = {"type": "string"}
            if field.values:
                value["enum"] = list(field.values)
            if field.pattern:
                value["pattern"] = field.pattern
            return value
        case "ip":
            return dict(_IP)
        case "date_nanos":
            return {"type": "string", "format": "date-time", "pattern": field.pattern}
        case "boolean":
            return {"type": "boolean"}
        case "counts":
            return {"type": "object", "additionalProperties": _integer(field)}
        case _:
            return _integer(field)


def _integer(field: Field) -> dict[str, Any]:
    minimum = -field.largest if field.signed else 0
    return {"type": "integer", "minimum": minimum, "maximum": field.largest}
