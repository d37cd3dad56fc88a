# SPDX-License-Identifier: Apache-2.0
"""The demo's traffic, and some trouble, captured into Kafka and from there into Elasticsearch."""

from __future__ import annotations

import asyncio
import copy
import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from streamer.demo.network import LINK, Network
from streamer.demo.traffic import Traffic
from streamer.schema import PACKETS, STATS
from tests.support.netns import require_namespaces
from tests.support.search import Ingest
from tests.support.service import service
from tests.support.topics import read_topic
from tests.support.trouble import make_trouble

if TYPE_CHECKING:
    from pathlib import Path

    from streamer.demo.kafka import EmbeddedKafka
    from tests.support.elasticsearch import Elasticsearch

Json = dict[str, Any]
Event = dict[str, Any]
"""A record with its members under dotted names."""

LOST = 7
LOSSY_RUN = "lossy"


@dataclass(frozen=True)
class DemoIndex:
    """Where the events are, and what was read from Kafka without Elasticsearch; by topic."""

    server: Elasticsearch
    streams: dict[str, str]
    events: dict[str, list[Event]]

    def search(self, topic: str, body: Json) -> Json:
        """One request as it is; its answer."""
        answer: Json = self.server.post(f"{self.streams[topic]}/_search", body)
        assert answer["_shards"]["failed"] == 0, answer["_shards"]
        return answer


def flat(document: Json, prefix: str = "") -> Event:
    """Members of members under dotted names."""
    found: Event = {}
    for name, value in document.items():
        if isinstance(value, dict):
            found |= flat(value, f"{prefix}{name}.")
        else:
            found[prefix + name] = value
    return found


def identity(event: Event) -> tuple[str, str, int]:
    """What no two events have in common."""
    return event["agent.id"], event["agent.ephemeral_id"], event["event.sequence"]


def capture(broker: str, topics: dict[str, str], folder: Path) -> None:
    """Let the demo's programs talk, make trouble, and send what was seen to these topics."""
    network = Network("")
    # names of its own: a demo that starts removes what is called like a demo's
    network.client = replace(network.client, name=f"kibana-{os.getpid()}-client")
    network.server = replace(network.server, name=f"kibana-{os.getpid()}-server")
    settings = {
        "kafka.topic": topics[PACKETS.name],
        "kafka.stats_topic": topics[STATS.name],
        "stats.interval_s": 1,
    }

    async def talk() -> None:
        async with Traffic(network, folder) as traffic:
            await traffic.start()
            options = ("-i", LINK, "--netns", str(network.client.netns), "--kafka", broker)
            with service(folder, *options, settings=settings) as running:
                running.started()
                await traffic.run()
                make_trouble(network)
                assert running.end() == 0, running.text

    try:
        network.create()
        asyncio.run(talk())
    finally:
        network.remove()


def documents(broker: str, topic: str) -> list[Json]:
    """All that is in a topic."""
    return [record.document for part in read_topic(broker, topic) for record in part]


@pytest.fixture(scope="session")
def demo_index(
    kafka: EmbeddedKafka, search_server: Elasticsearch, tmp_path_factory: pytest.TempPathFactory
) -> DemoIndex:
    """Read it; nobody writes to it. One ledger in it is of a run that lost events."""
    require_namespaces()
    folder, broker = tmp_path_factory.mktemp("demo-index"), kafka.bootstrap_servers
    ingests = {
        name: Ingest(kafka, search_server, folder / name, name)
        for name in (PACKETS.name, STATS.name)
    }
    capture(broker, {name: ingest.topic for name, ingest in ingests.items()}, folder)

    stats = ingests[STATS.name]
    last = max(documents(broker, stats.topic), key=lambda one: one["event"]["sequence"])
    lossy = copy.deepcopy(last)
    lossy["agent"]["ephemeral_id"] = LOSSY_RUN
    lossy["ledger"]["lost"] = lossy["ledger"]["packets"]["dropped"]["ring_full"] = LOST
    stats.send([lossy])

    events: dict[str, list[Event]] = {}
    for name, ingest in ingests.items():
        events[name] = [flat(one) for one in documents(broker, ingest.topic)]
        with ingest.running() as rsyslog:
            ingest.wait_for(len(events[name]))
            assert rsyslog.aside() == []
    streams = {name: ingest.stream for name, ingest in ingests.items()}
    return DemoIndex(search_server, streams, events)
