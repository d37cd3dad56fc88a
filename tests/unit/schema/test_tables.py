# SPDX-License-Identifier: Apache-2.0
"""The tables against the official list of ECS fields, the event's contract, and themselves."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from streamer.schema import PACKETS, TOPICS, Field, Topic
from streamer.schema.common import ECS_VERSION
from streamer.schema.packets import PARSE_FLAGS, TCP_FLAGS

ROOT = Path(__file__).parents[3]
ECS = json.loads((ROOT / "tests/data/ecs_fields.json").read_text())
OWN_OBJECTS = {"packets.v1": "packet", "stats.v1": "ledger"}
FIELDS = [
    pytest.param(topic, field, id=f"{topic.name}-{field.name}")
    for topic in TOPICS.values()
    for field in topic.fields
]


def test_the_list_is_of_the_version_the_records_claim() -> None:
    assert f"@elastic/ecs@{ECS_VERSION}," in ECS["source"]


@pytest.mark.parametrize(("topic", "field"), FIELDS)
def test_ecs_names_have_the_types_of_ecs_and_own_names_are_under_the_own_object(
    topic: Topic, field: Field
) -> None:
    if not field.ecs:
        own = OWN_OBJECTS[topic.name]
        assert field.path[0] == own
        assert own not in ECS["top_level"]
        assert field.name not in ECS["fields"]
        assert not field.exception
    elif field.exception:
        assert field.type != ECS["fields"][field.name]
    else:
        assert field.type == ECS["fields"][field.name]


@pytest.mark.parametrize(("topic", "field"), FIELDS)
def test_a_field_says_what_its_generators_need(topic: Topic, field: Field) -> None:
    assert field.description.endswith(".")
    numeric = field.type in {"long", "integer", "short", "counts"}
    assert (field.bits in {8, 16, 32, 64}) == numeric
    if numeric:
        signed_bits = {"integer": 32, "short": 16}.get(field.type, 64)
        assert field.largest < 2 ** (signed_bits - 1)  # Elasticsearch's numbers are signed
    if field.default is not None:
        assert numeric
        assert not field.required
    assert (field.example is None) == (field.constant is not None)
    assert not (field.constant is not None and field.required)


@pytest.mark.parametrize("topic", TOPICS.values(), ids=lambda topic: topic.name)
def test_names_and_columns_are_unique_and_no_field_is_also_an_object(topic: Topic) -> None:
    names = [field.name for field in topic.fields]
    assert len(set(names)) == len(names)
    columns = [field.column_name for field in topic.fields]
    assert len(set(columns)) == len(columns)
    assert not [a for a in names for b in names if b.startswith(f"{a}.")]


def test_the_exceptions_are_these() -> None:
    exceptions = {f.name for topic in TOPICS.values() for f in topic.fields if f.exception}
    assert exceptions == {"@timestamp"}


def test_parse_flags_are_those_of_the_kernel() -> None:
    header = (ROOT / "bpf/event.h").read_text()
    flags = re.findall(r"^\tPARSE_(\w+) = 1 << (\d+),\s*/\* (.*) \*/$", header, re.MULTILINE)
    shown = [(int(bit), name.lower()) for name, bit, told in flags if "not shown" not in told]
    assert [name for _, name in sorted(shown)] == list(PARSE_FLAGS)


def test_tcp_flags_are_in_the_order_of_their_bits() -> None:
    # RFC 9293 3.1 and RFC 9768: AE, CWR, ECE, URG, ACK, PSH, RST, SYN, FIN from the left
    assert " ".join(reversed(TCP_FLAGS)) == "ae cwr ece urg ack psh rst syn fin"


def test_the_table_has_the_names_that_consumers_were_promised() -> None:
    promised = """
        packet.length packet.hook packet.ttl packet.dscp packet.ecn packet.id packet.fragment.offset
        packet.fragment.more packet.payload_length packet.segments packet.parse packet.tcp.flags
        packet.tcp.seq packet.tcp.ack packet.tcp.window packet.icmp.type packet.icmp.code
        network.vlan.id network.inner.vlan.id source.mac destination.mac
        observer.ingress.interface.name observer.egress.interface.name network.community_id
        network.iana_number network.direction event.sequence agent.id agent.ephemeral_id @timestamp
    """
    assert set(promised.split()) <= {field.name for field in PACKETS.fields}
