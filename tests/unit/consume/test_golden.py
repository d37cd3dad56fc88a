# SPDX-License-Identifier: Apache-2.0
"""Values at their limits arrive in Python exactly as they were sent, one by one and as columns."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING

import msgspec
import pyarrow as pa
import pytest

from streamer.consume import Packet
from streamer.consume.arrow import Converter
from streamer.schema import PACKETS
from tests.support import golden
from tests.support.reference_document import Agent

if TYPE_CHECKING:
    from streamer.schema import Field

AGENT = Agent(id="golden", ephemeral_id="values", host_name="limits")
SENT = golden.events(AGENT)
EVENTS = {
    name: msgspec.json.decode(text, type=Packet) for name, text in golden.texts(AGENT).items()
}


def wanted(name: str, field: Field) -> object:
    """What the document says, or what its silence means."""
    found = golden.value(SENT[name].document, field)
    if found is None:
        return [] if field.many else field.default
    return found


@pytest.mark.parametrize("field", PACKETS.varying, ids=lambda field: field.name)
def test_each_value(field: Field) -> None:
    for name, event in EVENTS.items():
        value = attrgetter(field.name.removeprefix("@"))(event)
        assert (list(value) if field.many else value) == wanted(name, field), name


@pytest.mark.parametrize("field", PACKETS.varying[1:], ids=lambda field: field.name)
def test_each_column(field: Field) -> None:
    column = Converter(PACKETS).table(list(EVENTS.values()))[field.column_name]
    assert column.to_pylist() == [wanted(name, field) for name in EVENTS]


def test_each_nanosecond() -> None:
    times = {name: record.timestamp_ns for name, (_, record) in golden.RECORDS.items()}
    assert {name: event.time_ns for name, event in EVENTS.items()} == times
    column = Converter(PACKETS).table(list(EVENTS.values()))["ts"]
    assert column.cast(pa.int64()).to_pylist() == list(times.values())
