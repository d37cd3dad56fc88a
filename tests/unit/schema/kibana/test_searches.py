# SPDX-License-Identifier: Apache-2.0
"""The ten searches: the request is what Kibana makes of the KQL, the document tells all of it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from streamer.schema.kibana.searches import QUESTIONS, SEARCHES
from tests.support.kibana_objects import translations

if TYPE_CHECKING:
    from streamer.schema.kibana.search import Question, Search

DOCUMENT = (Path(__file__).parents[4] / "docs" / "searches.md").read_text(encoding="utf-8")
TRANSLATIONS = translations()
NUMBERS = {"long", "integer", "short"}


def name(question: Question) -> str:
    return question.search.name


def plain(dsl: Any) -> Any:
    """A query in its plainest form.

    Kibana wraps each condition in a `should` of one, groups three by twos, and asks `match` of a
    field that is not text, which Elasticsearch answers as `term`; newer versions leave numbers as
    text.
    """
    if isinstance(dsl, list):
        return [plain(one) for one in dsl]
    if not isinstance(dsl, dict):
        return str(dsl)
    for clause, others in (("filter", {}), ("should", {"minimum_should_match": 1})):
        if (parts := _joined(dsl, clause, others)) is not None:
            flat = []
            for part in map(plain, parts):
                same = _joined(part, clause, plain(others))
                flat += [part] if same is None else same
            if len(flat) == 1:
                return flat[0]
            return {"bool": {clause: flat, **plain(others)}}
    renamed = {"match": "term", "match_phrase": "term"}
    return {renamed.get(key, key): plain(one) for key, one in dsl.items()}


def _joined(dsl: Any, clause: str, others: dict[str, Any]) -> list[Any] | None:
    """What a query joins by this clause, if it is nothing but that."""
    if not isinstance(dsl, dict) or set(dsl) != {"bool"} or set(dsl["bool"]) != {clause, *others}:
        return None
    assert all(dsl["bool"][key] == value for key, value in others.items())
    parts: list[Any] = dsl["bool"][clause]
    return parts


def conditions(dsl: Any) -> list[tuple[str, Any]]:
    """Each field and the value it is asked for."""
    if isinstance(dsl, list):
        return [pair for one in dsl for pair in conditions(one)]
    if not isinstance(dsl, dict):
        return []
    if "term" in dsl:
        return [*dsl["term"].items()]
    return [pair for one in dsl.values() for pair in conditions(one)]


def test_there_are_ten() -> None:
    assert len(QUESTIONS) == 10
    assert len({search.name for search in SEARCHES}) == len(SEARCHES)
    assert len({search.title for search in SEARCHES}) == len(SEARCHES)
    assert {question.search for question in QUESTIONS} <= set(SEARCHES)


@pytest.mark.parametrize("question", QUESTIONS, ids=name)
def test_the_request_asks_what_kibana_asks(question: Question) -> None:
    assert plain(question.query) == plain(TRANSLATIONS[question.search.kql])


def test_the_plainest_form_keeps_differences() -> None:
    both = {"bool": {"should": [{"match": {"a": 1}}, {"match": {"a": 2}}]}}
    either = {"bool": both["bool"] | {"minimum_should_match": 1}}
    assert plain(either) != plain({"bool": {"filter": either["bool"]["should"]}})
    assert plain({"match": {"a": "1"}}) == plain({"term": {"a": 1}}) != plain({"term": {"a": 2}})


@pytest.mark.parametrize("search", SEARCHES, ids=lambda search: search.name)
def test_columns_are_fields_of_the_topic(search: Search) -> None:
    known = {field.name for field in search.topic.fields}
    assert set(search.columns) <= known
    assert "@timestamp" not in search.columns  # Kibana shows it anyway
    assert search.title.startswith("[streamer] ")


@pytest.mark.parametrize("question", QUESTIONS, ids=name)
def test_values_are_ones_that_the_fields_can_have(question: Question) -> None:
    for path, value in conditions(question.query):
        field = question.search.topic.field(path)
        assert not field.values or value in field.values
        assert not field.pattern or re.search(field.pattern, value)
        assert isinstance(value, int) == (field.type in NUMBERS)


@pytest.mark.parametrize("question", QUESTIONS, ids=name)
def test_an_example_is_a_table(question: Question) -> None:
    head, *rows = question.example.splitlines()
    assert rows
    assert {row.count(" | ") for row in rows} == {head.count(" | ")}


@pytest.mark.parametrize("question", QUESTIONS, ids=name)
def test_the_document_tells_all_of_it(question: Question) -> None:
    (section,) = (part for part in DOCUMENT.split("\n## ") if question.ask in part)
    assert question.search.title in section
    assert f"```\n{question.search.kql}\n```" in section
    (request,) = re.findall(r"```json\n(.*?)```", section, re.S)
    assert json.loads(request) == question.body()
