# SPDX-License-Identifier: Apache-2.0
"""The committed files that are generated from the tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import clickhouse, elastic, json_schema, markdown, typed_events
from .kibana import markdown as searches
from .kibana import objects

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from .field import Topic


def generated(topics: Iterable[Topic]) -> dict[str, str]:
    """Text of each file by its path in the repository."""
    topics = tuple(topics)
    files = {
        "docs/specs/events.md": markdown.render(topics),
        "streamer/consume/events.py": typed_events.render(topics),
        "docs/searches.md": searches.render(),
        "deploy/kibana/streamer.ndjson": objects.render(),
    }
    for topic in topics:
        files[f"docs/specs/{topic.name}.schema.json"] = json_schema.render(topic)
        files[f"deploy/clickhouse/{topic.table}.sql"] = clickhouse.render(topic)
        files[f"deploy/clickhouse/cluster/{topic.table}.sql"] = clickhouse.render(
            topic, clickhouse.Layout(clustered=True)
        )
        for folder, support in (("elasticsearch", elastic.FULL), ("opensearch", elastic.REDUCED)):
            for resource in elastic.resources(topic, support):
                files[f"deploy/elastic/{folder}/{resource.path}.json"] = resource.text
    return files


def write(topics: Iterable[Topic], root: Path) -> list[Path]:
    """Write what differs below `root`; returns the files written."""
    written = []
    for name, text in generated(topics).items():
        path = root / name
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        written.append(path)
    return written
