# SPDX-License-Identifier: Apache-2.0
"""The set-up: what it would change on a server, and doing so."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from streamer.schema import TOPICS
from streamer.schema.elastic import Resource, Support, resources
from streamer.schema.elastic.resources import MANAGED_BY

from .obstacles import Obstacle, find
from .support import ask

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .client import Client

# How the server wraps what it gives back, by the path's beginning; else by the name alone.
WRAPPED = {
    "_component_template": ("component_templates", "component_template"),
    "_index_template": ("index_templates", "index_template"),
}


class State(StrEnum):
    """What becomes of a resource."""

    CREATE = "create"
    UPDATE = "update"
    UNCHANGED = "unchanged"
    KEPT = "kept"  # the user's own by now


@dataclass(frozen=True, slots=True)
class Step:
    """One resource, and what becomes of it."""

    resource: Resource
    state: State

    @property
    def changes(self) -> bool:
        return self.state in {State.CREATE, State.UPDATE}


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be done; with obstacles, nothing."""

    support: Support
    steps: tuple[Step, ...]
    obstacles: tuple[Obstacle, ...]
    streams: tuple[str, ...]
    """Data streams that are there: templates change only what they roll over to."""

    @property
    def changes(self) -> tuple[Step, ...]:
        return tuple(step for step in self.steps if step.changes)


async def plan(client: Client) -> Plan:
    """Looks at the server; changes nothing."""
    listed = await client.get("_index_template")
    if not isinstance(listed, dict) or "index_templates" not in listed:
        raise client.stranger()
    templates = {found["name"]: found["index_template"] for found in listed["index_templates"]}
    support = await ask(client)
    obstacles: list[Obstacle] = []
    streams: list[str] = []
    wanted: dict[str, Resource] = {}
    for topic in TOPICS.values():
        existing = await find(client, topic, templates)
        obstacles += existing.obstacles
        streams += existing.streams
        wanted |= {resource.path: resource for resource in resources(topic, support)}
    steps: list[Step] = []
    for resource in wanted.values():
        current = _unwrapped(resource, await client.get(resource.path))
        steps.append(Step(resource, _state(resource, current)))
        if current is not None and not resource.once and not _is_ours(current):
            obstacles.append(_taken(resource))
    return Plan(support, tuple(steps), tuple(obstacles), tuple(streams))


async def apply(client: Client, planned: Plan) -> None:
    """Does it, in order: what a template needs is there before the template."""
    for step in planned.changes:
        await client.put(step.resource.path, step.resource.body)


def _unwrapped(resource: Resource, answer: Any) -> dict[str, Any] | None:
    if not answer:
        return None
    if resource.kind not in WRAPPED:
        body: dict[str, Any] | None = answer.get(resource.name)
        return body
    many, one = WRAPPED[resource.kind]
    return next((found[one] for found in answer[many] if found["name"] == resource.name), None)


def _state(resource: Resource, current: Mapping[str, Any] | None) -> State:
    if current is None:
        return State.CREATE
    if resource.once:
        return State.KEPT
    # an empty object stands for the server's defaults, which it gives back spelled out
    same = all(
        key in current and (not value or _plain(current[key]) == _plain(value))
        for key, value in resource.body.items()
    )
    return State.UNCHANGED if same else State.UPDATE


def _plain(value: Any) -> Any:
    """Settings and switches come back as text, and in another order."""
    if isinstance(value, dict):
        return {name: _plain(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_plain(member) for member in value]
    return str(value).lower() if isinstance(value, bool) else str(value)


def _is_ours(current: Mapping[str, Any]) -> bool:
    marked = current.get("_meta", {}).get("managed_by") == MANAGED_BY
    return marked or str(current.get("description", "")).startswith(f"{MANAGED_BY}: ")


def _taken(resource: Resource) -> Obstacle:
    return Obstacle(
        f"{resource.path} is there, and not ours",
        "delete it or give it another name, if nothing else needs it, and apply again",
    )
