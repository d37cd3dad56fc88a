# SPDX-License-Identifier: Apache-2.0
"""Produce requests as a list of buffers, and their answers.

aiokafka's own encoder copies each batch eight times on its way to the socket; here the batches'
own memory goes to the transport.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from io import BytesIO

    from typing_extensions import Buffer

API_KEY = 0
OLDEST_VERSION = 3  # the first that carries record batches
NEWEST_VERSION = 8  # the last before the flexible encoding; says why a record was refused
ALL_REPLICAS = -1
NO_TRANSACTION = -1

_REQUEST = struct.Struct(">ihhi")  # length of what follows, API key, version, correlation id
_BODY = struct.Struct(">hhii")  # transactional id (none), acks, time-out, number of topics
_INT16 = struct.Struct(">h")
_INT32 = struct.Struct(">i")
_PARTITION = struct.Struct(">ii")  # partition, length of its records
_ANSWER = struct.Struct(">ihqq")  # partition, error code, offset, log append time
_INT64_SIZE = 8


class PartitionAnswer(NamedTuple):
    """What the broker says of one batch."""

    topic: str
    partition: int
    code: int
    message: str | None


def encode(
    topics: Mapping[str, Sequence[tuple[int, Buffer, int]]],
    *,
    version: int,
    correlation_id: int,
    client_id: str,
    timeout_ms: int,
) -> list[Buffer]:
    """A whole request; each batch is given as partition, buffer and the buffer's length."""
    client = client_id.encode()
    head = (
        _INT16.pack(len(client))
        + client
        + _BODY.pack(NO_TRANSACTION, ALL_REPLICAS, timeout_ms, len(topics))
    )
    chunks: list[Buffer] = []
    text = b""  # what precedes the next batch
    length = _REQUEST.size - _INT32.size + len(head)
    for topic, batches in topics.items():
        name = topic.encode()
        text += _INT16.pack(len(name)) + name + _INT32.pack(len(batches))
        for partition, batch, size in batches:
            text += _PARTITION.pack(partition, size)
            length += len(text) + size
            chunks += (text, batch)
            text = b""
    first = _REQUEST.pack(length, API_KEY, version, correlation_id) + head
    chunks[0] = first + bytes(chunks[0])
    return chunks


class ResponseHeader(NamedTuple):
    """Named as aiokafka's connection expects it."""

    correlation_id: int


class Exchange:
    """Stands for a request in aiokafka's list of those that wait for an answer."""

    def __init__(self, version: int) -> None:
        self._version = version

    @property
    def RESPONSE_TYPE(self) -> Exchange:
        return self

    def parse_response_header(self, stream: BytesIO) -> ResponseHeader:
        """The header of the response; called by aiokafka before `decode`."""
        return ResponseHeader(*_INT32.unpack(stream.read(_INT32.size)))

    def decode(self, stream: BytesIO) -> list[PartitionAnswer]:
        """The answers of all partitions."""
        return decode(stream.read(), self._version)


def decode(data: bytes, version: int) -> list[PartitionAnswer]:
    """The body of a Produce response of any version from 3 to 8."""
    answers: list[PartitionAnswer] = []
    (topics,), at = _INT32.unpack_from(data, 0), _INT32.size
    for _ in range(topics):
        topic, at = _string(data, at)
        (partitions,) = _INT32.unpack_from(data, at)
        at += _INT32.size
        for _ in range(partitions):
            partition, code, _offset, _time = _ANSWER.unpack_from(data, at)
            at += _ANSWER.size
            message = None
            if version >= 5:
                at += _INT64_SIZE  # where the log starts
            if version >= 8:
                (errors,) = _INT32.unpack_from(data, at)
                at += _INT32.size
                for _ in range(max(errors, 0)):
                    told, at = _string(data, at + _INT32.size)  # after the record's index
                    message = message or told
                told, at = _string(data, at)
                message = told or message
            answers.append(PartitionAnswer(topic or "", partition, code, message))
    return answers


def _string(data: bytes, at: int) -> tuple[str | None, int]:
    (length,) = _INT16.unpack_from(data, at)
    at += _INT16.size
    if length < 0:
        return None, at
    return data[at : at + length].decode(), at + length
