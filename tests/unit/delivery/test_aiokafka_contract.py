# SPDX-License-Identifier: Apache-2.0
"""The parts of aiokafka 0.14 that delivery relies on, private ones among them.

When this fails after an update of aiokafka, streamer/delivery/connections.py must be looked at.
"""

from __future__ import annotations

import asyncio
import inspect
import io
from collections import deque
from importlib.metadata import version
from typing import Any

from aiokafka.conn import AIOKafkaConnection, AIOKafkaProtocol, CloseReason, get_ip_port_afi
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.admin import CreateTopicsRequest
from aiokafka.protocol.metadata import MetadataRequest
from aiokafka.protocol.produce import ProduceRequest, ProduceResponse_v5, ProduceResponse_v8
from aiokafka.protocol.transaction import InitProducerIdRequest

from streamer.delivery import produce
from streamer.delivery.connections import BrokerConnection
from streamer.delivery.produce import PartitionAnswer


def test_the_version_is_the_one_that_was_read() -> None:
    assert version("aiokafka").startswith("0.14.")


def connection() -> BrokerConnection:
    return BrokerConnection(
        *("127.0.0.1", 9),
        on_open=lambda _: None,
        on_closed=lambda _: None,
        client_id="streamer",
        request_timeout_ms=1000,
        security_protocol="PLAINTEXT",
    )


async def test_attributes_of_a_connection() -> None:
    conn: Any = connection()
    assert conn._reader is None
    assert conn._writer is None
    assert conn._read_task is None
    assert conn._closed_fut is None
    assert conn._ssl_context is None
    assert isinstance(conn._requests, deque)
    assert conn._versions == {}
    assert conn._request_timeout == 1.0
    assert conn._client_id == "streamer"
    assert conn._security_protocol == "PLAINTEXT"
    assert conn._next_correlation_id() == 1
    for name in ("_do_version_lookup", "_do_sasl_handshake", "_create_reader_task"):
        assert callable(getattr(conn, name))
    assert not conn.connected()


def test_signatures_that_are_overridden_or_called() -> None:
    assert list(inspect.signature(AIOKafkaConnection.close).parameters) == ["self", "reason", "exc"]
    assert list(inspect.signature(AIOKafkaConnection._read).parameters) == ["self_ref"]
    assert list(inspect.signature(AIOKafkaConnection._handle_frame).parameters) == ["self", "resp"]
    assert "closed_fut" in inspect.signature(AIOKafkaProtocol.__init__).parameters
    source = inspect.getsource(AIOKafkaConnection._create_reader_task)
    assert "self._read(self_ref)" in source  # so that ours is the one that runs
    assert get_ip_port_afi("[::1]:9094")[:2] == ("::1", 9094)
    assert get_ip_port_afi("broker")[:2] == ("broker", 9092)


async def test_an_answer_reaches_its_future_and_a_close_fails_the_others() -> None:
    conn: Any = connection()
    loop = asyncio.get_running_loop()
    first, second = loop.create_future(), loop.create_future()
    conn._requests.append((1, produce.Exchange(8), first))
    conn._requests.append((2, produce.Exchange(8), second))
    conn._handle_frame(b"\0\0\0\1" + produce_response(ProduceResponse_v8))
    assert first.result()[0] == PartitionAnswer("packets", 2, 10, "too large")
    conn._reader = asyncio.StreamReader()
    conn._writer = StubWriter()
    conn._read_task = asyncio.create_task(asyncio.sleep(0))
    conn.close(CloseReason.CONNECTION_TIMEOUT, TimeoutError())
    error = second.exception()
    assert isinstance(error, KafkaConnectionError)
    assert isinstance(error.__cause__, TimeoutError)
    assert StubWriter.aborted


class StubWriter:
    """A stream writer and its transport."""

    aborted = False

    @property
    def transport(self) -> StubWriter:
        return self

    def abort(self) -> None:
        StubWriter.aborted = True

    def close(self) -> None:
        assert StubWriter.aborted, "closing first would let waiting bytes leave"


def produce_response(kind: Any) -> bytes:
    answer: tuple[Any, ...] = (2, 10, -1, -1, 0)
    good: tuple[Any, ...] = (0, 0, 4711, -1, 0)
    if kind is ProduceResponse_v8:
        answer += ([(7, "this one")], "too large")
        good += ([], None)
    encoded: bytes = kind([("packets", [answer, good])], 0).encode()
    return encoded


def test_answers_are_read_as_aiokafka_writes_them() -> None:
    good = PartitionAnswer("packets", 0, 0, None)
    assert produce.decode(produce_response(ProduceResponse_v8), 8) == [
        PartitionAnswer("packets", 2, 10, "too large"),
        good,
    ]
    assert produce.decode(produce_response(ProduceResponse_v5), 5) == [
        PartitionAnswer("packets", 2, 10, None),
        good,
    ]


def test_requests_are_written_as_aiokafka_writes_them() -> None:
    batches = {"packets": [(2, b"A" * 70), (0, b"B" * 80)], "stats": [(1, b"C" * 90)]}
    chunks = produce.encode(
        {
            topic: [(partition, data, len(data)) for partition, data in parts]
            for topic, parts in batches.items()
        },
        version=7,
        correlation_id=99,
        client_id="streamer",
        timeout_ms=1234,
    )
    request = ProduceRequest(None, -1, 1234, list(batches.items())).prepare({0: (3, 7)})
    header = request.build_request_header(correlation_id=99, client_id="streamer")
    message = header.encode() + request.encode()
    assert b"".join(bytes(chunk) for chunk in chunks) == len(message).to_bytes(4, "big") + message


def test_requests_that_aiokafka_writes_for_us() -> None:
    metadata = MetadataRequest(["packets"], allow_auto_topic_creation=False).prepare({3: (0, 13)})
    assert metadata.encode() == b"\0\0\0\1\0\7packets\0"
    no_transaction: Any = None
    producer_id = InitProducerIdRequest(no_transaction, 60_000)
    assert producer_id.prepare({22: (0, 6)}).encode() == b"\xff\xff\0\0\xea\x60"
    topics: Any = [("packets", 3, -1, [], [])]
    create = CreateTopicsRequest(topics, 1000, False).prepare({19: (2, 7)})
    fields = create.SCHEMA.decode(io.BytesIO(create.encode()))
    assert fields == ([("packets", 3, -1, [], [])], 1000, False)
