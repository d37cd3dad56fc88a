# SPDX-License-Identifier: Apache-2.0
"""Templates: every field mapped, nothing mapped by chance; what a server lacks is not used."""

from __future__ import annotations

import json
from typing import Any

import pytest

from streamer.schema import PACKETS, STATS, TOPICS, Topic, render
from streamer.schema.elastic import FULL, REDUCED, Support, resources


def leaves(properties: dict[str, Any], prefix: str = "") -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for name, node in properties.items():
        if "properties" in node:
            found |= leaves(node["properties"], f"{prefix}{name}.")
        else:
            found[prefix + name] = node
    return found


@pytest.mark.parametrize("topic", TOPICS)
def test_the_mapping_is_the_table(topic: str) -> None:
    template = json.loads(render("elasticsearch", topic))
    mappings = template["template"]["mappings"]
    assert mappings["dynamic"] is False
    assert template["data_stream"] == {}
    mapped = leaves(mappings["properties"])
    assert set(mapped) == {field.name for field in TOPICS[topic].fields}
    assert {name for name, node in mapped.items() if node["type"] == "constant_keyword"} == {
        field.name for field in TOPICS[topic].constants
    }
    assert mapped["@timestamp"] == {"type": "date_nanos"}


def test_addresses_and_keywords() -> None:
    mapped = leaves(json.loads(render("elasticsearch"))["template"]["mappings"]["properties"])
    assert mapped["source.ip"] == {"type": "ip"}
    assert mapped["network.vlan.id"] == {"type": "keyword", "ignore_above": 1024}
    assert mapped["event.category"] == {"type": "constant_keyword", "value": "network"}
    assert mapped["packet.tcp.seq"] == {"type": "long"}


def by_path(topic: Topic, support: Support) -> dict[str, dict[str, Any]]:
    return {resource.path: resource.body for resource in resources(topic, support)}


@pytest.mark.parametrize("support", [FULL, REDUCED, Support(False, False, False)])
@pytest.mark.parametrize("topic", TOPICS.values(), ids=TOPICS)
def test_the_components_together_map_the_table(topic: Topic, support: Support) -> None:
    put = by_path(topic, support)
    (template,) = [body for path, body in put.items() if path.startswith("_index_template/")]
    mapped: dict[str, dict[str, Any]] = {}
    for name in template["composed_of"]:
        component = put[f"_component_template/{name}"]["template"]
        properties = leaves(component.get("mappings", {}).get("properties", {}))
        assert not mapped.keys() & properties.keys()
        mapped |= properties
    assert set(mapped) == {field.name for field in topic.fields}
    types = {node["type"] for node in mapped.values()}
    assert ("constant_keyword" in types) == support.constant_keyword


@pytest.mark.parametrize("topic", TOPICS.values(), ids=TOPICS)
def test_settings_name_only_what_is_put_before(topic: Topic) -> None:
    for support in (FULL, REDUCED, Support(False, False, False)):
        known: set[str] = set()
        for resource in resources(topic, support):
            index = resource.body.get("template", {}).get("settings", {}).get("index", {})
            if "lifecycle" in index:
                assert f"_ilm/policy/{index['lifecycle']['name']}" in known
            if "default_pipeline" in index:
                assert f"_ingest/pipeline/{index['default_pipeline']}" in known
            for name in resource.body.get("composed_of", []):
                assert f"_component_template/{name}" in known
            known.add(resource.path)
        assert any("_ilm/" in path for path in known) == support.lifecycle
        assert any("_ingest/" in path for path in known) == support.processors


def test_events_are_kept_as_long_as_the_table_says() -> None:
    for topic in (PACKETS, STATS):
        (policy,) = [b for p, b in by_path(topic, FULL).items() if p.startswith("_ilm/policy/")]
        phases = policy["policy"]["phases"]
        assert phases["delete"]["min_age"] == f"{topic.kept_days}d"
        assert phases["hot"]["actions"]["rollover"]["max_age"] == f"{topic.rollover_days}d"
