# SPDX-License-Identifier: Apache-2.0
"""docs/specs/events.md: the fields, for people."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from .clickhouse import column_type
from .common import ECS_VERSION

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .field import Field, Topic

HEAD = f"""\
<!-- Generated from streamer/schema by `python -m streamer.schema`. -->
# Events

Each Kafka record is one nested JSON object. Names marked ECS are those of the
[Elastic Common Schema](https://www.elastic.co/docs/reference/ecs) {ECS_VERSION}; the others are
our own, under one object per topic. Within a topic's version fields are only added: ignore those
you do not know. A field that has nothing to say, or would say its default, is left out.
"""


def render(topics: Iterable[Topic]) -> str:
    """The whole document."""
    return HEAD + "".join(_section(topic) for topic in topics)


def _section(topic: Topic) -> str:
    rows = "".join(_row(field) for field in topic.varying)
    constants = "".join(
        f"| `{field.name}` | `{_json(field.constant)}` | {field.description} |\n"
        for field in topic.constants
    )
    exceptions = "".join(
        f"- `{field.name}`: {field.exception}.\n" for field in topic.fields if field.exception
    )
    return f"""
## {topic.name}

{topic.description}

| field | type | | ClickHouse column | what it is |
|---|---|---|---|---|
{rows}
The same in every record, so left out of the records: readers' templates declare them, and
`encode.constants = true` writes them.

| field | value | what it is |
|---|---|---|
{constants}
Types that differ from ECS:

{exceptions}"""


def _row(field: Field) -> str:
    kind = f"{field.type}, list" if field.many else field.type
    marks = ", ".join(
        mark for mark, holds in (("ECS", field.ecs), ("always", field.required)) if holds
    )
    notes = [field.description]
    if field.values:
        notes.append("One of " + ", ".join(f"`{value}`" for value in field.values) + ".")
    elif field.example is not None and field.type != "counts":
        notes.append(f"Example: `{_json(field.example)}`.")
    if field.default is not None:
        notes.append(f"Left out when {field.default}.")
    column = f"`{field.column_name}` {column_type(field)}"
    return f"| `{field.name}` | {kind} | {marks} | {column} | {' '.join(notes)} |\n"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
