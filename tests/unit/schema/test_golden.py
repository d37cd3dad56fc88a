# SPDX-License-Identifier: Apache-2.0
"""The golden set is what streamer writes, and reaches the ends of what a field can hold."""

from __future__ import annotations

import json

import pytest
from jsonschema import Draft202012Validator

from streamer.schema import PACKETS, Field, render
from tests.support import golden
from tests.support.reference_document import Agent

AGENT = Agent("7hk2vq0cjx4e", "sn7vmjh2r8w4", "alpha")
EVENTS = golden.events(AGENT)
SCHEMA = Draft202012Validator(
    json.loads(render("json-schema", closed=True)),
    format_checker=Draft202012Validator.FORMAT_CHECKER,
)
NUMBERS = [field for field in PACKETS.varying if field.bits]
# what no packet can say: lengths and numbers that the wire has no room for
ENDS: dict[str, set[int | None]] = {
    "packet.fragment.offset": {0, 0x1FFF * 8},
    "packet.length": {14, 2**32 - 1},
    "packet.dscp": {None, 63},  # zero is the default, and left out
    "packet.ecn": {None, 3},
    "packet.segments": {None, 65535},
}


@pytest.mark.parametrize("name", EVENTS)
def test_streamer_writes_it(name: str) -> None:
    text = golden.texts(AGENT)[name]
    assert json.loads(text) == EVENTS[name].document
    SCHEMA.validate(json.loads(text))


@pytest.mark.parametrize("field", NUMBERS, ids=lambda field: field.name)
def test_the_ends_of_every_number_are_there(field: Field) -> None:
    present = {golden.value(event.document, field) for event in EVENTS.values()}
    assert ENDS.get(field.name, {0, field.largest}) <= present


def test_every_field_is_there() -> None:
    said = {
        field.name
        for field in PACKETS.varying
        for event in EVENTS.values()
        if golden.value(event.document, field) is not None
    }
    assert said == {field.name for field in PACKETS.varying}
