# SPDX-License-Identifier: Apache-2.0
"""The sections of the configuration, one frozen model per component, with their defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from annotated_types import Ge, Le
from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator
from pydantic_core import PydanticCustomError

from streamer.config.types import (
    KIB,
    MIB,
    InterfacePattern,
    Milliseconds,
    Name,
    Port,
    PowerOfTwo,
    ReadableFile,
    RingBytes,
    Seconds,
    Servers,
    Topic,
)

Direction = Literal["ingress", "egress"]
MIN_BATCH_BYTES = 8 * KIB
MAX_BATCH_BYTES = 1_000_000  # a broker takes 1 MiB by default, header and frame included


def _conflict(key: str, expected: str) -> PydanticCustomError:
    """Two settings that do not go together; told as a problem of one of them."""
    return PydanticCustomError("conflict", "{expected}", {"key": key, "expected": expected})


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class AgentSettings(Section):
    """Who this installation is, in every event."""

    id: Name | None = Field(
        default=None, description="agent.id; derived from /etc/machine-id if not set"
    )
    host_name: Name | None = Field(
        default=None, description="host.name in every event; statistics have it anyway"
    )


class CaptureSettings(Section):
    """Where packets are seen."""

    interfaces: tuple[InterfacePattern, ...] = Field(
        default=(), description="names or shell patterns"
    )
    hook: Literal["tc", "xdp", "socket"] = Field(default="tc", description="where in the kernel")
    tc_attach: Literal["auto", "tcx", "clsact"] = Field(
        default="auto",
        description="TCX links where the kernel has them (6.6), clsact filters elsewhere",
    )
    xdp_mode: Literal["auto", "native", "generic"] = Field(
        default="auto", description="native runs in the driver, generic on any device"
    )
    direction: Literal["ingress", "egress", "both"] = Field(
        default="both", description="xdp sees ingress only"
    )
    netns: Path | None = Field(
        default=None, description="network namespace, such as /run/netns/NAME"
    )
    ring_bytes: RingBytes = Field(
        default=8 * MIB, description="ring buffer between kernel and reader"
    )
    wakeup_bytes: PowerOfTwo = Field(default=16 * KIB, description="fill that wakes the reader")
    exclude_own: bool = Field(
        default=True, description="leave out streamer's own connections to Kafka"
    )

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if self.hook == "xdp" and self.direction == "egress":
            raise _conflict("direction", "ingress or both, as XDP sees no egress")
        if self.wakeup_bytes >= self.ring_bytes:
            raise _conflict("wakeup_bytes", f"less than ring_bytes, {self.ring_bytes}")
        return self

    @property
    def directions(self) -> tuple[Direction, ...]:
        """The directions that are really captured with this hook."""
        if self.hook == "xdp":
            return ("ingress",)
        return ("ingress", "egress") if self.direction == "both" else (self.direction,)


class EncodeSettings(Section):
    """How an event becomes a JSON document."""

    constants: bool = Field(
        default=False, description="write fields that never vary into each event"
    )
    community_id_seed: Annotated[int, Ge(0), Le(65535)] = Field(
        default=0, description="Community ID seed"
    )
    flow_cache_bytes: Annotated[int, Ge(64 * KIB), Le(4096 * MIB)] = Field(
        default=4 * MIB, description="memory for the texts of flows"
    )


class BatchSettings(Section):
    """How documents are gathered into record batches."""

    bytes: Annotated[int, Ge(MIN_BATCH_BYTES), Le(MAX_BATCH_BYTES)] = Field(
        default=512 * KIB, description="sealed when this large, before compression"
    )
    linger_ms: Milliseconds = Field(default=200, description="sealed when this old")
    compression: Literal["lz4", "none"] = Field(default="lz4", description="of record batches")
    memory_bytes: Annotated[int, Ge(MIB)] = Field(
        default=64 * MIB, description="for sealed batches; when used up, the reader pauses"
    )

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if self.memory_bytes < 4 * self.bytes:
            raise _conflict("memory_bytes", f"at least four times batch.bytes, {4 * self.bytes}")
        return self


class KafkaSettings(Section):
    """The brokers, and how to talk to them."""

    bootstrap_servers: Servers = Field(default="localhost:9092", description="HOST:PORT,…")
    topic: Topic = Field(default="packets.v1", description="packet events")
    stats_topic: Topic = Field(default="stats.v1", description="the ledger, every stats.interval_s")
    partitions: Annotated[int, Ge(1), Le(10_000)] = Field(
        default=3, description="of a topic we create"
    )
    replication_factor: Annotated[int, Ge(-1), Le(32767)] = Field(
        default=-1, description="of a topic we create; -1: the broker's default"
    )
    create_topics: bool = Field(default=True, description="create topics that are absent")
    client_id: Name = Field(default="streamer", description="shown in the broker's logs")
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        default="PLAINTEXT", description="with TLS (SSL), with a name and password (SASL)"
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = Field(
        default=None, description="with SASL: how the name and password are proved"
    )
    sasl_username: str | None = Field(default=None, description="with SASL")
    sasl_password: SecretStr | None = Field(default=None, description="with SASL; never shown")
    ssl_cafile: ReadableFile | None = Field(
        default=None, description="PEM; the system's if not set"
    )
    ssl_certfile: ReadableFile | None = Field(
        default=None, description="PEM, the client's certificate"
    )
    ssl_keyfile: ReadableFile | None = Field(default=None, description="PEM, the client's key")
    ssl_key_password: SecretStr | None = Field(
        default=None, description="of ssl_keyfile; never shown"
    )
    request_timeout_ms: Milliseconds = Field(
        default=10_000, description="until a request is tried again"
    )
    max_in_flight_bytes: Annotated[int, Ge(64 * KIB)] = Field(
        default=16 * MIB, description="sent and not yet acknowledged, all brokers together"
    )

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if self.topic == self.stats_topic:
            raise _conflict("stats_topic", "another topic than kafka.topic")
        if self.security_protocol.startswith("SASL_"):
            for key in ("sasl_mechanism", "sasl_username", "sasl_password"):
                if getattr(self, key) is None:
                    raise _conflict(key, f"to be set, with {self.security_protocol}")
        elif self.sasl_mechanism is not None:
            raise _conflict("security_protocol", "SASL_SSL or SASL_PLAINTEXT, with sasl_mechanism")
        if self.ssl_keyfile is not None and self.ssl_certfile is None:
            raise _conflict("ssl_certfile", "to be set, with ssl_keyfile")
        return self

    @property
    def servers(self) -> list[str]:
        """The bootstrap servers, one string each."""
        return [server.strip() for server in self.bootstrap_servers.split(",")]


class OutputSettings(Section):
    """JSON lines to a file in place of Kafka."""

    file: Path | None = Field(default=None, description='a file, or "-" for standard output')


class HttpSettings(Section):
    """The listener of /metrics, /healthz and /readyz."""

    enabled: bool = Field(default=True, description="false: no listener")
    host: Name = Field(default="127.0.0.1", description="address to listen on")
    port: Port = Field(default=9477, description="0: any free port")


class StatsSettings(Section):
    """The ledger as events."""

    interval_s: Seconds = Field(default=5.0, description="between two records of kafka.stats_topic")


class LogSettings(Section):
    """What streamer says on standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="and everything above it"
    )
    format: Literal["auto", "console", "json"] = Field(
        default="auto", description="console on a terminal, JSON lines elsewhere"
    )


class ShutdownSettings(Section):
    """The end of a run."""

    deadline_s: Seconds = Field(default=10.0, description="to drain, send and stop")


class Settings(Section):
    """Everything that can be configured."""

    agent: AgentSettings = AgentSettings()
    capture: CaptureSettings = CaptureSettings()
    encode: EncodeSettings = EncodeSettings()
    batch: BatchSettings = BatchSettings()
    kafka: KafkaSettings = KafkaSettings()
    output: OutputSettings = OutputSettings()
    http: HttpSettings = HttpSettings()
    stats: StatsSettings = StatsSettings()
    log: LogSettings = LogSettings()
    shutdown: ShutdownSettings = ShutdownSettings()


def section_models() -> dict[str, type[Section]]:
    """The name and model of every section, in their order."""
    return {
        name: field.annotation
        for name, field in Settings.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section)
    }
