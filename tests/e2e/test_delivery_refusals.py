# SPDX-License-Identifier: Apache-2.0
"""Brokers that refuse us, and things that are no brokers: each is explained, none ends anything."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from streamer.delivery import ConnectionTuple
from tests.support.delivering import (
    PARTITIONS,
    assert_same,
    delivering,
    expected,
    numbered,
    read_all,
    until,
)
from tests.support.kafka import PASSWORD

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from streamer.demo.kafka import EmbeddedKafka

pytestmark = pytest.mark.kafka


@asynccontextmanager
async def serving(
    greeting: bytes, *, stay: bool = False, peers: list[tuple[str, int]] | None = None
) -> AsyncIterator[str]:
    """A server that says one thing to whoever connects, and notes who did; its address."""
    gone = asyncio.Event()

    async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if peers is not None:
            peers.append(writer.get_extra_info("peername"))
        writer.write(greeting)
        if stay:
            await gone.wait()
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        gone.set()
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("greeting", "words"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "an HTTP server answers there, not Kafka"),
        (b"", "closed by the other side"),
        (b"\0\0\0\4xyzw", "not in Kafka's protocol"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "not in Kafka's protocol"),
    ],
)
async def test_something_that_is_not_kafka(greeting: bytes, words: str, topic: str) -> None:
    async with serving(greeting) as address, delivering(address, topic) as delivery:
        delivery.put(numbered(0, 0))
        await until(lambda: words in delivery.status, 10)
        assert not await delivery.drain(0.5)


async def test_own_connections_are_known_before_their_first_packet(topic: str) -> None:
    peers: list[tuple[str, int]] = []
    told: list[tuple[int, frozenset[ConnectionTuple]]] = []

    def note(connections: frozenset[ConnectionTuple]) -> None:
        told.append((len(peers), connections))

    async with serving(b"", peers=peers) as address, delivering(address, topic, note):
        await until(lambda: len(peers) >= 3)
        host, port = address.split(":")
        for number, peer in enumerate(peers[:3]):
            mine = ConnectionTuple(*peer, host, int(port))
            accepted_when_told = next(accepted for accepted, known in told if mine in known)
            assert accepted_when_told <= number
        # a connection that is over is forgotten, though not at once
        first = ConnectionTuple(*peers[0], host, int(port))
        await until(lambda: first not in told[-1][1], 10)


async def test_silent_port(topic: str) -> None:
    async with (
        serving(b"", stay=True) as address,
        delivering(address, topic, request_timeout_ms=500) as delivery,
    ):
        await until(lambda: "no answer in time" in delivery.status, 10)


async def test_unknown_host(topic: str) -> None:
    async with delivering("no-such-host.invalid:9092", topic) as delivery:
        await until(lambda: "name can't be resolved" in delivery.status, 30)


def secure_settings(certificate: Path, **other: Any) -> dict[str, Any]:
    """What a SASL_SSL listener needs."""
    return {
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_username": "streamer",
        "sasl_password": PASSWORD,
        "ssl_cafile": certificate / "ca.pem",
        **other,
    }


async def test_tls_and_scram(secure_kafka: EmbeddedKafka, certificate: Path, topic: str) -> None:
    batches = [numbered(number % PARTITIONS, number) for number in range(120)]
    servers = secure_kafka.secure_bootstrap_servers
    async with delivering(servers, topic, **secure_settings(certificate)) as delivery:
        for batch in batches:
            delivery.put(batch)
        assert await delivery.drain(30)
    assert_same(read_all(secure_kafka.bootstrap_servers, topic), expected(batches))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"sasl_password": "guessed"}, "authentication failed"),
        ({"sasl_username": "nobody"}, "authentication failed"),
        ({"sasl_mechanism": "SCRAM-SHA-256"}, "does not take kafka.sasl_mechanism"),
        ({"ssl_cafile": None}, "certificate is not trusted"),
        (
            {"security_protocol": "SASL_PLAINTEXT"},
            "it wants TLS on this port (kafka.security_protocol is SASL_PLAINTEXT",
        ),
    ],
)
async def test_refused_credentials_are_explained(
    secure_kafka: EmbeddedKafka, certificate: Path, topic: str, wrong: dict[str, Any], words: str
) -> None:
    settings = secure_settings(certificate, **wrong)
    async with delivering(secure_kafka.secure_bootstrap_servers, topic, **settings) as delivery:
        await until(lambda: words in delivery.status)
        assert not delivery.ready


async def test_tls_on_a_plain_port_is_explained(
    secure_kafka: EmbeddedKafka, certificate: Path, topic: str
) -> None:
    servers = secure_kafka.bootstrap_servers
    async with delivering(servers, topic, **secure_settings(certificate)) as delivery:
        await until(lambda: "kafka.security_protocol is SASL_SSL" in delivery.status)


async def test_user_without_rights(
    secure_kafka: EmbeddedKafka, certificate: Path, topic: str
) -> None:
    settings = secure_settings(certificate, sasl_username="guest")
    servers = secure_kafka.secure_bootstrap_servers
    async with delivering(servers, topic, **settings) as delivery:
        delivery.put(numbered(0, 0))
        await until(lambda: "authorization_failed" in delivery.status)
        assert not delivery.ready
        assert delivery.counters().queued_events == 10
