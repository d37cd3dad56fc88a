# SPDX-License-Identifier: Apache-2.0
"""The index template: every field mapped, nothing mapped by chance."""

from __future__ import annotations

import json
from typing import Any

import pytest

from streamer.schema import TOPICS, render


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
