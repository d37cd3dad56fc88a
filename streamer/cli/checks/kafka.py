# SPDX-License-Identifier: Apache-2.0
"""Kafka, reached exactly as a run reaches it: brokers, what they advertise, topics."""

import asyncio
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from aiokafka.protocol.admin import CreateTopicsRequest

from streamer.cli.checks.check import Check
from streamer.config import KafkaSettings, Settings
from streamer.delivery.cluster import Cluster, Layout
from streamer.delivery.codes import verdict
from streamer.delivery.explain import ClusterError
from streamer.delivery.security import tls_context
from streamer.delivery.topics import UNKNOWN_TOPIC

REQUEST_TIMEOUT_MS = 2000
STEP_TIMEOUT_S = 3.0


def kafka(settings: Settings) -> Iterator[Check]:
    """The brokers and topics; nothing is created or sent."""
    if settings.output.file is not None:
        yield Check("kafka", "ok", f"not used: events go to {settings.output.file}")
        return
    # A name server that does not answer must not hold us up: glibc waits for 10 s and more.
    os.environ.setdefault("RES_OPTIONS", "timeout:1 attempts:1")
    with _silence("aiokafka", "asyncio"):
        findings = asyncio.run(_look(settings.kafka))
    yield from findings


@contextmanager
def _silence(*loggers: str) -> Iterator[None]:
    """What they would say is in the findings, in better words."""
    levels = {name: logging.getLogger(name).level for name in loggers}
    for name in loggers:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


async def _look(kafka: KafkaSettings) -> list[Check]:
    findings: list[Check] = []
    clusters: list[Cluster] = []
    answers = await asyncio.gather(
        *(_server(kafka, server, clusters, findings) for server in kafka.servers)
    )
    reached = next((answer for answer in answers if answer is not None), None)
    if reached is not None:
        cluster, layout = reached
        findings = [
            # One answer is enough for a run to find the others.
            Check(each.name, "warn", each.detail, each.cure) if each.status == "fail" else each
            for each in findings
        ]
        findings += await _brokers(cluster, layout)
        findings += await _topics(cluster, layout, kafka)
    for cluster in clusters:
        await cluster.aclose()
    return findings


async def _server(
    kafka: KafkaSettings, server: str, clusters: list[Cluster], findings: list[Check]
) -> tuple[Cluster, Layout] | None:
    alone = {"bootstrap_servers": server, "request_timeout_ms": REQUEST_TIMEOUT_MS}
    cluster = Cluster(
        kafka.model_copy(update=alone),
        tls_context(kafka),
        on_lost=lambda: None,
        on_connections_changed=None,
    )
    clusters.append(cluster)
    title = f"kafka {server}"
    try:
        topics = [kafka.topic, kafka.stats_topic]
        layout = await asyncio.wait_for(cluster.refresh(topics), STEP_TIMEOUT_S)
    except ClusterError as error:
        cure = "is the address right (--kafka), is the broker running, does a firewall forbid it?"
        detail = str(error).rpartition("can't be used: ")[2]  # the title has the address
        findings.append(Check(title, "fail", detail, cure))
        return None
    except TimeoutError:
        detail = f"no answer within {STEP_TIMEOUT_S:g} s"
        findings.append(
            Check(title, "fail", detail, "is the address right, is a firewall between?")
        )
        return None
    count = len(layout.brokers)
    findings.append(Check(title, "ok", f"answers as Kafka, with {count} broker{'s' * (count > 1)}"))
    return cluster, layout


async def _brokers(cluster: Cluster, layout: Layout) -> list[Check]:
    """Each broker at the address it advertises, which is where events are sent."""

    async def reach(node: int) -> str | None:
        try:
            await asyncio.wait_for(cluster.connect(node), STEP_TIMEOUT_S)
        except ClusterError as error:
            return str(error)
        except TimeoutError:
            return "no answer in time"
        return None

    nodes = sorted(layout.brokers)
    troubles = await asyncio.gather(*(reach(node) for node in nodes))
    return [
        Check(
            f"kafka broker {node}",
            "fail",
            f"advertises itself as {':'.join(map(str, layout.brokers[node]))}: {trouble}",
            "the broker's advertised.listeners must name an address this machine can reach",
        )
        for node, trouble in zip(nodes, troubles, strict=True)
        if trouble is not None
    ]


async def _topics(cluster: Cluster, layout: Layout, kafka: KafkaSettings) -> list[Check]:
    findings = []
    for name in (kafka.topic, kafka.stats_topic):
        title, topic = f"topic {name}", layout.topics.get(name)
        if topic is not None and topic.code == 0:
            leaderless = [part for part, leader in topic.leaders.items() if leader < 0]
            detail = f"{topic.partitions} partition{'s' * (topic.partitions > 1)}"
            if leaderless:
                detail += f", without a leader: {', '.join(map(str, leaderless))}"
                findings.append(
                    Check(title, "warn", detail, "events wait for it: start its broker")
                )
            else:
                findings.append(Check(title, "ok", detail))
        elif topic is not None and topic.code != UNKNOWN_TOPIC:
            findings.append(
                Check(title, "fail", verdict(topic.code).name, "grant Describe and Write on it")
            )
        elif not kafka.create_topics:
            findings.append(
                Check(title, "fail", "absent", "create it, or set kafka.create_topics = true")
            )
        else:
            findings.append(await _creatable(cluster, layout, kafka, name))
    return findings


async def _creatable(cluster: Cluster, layout: Layout, kafka: KafkaSettings, name: str) -> Check:
    """Ask the controller, which validates and does not create."""
    title, cure = f"topic {name}", "create it yourself, or allow it (Create on the cluster)"
    topic: Any = (name, kafka.partitions, kafka.replication_factor, [], [])
    request = CreateTopicsRequest(
        create_topic_requests=[topic], timeout=REQUEST_TIMEOUT_MS, validate_only=True
    )
    try:
        asked = cluster.request(layout.controller, request)
        response = await asyncio.wait_for(asked, STEP_TIMEOUT_S)
    except (ClusterError, TimeoutError) as error:
        return Check(title, "fail", f"absent; can't be asked for: {error or 'no answer'}", cure)
    _, code, *message = response.topic_errors[0]
    if code:
        told = f" ({message[0]})" if message and message[0] else ""
        return Check(title, "fail", f"absent, can't be created: {verdict(code).name}{told}", cure)
    return Check(title, "ok", f"absent; a run creates it with {kafka.partitions} partitions")
