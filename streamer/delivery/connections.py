# SPDX-License-Identifier: Apache-2.0
"""One connection to a broker: aiokafka's, with the socket, the reading loop and Produce ours.

aiokafka does the version look-up, TLS and SASL, and matches answers to requests. Private parts of
its version 0.14 are used; tests/unit/delivery/test_aiokafka_contract.py holds them.
"""

from __future__ import annotations

import asyncio
import functools
import socket
import struct
from typing import TYPE_CHECKING, Any, cast

from aiokafka.conn import AIOKafkaConnection, AIOKafkaProtocol, CloseReason
from aiokafka.errors import IncompatibleBrokerVersion, KafkaConnectionError

from streamer.delivery.base import ConnectionTuple
from streamer.delivery.produce import (
    API_KEY,
    NEWEST_VERSION,
    OLDEST_VERSION,
    Exchange,
    PartitionAnswer,
    encode,
)

if TYPE_CHECKING:
    import weakref
    from collections.abc import Callable, Mapping, Sequence

    from typing_extensions import Buffer

LONGEST_ANSWER_BYTES = 64 << 20
STREAM_LIMIT_BYTES = 1 << 16


class NotKafkaError(ConnectionError):
    """Something answers on the port, but not in Kafka's protocol."""


class BrokerConnection(AIOKafkaConnection):  # type: ignore[misc] # aiokafka has no types
    """Connects from a port known beforehand, sends batches without copying them.

    `on_open` is told the connection's tuple before the first packet leaves; `on_closed` when the
    connection is gone.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        on_open: Callable[[ConnectionTuple], None],
        on_closed: Callable[[BrokerConnection], None],
        **settings: Any,
    ) -> None:
        super().__init__(host, port, on_close=lambda conn, _reason: on_closed(conn), **settings)
        self._on_open = on_open
        self._on_closed = on_closed
        self.tuples: list[ConnectionTuple] = []
        self.requests_in_flight = 0

    @property
    def timeout_s(self) -> float:
        """How long one request, or the connecting, may take."""
        return cast("float", self._request_timeout)

    async def connect(self) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """TCP, TLS, the versions the broker speaks, SASL; all within the request's time-out."""
        try:
            async with asyncio.timeout(self.timeout_s):
                await self._connect()
        except BaseException:
            self.close()
            self._on_closed(self)  # closing a half-made connection tells nobody
            raise

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        self._closed_fut = loop.create_future()
        tls = self._ssl_context if self._security_protocol in ("SSL", "SASL_SSL") else None
        reader = asyncio.StreamReader(limit=STREAM_LIMIT_BYTES, loop=loop)
        protocol = AIOKafkaProtocol(self._closed_fut, reader, loop=loop)
        sock = await self._open_socket(loop)
        try:
            transport, _ = await loop.create_connection(
                lambda: protocol, sock=sock, ssl=tls, server_hostname=self.host if tls else None
            )
        except BaseException:
            sock.close()
            raise
        self._reader, self._protocol = reader, protocol
        self._writer = asyncio.StreamWriter(transport, protocol, reader, loop)
        self._read_task = self._create_reader_task()
        await self._do_version_lookup()
        if self._security_protocol in ("SASL_SSL", "SASL_PLAINTEXT"):
            await self._do_sasl_handshake()

    async def _open_socket(self, loop: asyncio.AbstractEventLoop) -> socket.socket:
        addresses = await loop.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        failure: OSError = ConnectionError(f"{self.host} has no address")
        for family, kind, protocol, _, address in addresses:
            sock = socket.socket(family, kind | socket.SOCK_NONBLOCK, protocol)
            try:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._announce(sock, address)
                await loop.sock_connect(sock, address)
            except OSError as error:
                failure = error
                sock.close()
            except BaseException:
                sock.close()
                raise
            else:
                return sock
        raise failure

    def _announce(self, sock: socket.socket, address: Any) -> None:
        """Binds the socket, so that its packets can be told from others from the first on."""
        with socket.socket(sock.family, socket.SOCK_DGRAM) as probe:
            probe.connect(address)  # sends nothing; chooses the route, and so our address
            ours = probe.getsockname()
        sock.bind((ours[0], 0, *ours[2:]))
        local = sock.getsockname()
        opened = ConnectionTuple(_plain(local[0]), local[1], _plain(address[0]), address[1])
        self.tuples.append(opened)
        self._on_open(opened)

    def produce(
        self, topics: Mapping[str, Sequence[tuple[int, Buffer, int]]]
    ) -> asyncio.Future[list[PartitionAnswer]]:
        """Sends one Produce request; the buffers must not change until the future is done."""
        if self._writer is None:
            raise KafkaConnectionError("the connection is closed")
        oldest, newest = self._versions.get(API_KEY, (0, 0))
        version = min(newest, NEWEST_VERSION)
        if version < max(oldest, OLDEST_VERSION):
            raise IncompatibleBrokerVersion(
                f"the broker speaks versions {oldest} to {newest} of Produce, we speak"
                f" {OLDEST_VERSION} to {NEWEST_VERSION}"
            )
        loop = asyncio.get_running_loop()
        correlation_id = self._next_correlation_id()
        chunks = encode(
            topics,
            version=version,
            correlation_id=correlation_id,
            client_id=self._client_id,
            timeout_ms=int(self.timeout_s * 1000),
        )
        answer: asyncio.Future[list[PartitionAnswer]] = loop.create_future()
        timer = loop.call_later(self.timeout_s, self._overdue)
        self.requests_in_flight += 1
        answer.add_done_callback(functools.partial(self._answered, timer))
        self._requests.append((correlation_id, Exchange(version), answer))
        self._writer.transport.writelines(cast("list[bytes]", chunks))
        return answer

    def _answered(
        self, timer: asyncio.TimerHandle, _answer: asyncio.Future[list[PartitionAnswer]]
    ) -> None:
        timer.cancel()
        self.requests_in_flight -= 1

    def _overdue(self) -> None:
        self.close(CloseReason.CONNECTION_TIMEOUT, TimeoutError())

    async def request(self, request: Any) -> Any:
        """Sends one of aiokafka's requests and returns its answer."""
        try:
            return await self.send(request)
        except TimeoutError as error:
            self.close(CloseReason.CONNECTION_TIMEOUT, error)
            raise

    def close(self, reason: Any = None, exc: BaseException | None = None) -> Any:
        """At once: nothing that still waits in the transport leaves it.

        A buffer sent again elsewhere gets a new stamp; the old transport must not send it then.
        """
        if self._writer is not None:
            self._writer.transport.abort()
        return super().close(reason, exc)

    @staticmethod
    async def _read(self_ref: weakref.ref[BrokerConnection]) -> None:
        """Replaces aiokafka's loop, which takes any four bytes for a length."""
        connection = self_ref()
        if connection is None:
            return
        reader = connection._reader
        del connection
        while True:
            (size,) = struct.unpack(">i", await reader.readexactly(4))
            if not 4 <= size <= LONGEST_ANSWER_BYTES:
                raise NotKafkaError(struct.pack(">i", size))
            frame = await reader.readexactly(size)
            connection = self_ref()
            if connection is None:
                return
            try:
                connection._handle_frame(frame)
            except (ValueError, LookupError, struct.error) as error:
                raise NotKafkaError(frame[:4]) from error
            del connection


def _plain(address: str) -> str:
    return address.partition("%")[0]  # a link-local address may name its interface
