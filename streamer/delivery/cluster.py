# SPDX-License-Identifier: Apache-2.0
"""The brokers: connections to them, and which of them leads which partition."""

from __future__ import annotations

import asyncio
import random
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiokafka.conn import get_ip_port_afi
from aiokafka.errors import KafkaError
from aiokafka.protocol.metadata import MetadataRequest
from aiokafka.protocol.transaction import InitProducerIdRequest

from streamer.delivery.codes import verdict
from streamer.delivery.connections import BrokerConnection
from streamer.delivery.explain import ClusterError, explain

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable, Mapping

    from streamer.config import KafkaSettings
    from streamer.delivery.base import ConnectionTuple

# What is still on its way when a connection ends (FIN, RST) is ours as well.
TUPLE_LINGER_S = 3.0
CLOSE_TIMEOUT_S = 0.5
TRANSACTION_TIMEOUT_MS = 60_000  # part of InitProducerId, of no effect without transactions
# What connecting raises, aiokafka's own ways to say "not Kafka" or "not supported" included.
CONNECT_ERRORS = (OSError, EOFError, KafkaError, NotImplementedError, ValueError, struct.error)


@dataclass(frozen=True, slots=True)
class TopicLayout:
    """A topic as a broker described it: its error code, else the leader of each partition."""

    code: int
    leaders: Mapping[int, int] = field(default_factory=dict)  # -1: none now

    @property
    def partitions(self) -> int:
        return len(self.leaders)


@dataclass(frozen=True, slots=True)
class Layout:
    """The cluster as it was described last."""

    brokers: Mapping[int, tuple[str, int]]
    controller: int
    topics: Mapping[str, TopicLayout]


class Cluster:
    """Connects when asked, never by itself; every error says why."""

    def __init__(
        self,
        settings: KafkaSettings,
        tls: ssl.SSLContext | None,
        *,
        on_lost: Callable[[], None],
        on_connections_changed: Callable[[frozenset[ConnectionTuple]], None] | None,
    ) -> None:
        self._settings = settings
        self._tls = tls
        self._on_lost = on_lost
        self._on_connections_changed = on_connections_changed
        self._live: dict[tuple[str, int], BrokerConnection] = {}
        self._connecting: dict[tuple[str, int], asyncio.Task[BrokerConnection]] = {}
        self._tuples: set[ConnectionTuple] = set()
        self._timers: set[asyncio.TimerHandle] = set()
        self._closed = False
        self.layout: Layout | None = None
        self.bootstrap = [
            get_ip_port_afi(server)[:2] for server in settings.bootstrap_servers.split(",")
        ]

    def connection(self, node_id: int) -> BrokerConnection | None:
        """The live connection to a broker, if there is one."""
        if self.layout is None or node_id not in self.layout.brokers:
            return None
        return self._alive(self.layout.brokers[node_id])

    async def connect(self, node_id: int) -> BrokerConnection:
        """A live connection to a broker of the layout, made if need be."""
        if self.layout is None or node_id not in self.layout.brokers:
            raise ClusterError(f"broker {node_id} is unknown")
        address = self.layout.brokers[node_id]
        try:
            return await self._connect(address)
        except CONNECT_ERRORS as error:
            raise self._unusable(address, error) from error

    async def refresh(self, topics: Iterable[str]) -> Layout:
        """Asks any broker that answers for the layout."""
        request = MetadataRequest(sorted(topics), allow_auto_topic_creation=False)
        failure = ClusterError("no broker is configured")
        for address in self._candidates():
            try:
                connection = await self._connect(address)
                layout = _read_layout(await connection.request(request))
            except CONNECT_ERRORS as error:
                failure = self._unusable(address, error)
            else:
                if layout.brokers:
                    self.layout = layout
                    await self._drop_strangers()
                    return layout
                failure = ClusterError(
                    f"Kafka at {_text(address)} knows of no broker that takes requests yet",
                    passing=True,
                )
        raise failure

    async def request(self, node_id: int | None, request: Any) -> Any:
        """Sends one of aiokafka's requests to a broker (None: to any)."""
        if self.layout is None:
            raise ClusterError("no broker was reached yet")
        if node_id is None or node_id not in self.layout.brokers:
            node_id = random.choice(list(self.layout.brokers))  # noqa: S311 - spreads load
        connection = await self.connect(node_id)
        try:
            return await connection.request(request)
        except CONNECT_ERRORS as error:
            raise self._unusable(self.layout.brokers[node_id], error) from error

    async def new_producer_id(self) -> int:
        """A producer id that nobody else has."""
        no_transaction: Any = None
        request = InitProducerIdRequest(no_transaction, TRANSACTION_TIMEOUT_MS)
        response = await self.request(None, request)
        if response.error_code:
            found = verdict(response.error_code)
            raise ClusterError(
                f"Kafka gives us no producer id: {found.name}", passing=not found.forbidden
            )
        return int(response.producer_id)

    async def aclose(self) -> None:
        """Cuts every connection."""
        self._closed = True
        tasks = list(self._connecting.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        gone = [future for each in list(self._live.values()) if (future := each.close())]
        if gone:
            await asyncio.wait(gone, timeout=CLOSE_TIMEOUT_S)
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        self._tuples.clear()

    # ------------------------------------------------------------------ connections

    def _candidates(self) -> list[tuple[str, int]]:
        """Where to ask: open connections first, then known brokers, then those configured."""
        live = [address for address in self._live if self._alive(address)]
        known = list(self.layout.brokers.values()) if self.layout else []
        configured = list(self.bootstrap)
        for group in (live, known, configured):
            random.shuffle(group)
        return list(dict.fromkeys([*live, *known, *configured]))

    def _alive(self, address: tuple[str, int]) -> BrokerConnection | None:
        connection = self._live.get(address)
        return connection if connection is not None and connection.connected() else None

    async def _connect(self, address: tuple[str, int]) -> BrokerConnection:
        connection = self._alive(address)
        if connection is not None:
            return connection
        task = self._connecting.get(address)
        if task is None:
            task = asyncio.create_task(self._open(address))
            self._connecting[address] = task
            task.add_done_callback(lambda done: self._connect_done(address, done))
        return await asyncio.shield(task)

    def _connect_done(self, address: tuple[str, int], task: asyncio.Task[BrokerConnection]) -> None:
        self._connecting.pop(address, None)
        if not task.cancelled():
            task.exception()  # those who wait for it get it too; it may be nobody

    async def _open(self, address: tuple[str, int]) -> BrokerConnection:
        settings = self._settings
        password = settings.sasl_password
        connection = BrokerConnection(
            *address,
            on_open=self._add_tuple,
            on_closed=self._lost,
            client_id=settings.client_id,
            request_timeout_ms=settings.request_timeout_ms,
            ssl_context=self._tls,
            security_protocol=settings.security_protocol,
            sasl_mechanism=settings.sasl_mechanism,
            sasl_plain_username=settings.sasl_username,
            sasl_plain_password=password.get_secret_value() if password else None,
        )
        await connection.connect()
        self._live[address] = connection
        return connection

    def _lost(self, connection: BrokerConnection) -> None:
        address = (connection.host, connection.port)
        if self._live.get(address) is connection:
            del self._live[address]
        tuples, connection.tuples = connection.tuples, []
        if tuples and not self._closed:
            timer: asyncio.TimerHandle

            def forget() -> None:
                self._timers.discard(timer)
                self._tuples.difference_update(tuples)
                self._report()

            timer = asyncio.get_running_loop().call_later(TUPLE_LINGER_S, forget)
            self._timers.add(timer)
        if not self._closed:
            self._on_lost()

    async def _drop_strangers(self) -> None:
        """A bootstrap address may be a load balancer: not a broker to keep talking to."""
        if self.layout is None:
            return
        brokers = set(self.layout.brokers.values())
        for address, connection in list(self._live.items()):
            if address not in brokers:
                del self._live[address]
                connection.close()

    def _add_tuple(self, opened: ConnectionTuple) -> None:
        self._tuples.add(opened)
        self._report()

    def _report(self) -> None:
        if self._on_connections_changed is not None:
            self._on_connections_changed(frozenset(self._tuples))

    def _unusable(self, address: tuple[str, int], error: BaseException) -> ClusterError:
        reason = explain(error, self._settings.security_protocol)
        return ClusterError(f"Kafka at {_text(address)} can't be used: {reason}")


def _text(address: tuple[str, int]) -> str:
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _read_layout(response: Any) -> Layout:
    brokers = {node_id: (host, port) for node_id, host, port, *_ in response.brokers}
    topics: dict[str, TopicLayout] = {}
    for code, name, *_internal, partitions in response.topics:
        leaders = {partition: leader for _code, partition, leader, *_ in partitions}
        topics[name] = TopicLayout(code, leaders if code == 0 else {})
    return Layout(brokers, getattr(response, "controller_id", -1), topics)
