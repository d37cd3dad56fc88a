# SPDX-License-Identifier: Apache-2.0
"""The generated classes give each field of a record, whatever record the schema allows."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from ipaddress import ip_address
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.consume import Packet, Stats
from streamer.schema import PACKETS, STATS, TOPICS

if TYPE_CHECKING:
    from streamer.schema import Field, Topic

CLASSES: dict[str, type[Packet] | type[Stats]] = {PACKETS.name: Packet, STATS.name: Stats}
TIME = "2026-11-23T11:52:02.330043683Z"


def values(field: Field) -> st.SearchStrategy[Any]:
    """Anything the field can hold."""
    match field.type:
        case "ip":
            one: st.SearchStrategy[Any] = st.ip_addresses().map(str)
        case "date_nanos":
            one = st.datetimes(datetime(1970, 1, 2), datetime(2261, 1, 1)).map(  # noqa: DTZ001
                lambda time: f"{time.isoformat(timespec='microseconds')}789Z"
            )
        case "boolean":
            one = st.booleans()
        case "counts":
            one = st.dictionaries(st.text(), st.integers(0, field.largest), max_size=3)
        case "keyword":
            one = st.text()  # also one that is not known yet
        case _:
            one = st.integers(-field.largest if field.signed else 0, field.largest)
    return st.lists(one, max_size=3) if field.many else one


def documents(topic: Topic) -> st.SearchStrategy[dict[str, Any]]:
    """Values by field name; what is not required may be absent."""
    return st.fixed_dictionaries(
        {field.name: values(field) for field in topic.fields if field.required},
        optional={field.name: values(field) for field in topic.fields if not field.required},
    )


def nested(flat: dict[str, Any]) -> dict[str, Any]:
    """The record."""
    document: dict[str, Any] = {}
    for name, value in flat.items():
        node = document
        *parents, leaf = name.split(".")
        for each in parents:
            node = node.setdefault(each, {})
        node[leaf] = value
    return document


def absent(field: Field) -> Any:
    """What a field that is not in the record is."""
    if field.constant is not None:
        return field.constant
    return () if field.many else field.default


@pytest.mark.parametrize("topic", TOPICS.values(), ids=lambda topic: topic.name)
@given(data=st.data())
def test_every_field_arrives(topic: Topic, data: st.DataObject) -> None:
    flat = data.draw(documents(topic))
    document = nested(flat | {"event.later": "x"}) | {"unknown": {"deep": [1, None]}}
    event = msgspec.json.decode(json.dumps(document), type=CLASSES[topic.name])
    for field in topic.fields:
        value = attrgetter(field.name.replace("@", ""))(event)
        wanted = flat.get(field.name, absent(field))
        assert value == (tuple(wanted) if field.many else wanted), field.name


def packet(**fields: Any) -> Packet:
    """A small packet event with more fields, by name with `__` for the dot."""
    flat = {
        "@timestamp": TIME,
        "event.sequence": 0,
        "agent.id": "a",
        "agent.ephemeral_id": "b",
        "packet.hook": "tc",
        "packet.length": 60,
    }
    flat |= {name.replace("__", "."): value for name, value in fields.items()}
    return msgspec.json.decode(json.dumps(nested(flat)), type=Packet)


def test_time_keeps_nanoseconds() -> None:
    event = packet()
    assert event.time_ns == 1795434722_330043683  # date -u -d 2026-11-23T11:52:02 +%s
    assert event.time == datetime(2026, 11, 23, 11, 52, 2, 330043, tzinfo=UTC)


def test_identity_and_absent_objects() -> None:
    event = packet()
    assert event.identity == ("a", "b", 0)
    assert event.packet.tcp.flags == ()
    assert event.source.address is None
    assert event.observer.ingress.interface.name is None
    assert (event.packet.dscp, event.packet.segments) == (0, 1)


@pytest.mark.parametrize("text", ["10.0.0.1", "2001:db8::2", "::ffff:10.0.0.1", "fe80::1"])
def test_addresses_are_as_sent(text: str) -> None:
    event = packet(source__ip=text)
    assert event.source.ip == text
    assert event.source.address == ip_address(text)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("source__port", 65536),
        ("source__port", -1),
        ("source__port", "80"),
        ("source__ip", "10.0.0.256"),
        ("source__ip", 1),
        ("event__sequence", 2**53),
        ("packet__length", 1.5),
        ("packet__tcp__flags", "syn"),
        ("packet__tcp__flags", [1]),
        ("packet__fragment__more", 1),
        ("@timestamp", "2026-11-23T11:52:02Z"),
        ("packet", None),
        ("agent", {}),
    ],
)
def test_what_is_not_of_its_type_is_refused(field: str, value: object) -> None:
    with pytest.raises(msgspec.ValidationError):
        packet(**{field: value})


def test_an_event_can_be_kept_and_not_changed() -> None:
    event = packet()
    assert {event: 1}[packet()] == 1
    with pytest.raises(AttributeError):
        event.timestamp = "x"  # type: ignore[misc] # pyright: ignore[reportAttributeAccessIssue]
