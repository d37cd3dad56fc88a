# SPDX-License-Identifier: Apache-2.0
"""What is committed is what the tables generate."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from streamer.schema import TOPICS
from streamer.schema.files import generated, write

if TYPE_CHECKING:
    from streamer.schema import Field

ROOT = Path(__file__).parents[3]
FILES = generated(TOPICS.values())


@pytest.mark.parametrize("name", FILES)
def test_a_committed_file_is_up_to_date(name: str) -> None:
    committed = (ROOT / name).read_text(encoding="utf-8") if (ROOT / name).is_file() else None
    assert committed == FILES[name], "run: .venv/bin/python -m streamer.schema"


def test_writing_touches_only_what_differs(tmp_path: Path) -> None:
    assert len(write(TOPICS.values(), tmp_path)) == len(FILES)
    assert write(TOPICS.values(), tmp_path) == []
    (tmp_path / "docs/specs/events.md").write_text("old")
    assert write(TOPICS.values(), tmp_path) == [tmp_path / "docs/specs/events.md"]


@pytest.mark.parametrize(
    "field", [f for t in TOPICS.values() for f in t.fields], ids=lambda field: field.name
)
def test_the_document_names_every_field(field: Field) -> None:
    assert f"| `{field.name}` |" in FILES["docs/specs/events.md"]
