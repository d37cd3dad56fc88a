# SPDX-License-Identifier: Apache-2.0
"""What is on a server already and would break, or be broken by, the templates."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from streamer.schema.elastic import base_name, index_template, stream_name
from streamer.schema.elastic.mappings import PRIORITY

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from streamer.schema import Topic

    from .client import Client

# Searched alike, and each holds what the others hold.
SAME_KIND = {"constant_keyword": "keyword", "wildcard": "keyword"}


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why nothing may be changed, and what to do about it."""

    what: str
    advice: str


@dataclass(frozen=True, slots=True)
class Existing:
    """What a topic's names already stand for."""

    obstacles: tuple[Obstacle, ...] = ()
    streams: tuple[str, ...] = ()
    """Data streams that the templates are for."""


async def find(client: Client, topic: Topic, templates: Mapping[str, Any]) -> Existing:
    """`templates`: every index template of the server, by name."""
    resolved = await client.get(f"_resolve/index/{topic.index_pattern}?expand_wildcards=all")
    resolved = resolved or {"indices": [], "aliases": [], "data_streams": []}
    obstacles = [*_foreign_templates(topic, templates)]
    obstacles += [
        _no_stream(found["name"], "an index") for found in resolved["indices"] if _ours(found)
    ]
    obstacles += [_no_stream(found["name"], "an alias") for found in resolved["aliases"]]
    streams = {stream["name"]: stream["backing_indices"][-1] for stream in resolved["data_streams"]}
    for name, newest in streams.items():
        mappings = await client.get(f"{newest}/_mapping")
        wrong = wrong_types(topic, mappings[newest]["mappings"]) if mappings else []
        if wrong:
            obstacles.append(
                Obstacle(
                    f"the data stream {name} has another mapping: {'; '.join(wrong)}",
                    f"keep its events with POST _reindex into another name, delete it"
                    f" (DELETE _data_stream/{name}), and apply again",
                )
            )
    return Existing(tuple(obstacles), tuple(streams))


def wrong_types(topic: Topic, found: Mapping[str, Any]) -> list[str]:
    """The fields of an index whose type is not the table's: name, got, expected."""
    expected = types(index_template(topic)["template"]["mappings"]["properties"])
    got = types(found.get("properties", {}))
    return [
        f"{name} is {got[name]}, expected {kind}"
        for name, kind in expected.items()
        if name in got and _kind(got[name]) != _kind(kind)
    ]


def types(properties: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Each field's type by its dotted name."""
    found: dict[str, str] = {}
    for name, node in properties.items():
        found[prefix + name] = node.get("type", "object")
        found |= types(node.get("properties", {}), f"{prefix}{name}.")
    return found


def _kind(name: str) -> str:
    return SAME_KIND.get(name, name)


def _ours(found: Mapping[str, Any]) -> bool:
    return "data_stream" not in found  # else a backing index, which its stream speaks for


def _no_stream(name: str, what: str) -> Obstacle:
    return Obstacle(
        f"{name} is {what}, not a data stream: perhaps it was written to before the templates came",
        "stop what writes to it, keep its events with POST _reindex into another name, delete it,"
        " and apply again",
    )


def _foreign_templates(topic: Topic, templates: Mapping[str, Any]) -> Iterator[Obstacle]:
    own, stream = base_name(topic), stream_name(topic)
    for name, template in templates.items():
        patterns = template["index_patterns"]
        priority = template.get("priority", 0)
        if name == own or priority < PRIORITY:
            continue
        if any(fnmatchcase(stream, pattern) for pattern in patterns):
            yield Obstacle(
                f"the index template {name} (priority {priority}, {', '.join(patterns)})"
                f" wins over ours (priority {PRIORITY}) for {stream}",
                f"lower its priority below {PRIORITY}, or narrow its pattern",
            )
