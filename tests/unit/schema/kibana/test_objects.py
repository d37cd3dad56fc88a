# SPDX-License-Identifier: Apache-2.0
"""The saved objects: whole, linked, and only about fields that there are."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any

import pytest

from streamer.schema import PACKETS, STATS
from streamer.schema.kibana.objects import render
from tests.support.kibana_objects import all_queries, panels, parsed, read, translations

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.support.kibana_objects import Json, Panel

OBJECTS = read(render())
BY_KEY = {(one["type"], one["id"]): one for one in OBJECTS}
PANELS = list(panels(OBJECTS))
TRANSLATIONS = translations()
TYPES: dict[str, Mapping[str, str]] = {
    f"streamer-{topic.table}": {field.name: field.type for field in topic.fields}
    for topic in (PACKETS, STATS)
}
NUMBERS = {"long", "integer", "short"}
TERMS = {"keyword", "ip", "boolean", *NUMBERS}
RECORDS = "___records___"
GRID = 48


def ids(one: Json) -> str:
    return str(one["id"])


def label(panel: Panel) -> str:
    return f"{panel.dashboard}: {panel.title or panel.kind}"


def data_view_of(panel: Panel) -> Mapping[str, str]:
    (link,) = (one for one in panel.references.values() if one["type"] == "index-pattern")
    return TYPES[link["id"]]


def layer_of(panel: Panel) -> Json:
    state = panel.body["embeddableConfig"]["attributes"]["state"]
    (layer,) = state["datasourceStates"]["formBased"]["layers"].values()
    found: Json = layer
    return found


def walk(value: Any, key: str) -> Iterator[Any]:
    """Every value under this key, at any depth."""
    if isinstance(value, list):
        for one in value:
            yield from walk(one, key)
    elif isinstance(value, dict):
        if key in value:
            yield value[key]
        for one in value.values():
            yield from walk(one, key)


def fields_of(dsl: Any) -> set[str]:
    """The fields that a query names, as Kibana's own parser read them."""
    if isinstance(dsl, list):
        return set().union(*map(fields_of, dsl))
    found: set[str] = set()
    for kind, one in dsl.items():
        if kind in {"match", "match_phrase", "range"}:
            found |= set(one)
        elif kind == "exists":
            found.add(one["field"])
        elif isinstance(one, dict | list):
            found |= fields_of(one)
    return found


def test_there_are_the_promised_kinds() -> None:
    kinds = [one["type"] for one in OBJECTS]
    assert kinds.count("index-pattern") == 2
    assert kinds.count("dashboard") == 4
    assert len(BY_KEY) == len(OBJECTS)


@pytest.mark.parametrize("one", OBJECTS, ids=ids)
def test_every_string_of_json_is_json(one: Json) -> None:
    assert parsed(one)["attributes"]["title"]


@pytest.mark.parametrize("one", OBJECTS, ids=ids)
def test_an_older_kibana_of_8_takes_it(one: Json) -> None:
    """An object of a newer version than Kibana's own is refused; one of an older is migrated."""
    for name in ("coreMigrationVersion", "typeMigrationVersion"):
        assert tuple(map(int, one[name].split("."))) <= (8, 9, 0)


@pytest.mark.parametrize("one", OBJECTS, ids=ids)
def test_references_lead_to_objects_before_it(one: Json) -> None:
    place = OBJECTS.index(one)
    for link in one["references"]:
        assert OBJECTS.index(BY_KEY[link["type"], link["id"]]) < place
    names = [link["name"] for link in one["references"]]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("one", OBJECTS, ids=ids)
def test_each_name_is_a_reference_and_each_reference_is_named(one: Json) -> None:
    attributes = parsed(one)["attributes"]
    if one["type"] == "dashboard":
        used = set()
        for body in attributes["panelsJSON"]:
            config = body["embeddableConfig"]
            names = [*walk(config, "indexRefName")]
            if "panelRefName" in body:
                names.append(body["panelRefName"])
            for layers in walk(config, "formBased"):
                names += [f"indexpattern-datasource-layer-{key}" for key in layers["layers"]]
            used |= {f"{body['panelIndex']}:{name}" for name in names}
        controls = attributes.get("controlGroupInput", {}).get("panelsJSON", {})
        used |= {f"controlGroup_{key}:optionsListDataView" for key in controls}
    else:
        used = set(walk(attributes, "indexRefName"))
    assert used == {link["name"] for link in one["references"]}


@pytest.mark.parametrize("one", [o for o in OBJECTS if o["type"] == "search"], ids=ids)
def test_a_saved_search_shows_fields_that_there_are(one: Json) -> None:
    (link,) = one["references"]
    types = TYPES[link["id"]]
    attributes = parsed(one)["attributes"]
    assert set(attributes["columns"]) <= set(types)
    ((field, order),) = attributes["sort"]
    assert types[field] == "date_nanos"
    assert order in {"asc", "desc"}
    query = attributes["kibanaSavedObjectMeta"]["searchSourceJSON"]["query"]["query"]
    assert not query or fields_of(TRANSLATIONS[query]) <= set(types)


@pytest.mark.parametrize("one", [o for o in OBJECTS if o["type"] == "index-pattern"], ids=ids)
def test_a_data_view_formats_fields_that_there_are(one: Json) -> None:
    attributes = parsed(one)["attributes"]
    types = TYPES[one["id"]]
    assert types[attributes["timeFieldName"]] == "date_nanos"
    assert attributes["fieldFormatMap"]
    assert {types[name] for name in attributes["fieldFormatMap"]} <= NUMBERS
    # a number that only names something must not read 51,526
    for name in ("source.port", "packet.tcp.seq"):
        assert name not in types or attributes["fieldFormatMap"][name]["params"]["pattern"] == "0"


@pytest.mark.parametrize("one", [o for o in OBJECTS if o["type"] == "dashboard"], ids=ids)
def test_a_dashboards_panels_and_controls(one: Json) -> None:
    attributes = parsed(one)["attributes"]
    places = [body["gridData"] for body in attributes["panelsJSON"]]
    assert [body["panelIndex"] for body in attributes["panelsJSON"]] == [p["i"] for p in places]
    for place in places:
        assert place["w"] > 0
        assert place["h"] > 0
        assert 0 <= place["x"] <= GRID - place["w"]
    for a, b in combinations(places, 2):
        apart = (
            a["x"] + a["w"] <= b["x"]
            or b["x"] + b["w"] <= a["x"]
            or a["y"] + a["h"] <= b["y"]
            or b["y"] + b["h"] <= a["y"]
        )
        assert apart, (a, b)
    assert sum(place["w"] * place["h"] for place in places) == GRID * max(
        place["y"] + place["h"] for place in places
    )
    links = {link["name"]: link["id"] for link in one["references"]}
    for key, control in attributes["controlGroupInput"]["panelsJSON"].items():
        types = TYPES[links[f"controlGroup_{key}:optionsListDataView"]]
        assert types[control["explicitInput"]["fieldName"]] in {"keyword", "ip"}


def test_every_query_is_one_that_kibana_understands() -> None:
    assert set(all_queries(OBJECTS)) <= set(TRANSLATIONS), (
        "translate it again: see tests/data/kql_dsl.js"
    )
    assert set(TRANSLATIONS) <= set(all_queries(OBJECTS))


@pytest.mark.parametrize("panel", [p for p in PANELS if p.kind == "lens"], ids=label)
def test_a_lens_panel_computes_what_can_be_computed(panel: Panel) -> None:
    types, layer = data_view_of(panel), layer_of(panel)
    columns = layer["columns"]
    assert layer["columnOrder"] == list(columns)
    buckets = [column["isBucketed"] for column in columns.values()]
    assert buckets == sorted(buckets, reverse=True)
    for column in columns.values():
        operation, field = column["operationType"], column.get("sourceField")
        match operation:
            case "count":
                assert field == RECORDS
            case "sum":
                assert types[field] in NUMBERS
            case "max" | "min":
                assert types[field] in {*NUMBERS, "date_nanos"}
            case "unique_count":
                assert types[field] in TERMS
            case "date_histogram":
                assert types[field] == "date_nanos"
            case "terms":
                assert types[field] in TERMS
                order = column["params"]["orderBy"]
                if order["type"] == "column":
                    by = columns[order["columnId"]]
                    assert not by["isBucketed"]
                    assert "references" not in by
            case "counter_rate":
                (counter,) = column["references"]
                assert columns[counter]["operationType"] == "max"
                assert column["timeScale"] == "s"
                assert "date_histogram" in {c["operationType"] for c in columns.values()}
            case _:
                pytest.fail(f"{operation} is not known here")
        kinds = {"keyword": "string", "ip": "ip", "date_nanos": "date", "boolean": "boolean"}
        if column["isBucketed"] or operation in {"max", "min"}:
            assert column["dataType"] == kinds.get(types[field], "number")
        assert column["label"]


@pytest.mark.parametrize("panel", [p for p in PANELS if p.kind == "lens"], ids=label)
def test_a_lens_panel_draws_what_it_computes(panel: Panel) -> None:
    attributes = panel.body["embeddableConfig"]["attributes"]
    drawn = attributes["state"]["visualization"]
    columns = layer_of(panel)["columns"]
    counters = {one for column in columns.values() for one in column.get("references", ())}
    match attributes["visualizationType"]:
        case "lnsMetric":
            shown = {drawn["metricAccessor"], drawn.get("breakdownByAccessor")} - {None}
            assert ("collapseFn" in drawn) == ("breakdownByAccessor" in drawn)
        case "lnsXY":
            (one,) = drawn["layers"]
            shown = {*one["accessors"], one["xAccessor"], one.get("splitAccessor")} - {None}
            assert one["seriesType"] == drawn["preferredSeriesType"]
        case "lnsDatatable":
            shown = {column["columnId"] for column in drawn["columns"]}
            assert drawn["sorting"]["columnId"] in shown
        case other:
            pytest.fail(f"{other} is not known here")
    assert shown == set(columns) - counters
    assert attributes["references"] == [
        {"name": name, "type": link["type"], "id": link["id"]}
        for name, link in panel.references.items()
    ]


@pytest.mark.parametrize("panel", PANELS, ids=label)
def test_a_panels_queries_name_fields_of_its_data_view(panel: Panel) -> None:
    if panel.kind == "search":
        assert [link["type"] for link in panel.references.values()] == ["search"]
        return
    for source in walk(panel.body, "query"):
        if isinstance(source, str) and source:
            assert fields_of(TRANSLATIONS[source]) <= set(data_view_of(panel))


def test_repeated_segments_are_counted_at_one_place() -> None:
    """One sender, one sequence number, one interface and direction of one agent, at least twice."""
    (panel,) = (one for one in PANELS if "sent again" in one.title)
    shown = panel.body["embeddableConfig"]["savedVis"]
    assert shown["type"] == "table"
    rows = [one for one in shown["data"]["aggs"] if one["schema"] == "bucket"]
    types = data_view_of(panel)
    for row in rows:
        assert row["params"]["json"] == {"min_doc_count": 2}
        assert types[row["params"]["field"]] in TERMS
    assert {row["params"]["field"] for row in rows} == {
        "packet.tcp.seq",
        "network.community_id",
        "source.ip",
        "destination.ip",
        "agent.id",
        "observer.ingress.interface.name",
        "observer.egress.interface.name",
    }
    missing = {row["params"]["field"] for row in rows if row["params"]["missingBucket"]}
    assert missing >= {"observer.ingress.interface.name", "observer.egress.interface.name"}
