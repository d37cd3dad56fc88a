# SPDX-License-Identifier: Apache-2.0
"""Fixtures with a real Kafka broker."""

from __future__ import annotations

import asyncio
import subprocess
import uuid
from typing import TYPE_CHECKING

import pytest

from streamer.demo.kafka import EmbeddedKafka, SecureListener
from streamer.errors import StreamerError
from tests.support.requirements import require

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PASSWORD = "correct-horse"  # noqa: S105 - of a broker that lives for one test run


def start_or_skip(broker: EmbeddedKafka) -> None:
    """Starts the broker; without Java or the artefacts the test cannot run."""
    try:
        asyncio.run(broker.start())
    except StreamerError as error:
        broker.kill()
        require(False, f"no Kafka broker: {error} ({error.hint})")


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedKafka]:
    """One broker for the whole run; leave it running, and use a topic of your own."""
    broker = EmbeddedKafka(tmp_path_factory.mktemp("kafka"))
    start_or_skip(broker)
    yield broker
    broker.kill()


@pytest.fixture
def mortal_kafka(tmp_path: Path) -> Iterator[EmbeddedKafka]:
    """A broker for one test, which may kill, freeze and restart it. It is not started yet."""
    broker = EmbeddedKafka(tmp_path / "kafka")
    yield broker
    broker.kill()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a self-signed `ca.pem` for loopback, its key and a PKCS12 store of both."""
    folder = tmp_path_factory.mktemp("tls")
    names = "subjectAltName=DNS:localhost,IP:127.0.0.1"
    request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    files = ["-keyout", "key.pem", "-out", "ca.pem", "-subj", "/CN=localhost", "-addext", names]
    store = ["openssl", "pkcs12", "-export", "-in", "ca.pem", "-inkey", "key.pem"]
    for command in (
        [*request, *files],
        [*store, "-out", "store.p12", "-passout", f"pass:{PASSWORD}"],
    ):
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="session")
def secure_kafka(
    tmp_path_factory: pytest.TempPathFactory, certificate: Path
) -> Iterator[EmbeddedKafka]:
    """A broker with a SASL_SSL listener and access control.

    `streamer` may do everything, `guest` nothing; the password of both is PASSWORD.
    """
    users = {"streamer": PASSWORD, "guest": PASSWORD}
    broker = EmbeddedKafka(
        tmp_path_factory.mktemp("secure-kafka"),
        secure=SecureListener(certificate / "store.p12", PASSWORD, users),
        properties={
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS;User:streamer",
        },
    )
    start_or_skip(broker)
    yield broker
    broker.kill()


@pytest.fixture
def topic() -> str:
    """A topic name that no other test uses."""
    return f"test.{uuid.uuid4().hex[:12]}"
