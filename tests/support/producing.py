# SPDX-License-Identifier: Apache-2.0
"""Records put into a topic by a client that is not ours, and the documents for them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from confluent_kafka import Producer

if TYPE_CHECKING:
    from collections.abc import Iterable

BEGINNING = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
TIMEOUT_S = 30


def document(sequence: int, run: str = "run", /, **fields: dict[str, Any]) -> dict[str, Any]:
    """A packet event of a TCP segment; `fields` go over its objects."""
    time = BEGINNING + timedelta(milliseconds=sequence)
    whole: dict[str, Any] = {
        "@timestamp": f"{time:%Y-%m-%dT%H:%M:%S.%f}789Z",
        "event": {"sequence": sequence},
        "agent": {"id": "agent", "ephemeral_id": run},
        "network": {
            "type": "ipv4",
            "transport": "tcp",
            "iana_number": "6",
            "direction": "ingress",
            "community_id": "1:LQU9qZlK+B5F3KDmev6m5PMibrg=",
        },
        "source": {"ip": "192.0.2.1", "port": 49152, "mac": "02-00-5E-10-00-01"},
        "destination": {"ip": "198.51.100.2", "port": 443, "mac": "02-00-5E-10-00-02"},
        "observer": {"ingress": {"interface": {"name": "eth0"}}},
        "packet": {
            "hook": "tc",
            "length": 1514,
            "ttl": 64,
            "payload_length": 1448,
            "tcp": {"flags": ["psh", "ack"], "seq": 1000, "ack": 2000, "window": 502},
        },
    }
    for name, value in fields.items():
        whole[name] = whole.get(name, {}) | value
    return whole


def text(value: dict[str, Any]) -> bytes:
    """A record's value, as our encoder would write it."""
    return json.dumps(value, separators=(",", ":")).encode()


def produce(
    servers: str, topic: str, records: Iterable[tuple[int, bytes | None]], **settings: Any
) -> None:
    """Send (partition, value) in order, and wait until all have arrived."""
    failed: list[object] = []
    producer = Producer({"bootstrap.servers": servers, "linger.ms": 5, **settings})
    for partition, value in records:
        producer.produce(
            topic,
            value,
            partition=partition,
            on_delivery=lambda error, _message: failed.append(error) if error else None,
        )
        producer.poll(0)
    assert producer.flush(TIMEOUT_S) == 0
    assert not failed
