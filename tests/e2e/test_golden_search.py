# SPDX-License-Identifier: Apache-2.0
"""The golden set in Elasticsearch: as it was sent, and found by every value it has."""

from __future__ import annotations

import uuid
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING, Any

import pytest

from streamer.schema import PACKETS
from tests.support import golden
from tests.support.reference_document import Agent
from tests.support.search import into_search

if TYPE_CHECKING:
    from pathlib import Path

    from streamer.demo.kafka import EmbeddedKafka
    from streamer.schema import Field
    from tests.support.elasticsearch import Elasticsearch

pytestmark = pytest.mark.kafka


def unmapped(address: str) -> str:
    """Elasticsearch's ip is one space of addresses: IPv4-mapped ones are IPv4."""
    parsed = ip_address(address)
    mapped = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
    return str(mapped or parsed)


def indexed(field: Field, value: Any) -> list[Any]:
    """What the index holds of a value, as the `fields` of an answer give it."""
    values = value if isinstance(value, list) else [value]
    match field.type:
        case "ip":
            return sorted(map(unmapped, values))
        case "date_nanos":
            return sorted(map(shortened, values))
        case _:
            return sorted(values)


def shortened(time: str) -> str:
    """Elasticsearch leaves out the zeros after the milliseconds."""
    return time[:23] + time[23:].removesuffix("Z").rstrip("0") + "Z"


def term(field: Field, value: Any) -> dict[str, Any]:
    if field.type == "date_nanos":
        return {"range": {field.name: {"gte": value, "lte": value}}}
    return {"term": {field.name: value}}


def test_value_by_value(kafka: EmbeddedKafka, search_server: Elasticsearch, tmp_path: Path) -> None:
    agent = Agent(f"golden-{uuid.uuid4().hex[:8]}", "sn7vmjh2r8w4", "alpha")
    texts = golden.texts(agent)
    stream = into_search(kafka, search_server, tmp_path, texts.values())
    wanted = [
        {"field": field.name, "format": "strict_date_optional_time_nanos"}
        if field.type == "date_nanos"
        else field.name
        for field in PACKETS.varying
    ]
    found = {
        hit["_id"]: hit
        for hit in search_server.search(stream, size=100, fields=wanted)["hits"]["hits"]
    }
    assert len(found) == len(texts)
    for name, (sequence, document) in golden.events(agent).items():
        identity = f"{agent.id}:{agent.ephemeral_id}:{sequence}"
        hit = found[identity]
        assert hit["_source"] == document, name
        for field in PACKETS.varying:
            value = golden.value(document, field)
            if value is None or value == []:
                assert field.name not in hit["fields"], (name, field.name)
                continue
            assert sorted(hit["fields"][field.name]) == indexed(field, value), (name, field.name)
            for each in value if isinstance(value, list) else [value]:
                query = {"bool": {"filter": [term(field, each), {"ids": {"values": [identity]}}]}}
                assert search_server.count(stream, query) == 1, (name, field.name, each)
