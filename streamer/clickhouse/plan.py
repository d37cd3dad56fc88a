# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: S608 -- the database's name is checked, the others are our own or quoted by the server
"""What is to be done to a server so that it has the tables of this version."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from streamer.clickhouse.found import kept
from streamer.errors import UsageError
from streamer.schema.clickhouse import VERSION, Layout, render, statements

if TYPE_CHECKING:
    from collections.abc import Iterator, Set

    from streamer.clickhouse.found import Found
    from streamer.schema import Topic

MADE = re.compile(r"CREATE (?:TABLE|MATERIALIZED VIEW) IF NOT EXISTS \w+\.(\w+)")
FUNCTION = re.compile(r"CREATE OR REPLACE FUNCTION (\w+)")
NO_REASON = "rejected by version 1, which kept no reasons"


class Step(NamedTuple):
    """One statement, and what it does."""

    does: str
    statement: str


def plan(found: Found, topic: Topic, broker: str | None) -> list[Step]:
    """The steps for one topic, none if all is there. All may be done again after a failure.

    The consumer goes first and comes last: what arrives in between waits in Kafka, and the group
    keeps its place there.
    """
    version = found.version(topic)
    dropped = _dropped(found, topic, version, broker)
    aside = _set_aside(found, topic) if version == 1 else []
    there = found.tables.keys() - dropped - set(aside)
    made = list(_missing(found, topic, there, version, broker))
    consumer = [step for step in made if f"{topic.table}_kafka" in step.statement]
    return [
        *(Step(f"drop {name}", f"DROP TABLE {found.database}.{name}") for name in dropped),
        *(Step(f"keep {name} as {kept(name)}", _rename(found, name)) for name in aside),
        *(step for step in made if step not in consumer),
        *(_copies(found, topic) if _copy_is_due(found, topic, version) else []),
        *consumer,
    ]


def _dropped(found: Found, topic: Topic, version: int, broker: str | None) -> list[str]:
    """What must not run, or not as it is; the consumer first, so that nothing is read meanwhile."""
    table = topic.table
    if version == 1:
        names = [f"{table}_kafka", f"{table}_writer", f"{table}_rejected_writer"]
    elif broker not in {None, found.broker(topic)}:
        names = [f"{table}_kafka", f"{table}_parser"]
    else:
        names = []
    return [name for name in names if name in found.tables]


def _set_aside(found: Found, topic: Topic) -> list[str]:
    names = (topic.table, f"{topic.table}_rejected")
    return [name for name in names if name in found.tables and kept(name) not in found.tables]


def _rename(found: Found, name: str) -> str:
    return f"RENAME TABLE {found.database}.{name} TO {found.database}.{kept(name)}"


def _missing(
    found: Found, topic: Topic, there: Set[str], version: int, broker: str | None
) -> Iterator[Step]:
    layout = Layout(found.database, broker or found.broker(topic) or "")
    for statement in statements(render(topic, layout)):
        if function := FUNCTION.match(statement):
            if function[1] not in found.functions or version != VERSION:
                yield Step(f"make the function {function[1]}", statement)
        elif made := MADE.match(statement):
            if made[1] in there:
                continue
            if "ENGINE = Kafka" in statement and not layout.broker:
                raise UsageError(
                    f"which brokers is {topic.name} to be read from?", "give --broker HOST:PORT,…"
                )
            yield Step(f"make {made[1]}", statement)
        elif not found.tables:
            yield Step(f"make the database {found.database}", statement)


def _copy_is_due(found: Found, topic: Topic, version: int) -> bool:
    """The parser is made last: with it, an earlier migration was complete."""
    begun = version == 1 or kept(topic.table) in found.tables
    return begun and f"{topic.table}_parser" not in found.tables


def _copies(found: Found, topic: Topic) -> Iterator[Step]:
    """The kept rows into the new tables; what is copied twice is a duplicate like any other."""
    table, old = f"{found.database}.{topic.table}", f"{found.database}.{kept(topic.table)}"
    name = kept(topic.table) if kept(topic.table) in found.tables else topic.table
    columns = ", ".join(found.columns[name])
    for partition in found.partitions.get(name, ()):
        yield Step(
            f"copy partition {partition} of {kept(topic.table)}",
            f"INSERT INTO {table} ({columns}) SELECT {columns} FROM {old}"
            f" WHERE _partition_id = '{partition}'",
        )
    if topic.rolled_up:
        yield Step(
            "note its minutes, to be summed up",
            f"INSERT INTO {table}_minutes (minute, arrived)"
            f" SELECT DISTINCT toStartOfMinute(ts), now64(3) FROM {old}",
        )
    rejected = f"{topic.table}_rejected"
    if rejected in found.tables or kept(rejected) in found.tables:
        places = "received, topic, partition, offset, record"
        yield Step(
            f"copy {kept(rejected)}",
            f"INSERT INTO {table}_rejected ({places}, reason) SELECT {places}, '{NO_REASON}'"
            f" FROM {found.database}.{kept(rejected)}",
        )
