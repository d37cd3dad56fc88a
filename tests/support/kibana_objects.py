# SPDX-License-Identifier: Apache-2.0
"""Kibana's saved objects taken apart: every string of JSON parsed, every query and panel found.

`python -m tests.support.kibana_objects` prints every KQL query there is, as a list in JSON.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

Json = dict[str, Any]

ROOT = Path(__file__).parents[2]
FILE = ROOT / "deploy" / "kibana" / "streamer.ndjson"
TRANSLATIONS = ROOT / "tests" / "data" / "kql_dsl.json"


@dataclass(frozen=True)
class Panel:
    """One panel of a dashboard, with its references by the names it knows them by."""

    dashboard: str
    body: Json
    references: dict[str, Json]

    @property
    def title(self) -> str:
        found: str = self.body.get("title", "")
        return found

    @property
    def kind(self) -> str:
        found: str = self.body["type"]
        return found


def parsed(value: Any) -> Any:
    """The same, with each string that must be JSON read: a JSON error is a failure."""
    if isinstance(value, list):
        return [parsed(one) for one in value]
    if isinstance(value, dict):
        return {
            key: parsed(json.loads(one))
            if key.endswith("JSON") or key in {"fieldFormatMap", "json"}
            else parsed(one)
            for key, one in value.items()
        }
    return value


def read(text: str | None = None) -> list[Json]:
    """The objects of the committed file, or of other text, as they are."""
    lines = (FILE.read_text(encoding="utf-8") if text is None else text).splitlines()
    return [json.loads(line) for line in lines]


def panels(objects: list[Json]) -> Iterator[Panel]:
    """Every panel of every dashboard, parsed."""
    for one in objects:
        if one["type"] != "dashboard":
            continue
        for body in parsed(one)["attributes"]["panelsJSON"]:
            prefix = f"{body['panelIndex']}:"
            references = {
                link["name"].removeprefix(prefix): link
                for link in one["references"]
                if link["name"].startswith(prefix)
            }
            yield Panel(one["id"], body, references)


def queries(value: Any) -> Iterator[str]:
    """Every KQL query in a parsed value."""
    if isinstance(value, list):
        for one in value:
            yield from queries(one)
    elif isinstance(value, dict):
        if value.get("language") == "kuery":
            yield value["query"]
        for one in value.values():
            yield from queries(one)


def all_queries(objects: list[Json]) -> list[str]:
    """Each query once, without the empty one."""
    return sorted({query for one in objects for query in queries(parsed(one)) if query})


def translations() -> dict[str, Json]:
    """What Kibana's own library makes of each query; see tests/data/kql_dsl.js."""
    found: dict[str, Json] = json.loads(TRANSLATIONS.read_text(encoding="utf-8"))
    return found


if __name__ == "__main__":
    json.dump(all_queries(read()), sys.stdout)
