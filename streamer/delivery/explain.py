# SPDX-License-Identifier: Apache-2.0
"""Why a broker can't be used, in words for the person who can change it."""

from __future__ import annotations

import asyncio
import socket
import ssl

from aiokafka import errors

from streamer.delivery.connections import NotKafkaError

TLS_ALERT = b"\x15\x03"


class ClusterError(Exception):
    """The cluster can't be used now; the text says why.

    `passing`: a state that brokers go through, worth a word only if it lasts.
    """

    def __init__(self, text: str, *, passing: bool = False) -> None:
        super().__init__(text)
        self.passing = passing


def explain(error: BaseException, security_protocol: str) -> str:
    """The reason in a few words, without the address."""
    for each in _causes(error):
        reason = _known(each, security_protocol)
        if reason is not None:
            return reason
    text = str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _causes(error: BaseException) -> list[BaseException]:
    """From the first cause outwards: the innermost says most."""
    causes: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in causes:
        causes.insert(0, current)
        current = current.__cause__
    return causes


def _known(error: BaseException, security_protocol: str) -> str | None:  # noqa: PLR0911
    if isinstance(error, ClusterError):
        return str(error)
    if isinstance(error, ssl.SSLCertVerificationError):
        told = error.verify_message or str(error)
        return f"its certificate is not trusted: {told} (see kafka.ssl_cafile)"
    if isinstance(error, ssl.SSLError):
        return (
            f"TLS failed: {error.reason or error}"
            f" (kafka.security_protocol is {security_protocol}: does it speak TLS on this port?)"
        )
    if isinstance(error, NotKafkaError):
        return _stranger(error.args[0], security_protocol)
    if isinstance(error, errors.CorrelationIdError):
        return _stranger(b"", security_protocol)
    if isinstance(error, errors.SaslAuthenticationFailed | errors.AuthenticationFailedError):
        told = ": ".join(str(part) for part in error.args)
        return f"authentication failed, check kafka.sasl_username and sasl_password ({told})"
    if isinstance(error, errors.UnsupportedSaslMechanismError | errors.IllegalSaslStateError):
        told = error.args[0] if error.args else error
        return f"the broker does not take kafka.sasl_mechanism ({told})"
    if isinstance(error, socket.gaierror):
        return f"its name can't be resolved: {error.strerror}"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, asyncio.IncompleteReadError | ConnectionResetError | BrokenPipeError):
        return (
            "the connection was closed by the other side"
            f" (kafka.security_protocol is {security_protocol}: is this the right port for it?)"
        )
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return None


def _stranger(first: bytes, security_protocol: str) -> str:
    """What answered, judged by its first bytes."""
    if first == b"HTTP":
        return "an HTTP server answers there, not Kafka"
    if first[:2] == TLS_ALERT:
        return f"it wants TLS on this port (kafka.security_protocol is {security_protocol})"
    return "something answers there, but not in Kafka's protocol"
