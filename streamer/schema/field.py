# SPDX-License-Identifier: Apache-2.0
"""What one field, and one topic made of fields, is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Type = Literal["keyword", "ip", "date_nanos", "long", "integer", "short", "boolean", "counts"]
Constant = str | tuple[str, ...]

JSON_SAFE_INTEGER = 2**53 - 1  # the largest a reader that keeps numbers as doubles gets right


@dataclass(frozen=True, slots=True)
class Field:
    """One leaf of a topic's records; everything generated is generated from these."""

    name: str
    """Dotted path in the nested JSON record."""
    type: Type
    """Elasticsearch's type; for an ECS field, ECS's (or see `exception`).

    `counts` is an object of counters by name, which readers must not know in advance.
    """
    description: str
    ecs: bool = False
    """The name is one of the Elastic Common Schema."""
    exception: str = ""
    """Why the type is not the one ECS gives."""
    required: bool = False
    """In every record."""
    bits: int = 0
    """Width of an integer."""
    signed: bool = False
    maximum: int | None = None
    """Where it is less than an unsigned integer of `bits` can hold."""
    many: bool = False
    """The value is a list."""
    values: tuple[str, ...] = ()
    """All values there are; empty: open."""
    pattern: str = ""
    """Regular expression that every value matches."""
    example: str | int | bool | None = None
    constant: Constant | None = None
    """The same in each record of the topic: left out of the records unless `encode.constants`."""
    default: int | None = None
    """A record without the field means this value."""
    column: str = ""
    """ClickHouse's column, where it is not the name with underscores."""
    delta: bool = False
    """Neighbouring rows are close in value: ClickHouse stores the differences."""
    plain: bool = False
    """Too many different values for ClickHouse's LowCardinality."""

    @property
    def path(self) -> tuple[str, ...]:
        return tuple(self.name.split("."))

    @property
    def column_name(self) -> str:
        return self.column or self.name.replace(".", "_")

    @property
    def largest(self) -> int:
        """The largest integer the field can hold."""
        return self.maximum if self.maximum is not None else 2**self.bits - 1


@dataclass(frozen=True, slots=True)
class Topic:
    """A Kafka topic: the fields of its records, and how the readers store them."""

    name: str
    title: str
    description: str
    record: str
    """Name of the class that one record is in Python."""
    table: str
    """ClickHouse's table."""
    order_by: str
    shard_key: str
    """By what ClickHouse spreads it over a cluster: the same for each delivery of an event."""
    rolled_up: bool
    """ClickHouse keeps sums of it by minute and hour."""
    index_pattern: str
    """Elasticsearch's data streams."""
    rollover_days: int
    """Elasticsearch begins a new backing index after these at the latest."""
    kept_days: int
    """And deletes a backing index so long after it was the newest."""
    fields: tuple[Field, ...]

    @property
    def constants(self) -> tuple[Field, ...]:
        return tuple(field for field in self.fields if field.constant is not None)

    @property
    def varying(self) -> tuple[Field, ...]:
        return tuple(field for field in self.fields if field.constant is None)

    def field(self, name: str) -> Field:
        return next(field for field in self.fields if field.name == name)
