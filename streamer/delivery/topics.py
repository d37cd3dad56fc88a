# SPDX-License-Identifier: Apache-2.0
"""Topics that must be there: created when absent, if that is wanted and allowed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from aiokafka.protocol.admin import CreateTopicsRequest

from streamer.delivery.codes import verdict

if TYPE_CHECKING:
    from streamer.config import KafkaSettings
    from streamer.delivery.cluster import Cluster, TopicLayout

UNKNOWN_TOPIC = 3
ALREADY_EXISTS = 36
ATTEMPT_EVERY_S = 30.0
# By the time of arrival: retention must not delete at once what comes late, such as a replayed
# capture of last year, and a broker forgets producers by the same time. Events carry their own.
CONFIGURATION = [("message.timestamp.type", "LogAppendTime")]


class Topics:
    """Looks after the existence of some topics; says what stands against one."""

    def __init__(self, cluster: Cluster, settings: KafkaSettings) -> None:
        self._cluster = cluster
        self._settings = settings
        self._refused: dict[str, tuple[float, str]] = {}  # when, and what the broker said

    async def trouble(self, name: str, layout: TopicLayout | None) -> str | None:
        """None when the topic can be used; creates it if it is absent.

        Raises ClusterError when the brokers can't be asked.
        """
        if layout is None:
            return f"topic {name} is not described by the broker"
        if layout.code == UNKNOWN_TOPIC:
            if not self._settings.create_topics:
                return f"topic {name} does not exist (kafka.create_topics is off)"
            return await self._create(name)
        if layout.code:
            return f"topic {name} can't be used: {verdict(layout.code).name}"
        self._refused.pop(name, None)
        return None

    async def _create(self, name: str) -> str | None:
        """None when the topic now exists, or the broker's reason against it."""
        attempted, reason = self._refused.get(name, (0.0, ""))
        if reason and time.monotonic() - attempted < ATTEMPT_EVERY_S:
            return reason
        settings = self._settings
        topic: Any = (name, settings.partitions, settings.replication_factor, [], CONFIGURATION)
        request = CreateTopicsRequest(
            create_topic_requests=[topic],
            timeout=settings.request_timeout_ms,
            validate_only=False,
        )
        layout = self._cluster.layout
        response = await self._cluster.request(layout.controller if layout else None, request)
        _, code, *message = response.topic_errors[0]
        if code in (0, ALREADY_EXISTS):
            self._refused.pop(name, None)
            return None
        told = f" ({message[0]})" if message and message[0] else ""
        reason = f"topic {name} does not exist and can't be created: {verdict(code).name}{told}"
        self._refused[name] = (time.monotonic(), reason)
        return reason
