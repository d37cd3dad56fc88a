# SPDX-License-Identifier: Apache-2.0
"""The JSON Schema accepts what it should, and nothing else."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from streamer.schema import TOPICS, render

RECORD: dict[str, Any] = {
    "@timestamp": "2026-11-23T10:00:00.123456789Z",
    "event": {"sequence": 7},
    "agent": {"id": "5f0c2a4e", "ephemeral_id": "q3Zx0bTtW1aY"},
    "network": {"type": "ipv4", "transport": "tcp", "iana_number": "6", "direction": "egress"},
    "source": {"ip": "192.0.2.1", "port": 443, "mac": "02-00-5E-10-00-01"},
    "destination": {"ip": "2001:db8::2", "port": 65535, "mac": "02-00-5E-10-00-02"},
    "packet": {
        "hook": "xdp",
        "length": 1514,
        "fragment": {"offset": 0, "more": True},
        "tcp": {"flags": ["syn", "ack"], "seq": 4294967295, "ack": 0, "window": 65535},
    },
}


def validator(topic: str = "packets.v1", *, closed: bool = False) -> Draft202012Validator:
    schema = json.loads(render("json-schema", topic, closed=closed))
    return Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)


def changed(path: str, value: Any) -> dict[str, Any]:
    record = copy.deepcopy(RECORD)
    *objects, name = path.split("/")
    node = record
    for step in objects:
        node = node.setdefault(step, {})
    if value is None:
        del node[name]
    else:
        node[name] = value
    return record


@pytest.mark.parametrize("topic", TOPICS)
@pytest.mark.parametrize("closed", [False, True])
def test_it_is_a_json_schema(topic: str, closed: bool) -> None:
    Draft202012Validator.check_schema(json.loads(render("json-schema", topic, closed=closed)))


@pytest.mark.parametrize("closed", [False, True])
def test_a_record_is_accepted(closed: bool) -> None:
    validator(closed=closed).validate(RECORD)


@pytest.mark.parametrize("path", ["new", "packet/new", "packet/tcp/new", "source/geo"])
def test_a_new_field_is_accepted_unless_closed(path: str) -> None:
    record = changed(path, {"a": 1})
    assert validator().is_valid(record)
    assert not validator(closed=True).is_valid(record)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("@timestamp", None),
        ("@timestamp", "2026-11-23T10:00:00.123Z"),
        ("@timestamp", 1795428000),
        ("event", None),
        ("event/sequence", None),
        ("event/sequence", -1),
        ("event/sequence", 2**53),
        ("agent/ephemeral_id", None),
        ("packet/hook", "kprobe"),
        ("packet/length", None),
        ("packet/length", "1514"),
        ("packet/length", 2**32),
        ("packet/ttl", 256),
        ("packet/dscp", 64),
        ("packet/ecn", 4),
        ("packet/tcp/flags", "syn"),
        ("packet/tcp/flags", ["SYN"]),
        ("packet/tcp/flags", ["syn", "syn"]),
        ("packet/parse", ["has_tcp"]),
        ("packet/fragment/more", 1),
        ("source/ip", "192.0.2.256"),
        ("source/ip", "::g"),
        ("source/port", 65536),
        ("source/mac", "02-00-5e-10-00-01"),
        ("source/mac", "02:00:5E:10:00:01"),
        ("network/iana_number", 6),
        ("network/vlan/id", 100),
        ("network/community_id", "1:abc"),
        ("event/kind", "alert"),
        ("event/category", "network"),
    ],
)
def test_what_breaks_the_table_is_refused(path: str, value: Any) -> None:
    assert not validator().is_valid(changed(path, value))
