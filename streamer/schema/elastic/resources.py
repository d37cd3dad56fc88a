# SPDX-License-Identifier: Apache-2.0
"""What a topic needs on the server, each with the path it is put to."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from streamer.schema.common import ECS_VERSION

from . import mappings

if TYPE_CHECKING:
    from streamer.schema.field import Topic

MANAGED_BY = "streamer"
IDENTITY_PIPELINE = "streamer@identity"
IDENTITY = "{{{agent.id}}}:{{{agent.ephemeral_id}}}:{{{event.sequence}}}"


@dataclass(frozen=True, slots=True)
class Support:
    """What a server has of what the full set-up uses."""

    constant_keyword: bool = True
    lifecycle: bool = True
    """Lifecycle policies (ILM)."""
    processors: bool = True
    """Ingest pipelines with a `set` processor."""


FULL = Support()
REDUCED = Support(constant_keyword=False, lifecycle=False)  # OpenSearch


@dataclass(frozen=True, slots=True)
class Resource:
    """One thing on the server."""

    path: str
    """Where it is put, such as _index_template/NAME."""
    body: dict[str, Any]
    once: bool = False
    """It is the user's from then on: made if it is missing, never written over."""

    @property
    def text(self) -> str:
        """The body as a file."""
        return json.dumps(self.body, indent=2, ensure_ascii=False) + "\n"

    @property
    def kind(self) -> str:
        return self.path.rpartition("/")[0]

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]


def base_name(topic: Topic) -> str:
    """What the names of a topic's things on the server begin with."""
    return topic.index_pattern.removesuffix("-*")


def stream_name(topic: Topic) -> str:
    """The data stream that the shipped ingests write to."""
    return f"{base_name(topic)}-default"


def resources(topic: Topic, support: Support = FULL) -> list[Resource]:
    """All of it, in the order in which one needs the other."""
    base = base_name(topic)
    parts = [f"{base}@{part}" for part in ("mappings", "constants", "settings", "custom")]
    return [
        *_lifecycle(topic, support),
        *_pipelines(topic, support),
        _component(topic, "mappings", {"mappings": mappings.varying(topic)}),
        _component(
            topic,
            "constants",
            {"mappings": mappings.constants(topic, constant_keyword=support.constant_keyword)},
        ),
        _component(topic, "settings", {"settings": {"index": _settings(topic, support)}}),
        Resource(
            f"_component_template/{base}@custom",
            {
                "template": {"settings": {}, "mappings": {}},
                "_meta": {"description": f"{topic.name}: your settings; never written over"},
            },
            once=True,
        ),
        Resource(
            f"_index_template/{base}",
            {
                "index_patterns": [topic.index_pattern],
                "data_stream": {},
                "priority": mappings.PRIORITY,
                "composed_of": parts,
                "_meta": _meta(f"{topic.name}: {topic.description}"),
            },
        ),
    ]


def _component(topic: Topic, part: str, template: dict[str, Any]) -> Resource:
    path = f"_component_template/{base_name(topic)}@{part}"
    return Resource(path, {"template": template, "_meta": _meta(f"{topic.name}: {part}")})


def _settings(topic: Topic, support: Support) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "codec": "best_compression",
        "refresh_interval": "5s",
    }
    if support.lifecycle:
        settings["lifecycle"] = {"name": base_name(topic)}
    if support.processors and not support.constant_keyword:
        settings["default_pipeline"] = f"{base_name(topic)}@constants"
    return settings


def _lifecycle(topic: Topic, support: Support) -> list[Resource]:
    if not support.lifecycle:
        return []
    phases = {
        "hot": {
            "actions": {
                "rollover": {
                    "max_primary_shard_size": "50gb",
                    "max_age": f"{topic.rollover_days}d",
                }
            }
        },
        # counted from the rollover
        "delete": {"min_age": f"{topic.kept_days}d", "actions": {"delete": {}}},
    }
    return [Resource(f"_ilm/policy/{base_name(topic)}", {"policy": {"phases": phases}}, once=True)]


def _pipelines(topic: Topic, support: Support) -> list[Resource]:
    if not support.processors:
        return []
    found = [
        Resource(
            f"_ingest/pipeline/{IDENTITY_PIPELINE}",
            {
                "description": "streamer: the identity of an event as its _id, "
                "for readers of the topics that can't set it",
                "processors": [{"set": {"field": "_id", "value": IDENTITY}}],
            },
        )
    ]
    if not support.constant_keyword:
        values = [
            {"set": {"field": field.name, "value": _listed(field.constant)}}
            for field in topic.constants
        ]
        found.append(
            Resource(
                f"_ingest/pipeline/{base_name(topic)}@constants",
                {
                    "description": f"streamer: what is the same in each event of {topic.name}",
                    "processors": values,
                },
            )
        )
    return found


def _listed(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def _meta(description: str) -> dict[str, str]:
    return {"managed_by": MANAGED_BY, "description": description, "ecs": ECS_VERSION}
