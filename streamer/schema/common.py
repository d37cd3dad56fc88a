# SPDX-License-Identifier: Apache-2.0
"""Fields that every topic has."""

from __future__ import annotations

from .field import JSON_SAFE_INTEGER, Constant, Field

ECS_VERSION = "9.4.0"
TIMESTAMP = "@timestamp"


def identity(timestamp: str) -> tuple[Field, ...]:
    """When, which record, and who made it; `timestamp` says of what the time is."""
    return (
        Field(
            TIMESTAMP,
            "date_nanos",
            timestamp,
            ecs=True,
            exception="ECS says date, which keeps milliseconds; records carry nanoseconds",
            required=True,
            pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$",
            example="2026-11-23T10:00:00.123456789Z",
            column="ts",
            delta=True,
        ),
        Field(
            "event.sequence",
            "long",
            "Number of the record: 0, 1, 2 … without a gap per `agent.ephemeral_id` and topic. "
            "With `agent.id` and `agent.ephemeral_id` it identifies the record.",
            ecs=True,
            required=True,
            bits=64,
            maximum=JSON_SAFE_INTEGER,
            example=4711,
            delta=True,
        ),
        Field(
            "agent.id",
            "keyword",
            "The installation, stable across restarts.",
            ecs=True,
            required=True,
            example="5f0c2a4e-6c1f-4a57-9d5e-0d7a3f1f9b11",
        ),
        Field(
            "agent.ephemeral_id",
            "keyword",
            "One run of one ring buffer; new at each start.",
            ecs=True,
            required=True,
            pattern=r"^\S{1,36}$",
            example="q3Zx0bTtW1aY",
        ),
        Field(
            "host.name",
            "keyword",
            "What `agent.host_name` says; absent if that is not set. Statistics always have it,"
            " by default the machine's name.",
            ecs=True,
            example="alpha",
        ),
    )


def constants(kind: str, dataset: str, category: Constant | None = None) -> tuple[Field, ...]:
    """Fields whose value is the same in each record of a topic."""
    rows = (
        ("ecs.version", "Version of the Elastic Common Schema the names are from.", ECS_VERSION),
        ("event.kind", "What sort of record this is.", kind),
        ("event.category", "What the record is about.", category),
        ("event.module", "The program.", "streamer"),
        ("event.dataset", "The topic's data set.", dataset),
    )
    return tuple(
        Field(
            name,
            "keyword",
            description,
            ecs=True,
            many=isinstance(constant, tuple),
            constant=constant,
        )
        for name, description, constant in rows
        if constant is not None
    )
