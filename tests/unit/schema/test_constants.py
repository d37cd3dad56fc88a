# SPDX-License-Identifier: Apache-2.0
"""Constants as raw members: spliced into a record, they are what the templates declare."""

from __future__ import annotations

import json

import pytest
from jsonschema import Draft202012Validator

from streamer.schema import TOPICS, constants, render


@pytest.mark.parametrize("topic", TOPICS)
def test_spliced_members_match_the_declarations(topic: str) -> None:
    event, record = constants(topic)
    spliced = json.loads(b'{"event":{"sequence":1,' + event + b"}," + record + b"}")
    assert spliced["event"].pop("sequence") == 1

    declared = json.loads(render("json-schema", topic))["properties"]
    flat = {f"event.{name}": value for name, value in spliced["event"].items()}
    flat["ecs.version"] = spliced["ecs"]["version"]
    assert set(flat) == {field.name for field in TOPICS[topic].constants}
    for name, value in flat.items():
        outer, inner = name.split(".")
        Draft202012Validator(declared[outer]["properties"][inner]).validate(value)


def test_packets_say_what_ecs_asks_of_network_events() -> None:
    event = json.loads(b"{" + constants("packets.v1")[0] + b"}")
    assert event["kind"] == "event"
    assert event["category"] == ["network"]
    assert event["dataset"] == "streamer.packet"
