# SPDX-License-Identifier: Apache-2.0
"""A topic's constants, as the encoder writes them when they go into each record."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .field import Topic


def constant_members(topic: Topic) -> tuple[bytes, bytes]:
    """JSON members for inside `event`, and for the record itself; without outer commas."""
    event: dict[str, Any] = {}
    record: dict[str, Any] = {}
    for field in topic.constants:
        path = field.path
        if path[0] == "event":
            node, path = event, path[1:]
        else:
            node = record
        for name in path[:-1]:
            node = node.setdefault(name, {})
        node[path[-1]] = field.constant
    return _members(event), _members(record)


def _members(members: dict[str, Any]) -> bytes:
    return json.dumps(members, separators=(",", ":"), ensure_ascii=False).encode()[1:-1]
