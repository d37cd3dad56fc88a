# SPDX-License-Identifier: Apache-2.0
"""From a Kafka topic into a data stream of one's own, by the shipped templates and rsyslog."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import Producer

from streamer.elastic import Client, apply, plan
from streamer.schema import PACKETS, STATS, TOPICS
from streamer.schema.elastic import base_name, stream_name
from tests.support.rsyslog import Rsyslog, running_rsyslog
from tests.support.topics import make_topic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime
    from pathlib import Path

    from streamer.demo.kafka import EmbeddedKafka
    from tests.support.elasticsearch import Elasticsearch

TIMEOUT_S = 60.0
POLL_S = 0.1
FOUND = 200
GROUPS = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"


@pytest.fixture(scope="session")
def search_server(elasticsearch: Elasticsearch) -> Elasticsearch:
    """The run's server, with the shipped templates."""

    async def set_up() -> None:
        client = Client(elasticsearch.url)
        await apply(client, await plan(client))

    asyncio.run(set_up())
    return elasticsearch


class Ingest:
    """One topic and the data stream that its records go to."""

    def __init__(
        self, kafka: EmbeddedKafka, server: Elasticsearch, folder: Path, kind: str = PACKETS.name
    ) -> None:
        self.name = uuid.uuid4().hex[:12]
        self.topic = f"{kind}.{self.name}"
        self.stream = f"{base_name(TOPICS[kind])}-{self.name}"
        self._kafka, self._server, self._folder, self._kind = kafka, server, folder, kind
        make_topic(kafka.bootstrap_servers, self.topic, 3)
        self._unread = f"unread.{self.name}"
        make_topic(kafka.bootstrap_servers, self._unread, 1)

    def send(self, records: Iterable[bytes | dict[str, Any]]) -> None:
        """Puts them into the topic: a document as JSON, bytes as they are."""
        producer = Producer({"bootstrap.servers": self._kafka.bootstrap_servers, "linger.ms": 5})
        for record in records:
            value = record if isinstance(record, bytes) else json.dumps(record).encode()
            producer.produce(self.topic, value)
        assert producer.flush(TIMEOUT_S) == 0

    @contextmanager
    def running(self, group: str = "reader", folder: str = "") -> Iterator[Rsyslog]:
        """rsyslog reads the topic, as a member of this group, with a work folder of this name."""
        other = STATS if self._kind == PACKETS.name else PACKETS
        changes = {
            stream_name(TOPICS[self._kind]): self.stream,
            f'topic="{self._kind}"': f'topic="{self.topic}"',
            # a topic of one's own for the other input too: it stays empty
            f'topic="{other.name}"': f'topic="{self._unread}"',
            "streamer-elasticsearch": f"{group}-{self.name}",
            "localhost:9092": self._kafka.bootstrap_servers,
            "http://localhost:9200": self._server.url,
        }
        with running_rsyslog(self._folder / (folder or group), changes) as rsyslog:
            yield rsyslog

    def go_back(self, to: datetime, group: str = "reader") -> None:
        """Lets the group read again from the first record of that time on."""
        at = ("--bootstrap-server", self._kafka.bootstrap_servers)
        of = ("--group", f"{group}-{self.name}")
        until(lambda: "Empty" in self._kafka.tool(GROUPS, *at, *of, "--describe", "--state"))
        time = f"{to:%Y-%m-%dT%H:%M:%S}.000Z"
        reset = ("--reset-offsets", "--to-datetime", time, "--topic", self.topic, "--execute")
        self._kafka.tool(GROUPS, *at, *of, *reset)

    def found(self) -> int:
        """How many documents a search finds now."""
        status, _ = self._server.request("POST", f"{self.stream}/_refresh")
        return self._server.count(self.stream) if status == FOUND else 0

    def wait_for(self, documents: int, timeout_s: float = TIMEOUT_S) -> None:
        """Until so many are found."""
        until(lambda: self.found() >= documents, timeout_s)


def until(condition: Callable[[], bool], timeout_s: float = TIMEOUT_S) -> None:
    """Polls until the condition holds."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(POLL_S)


def into_search(
    kafka: EmbeddedKafka,
    server: Elasticsearch,
    folder: Path,
    records: Iterable[bytes | dict[str, Any]],
    kind: str = PACKETS.name,
) -> str:
    """Sends records through a topic into a fresh data stream, and returns its name.

    All of them have to be found; what rsyslog set aside fails the test with its reason.
    """
    records = list(records)
    ingest = Ingest(kafka, server, folder, kind)
    ingest.send(records)
    with ingest.running() as rsyslog:
        until(lambda: ingest.found() + len(rsyslog.aside()) >= len(records))
        assert rsyslog.aside() == []
    return ingest.stream
