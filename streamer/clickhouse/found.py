# SPDX-License-Identifier: Apache-2.0
"""What a server has of a topic's tables, and of which version it is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from streamer.errors import StreamerError
from streamer.schema.clickhouse import VERSION, column_type, comment

if TYPE_CHECKING:
    from collections.abc import Mapping, Set

    from streamer.clickhouse.client import Client
    from streamer.schema import Topic

NEEDED = (24, 10)  # the first release whose refreshable views need no experimental setting
SAID = re.compile(r"^streamer (\S+), tables of version (\d+)$")
BROKER = re.compile(r"kafka_broker_list = '((?:[^'\\]|\\.)*)'")
VERSION_1_ENGINE = "MergeTree"
VERSION_1_KEYS = {
    "packets": "toStartOfFiveMinutes(ts), community_id, ts",
    "stats": "agent_id, agent_ephemeral_id, ts",
}


@dataclass(frozen=True, slots=True)
class Table:
    """One table or view."""

    engine: str
    sorting_key: str
    comment: str
    definition: str


@dataclass(frozen=True, slots=True)
class Found:
    """A database as it is."""

    database: str
    tables: Mapping[str, Table]
    columns: Mapping[str, Mapping[str, str]]
    partitions: Mapping[str, tuple[str, ...]]
    functions: Set[str]

    def broker(self, topic: Topic) -> str | None:
        """The brokers that the topic's consumer reads from, if there is one."""
        consumer = self.tables.get(f"{topic.table}_kafka")
        found = BROKER.search(consumer.definition) if consumer else None
        return found[1].replace("\\'", "'").replace("\\\\", "\\") if found else None

    def version(self, topic: Topic) -> int:
        """Of the topic's tables: 0 if there are none. Refuses what is not ours, or newer."""
        table = self.tables.get(topic.table)
        if table is None:
            return 1 if kept(topic.table) in self.tables else 0
        said = SAID.match(table.comment)
        if said is None:
            self._require_version_1(topic, table)
            return 1
        name, version = said[1], int(said[2])
        if name != topic.name:
            raise self._foreign(topic, f"is of {name}")
        if version > VERSION:
            raise StreamerError(
                f"{self.database}.{topic.table} is of version {version},"
                f" this streamer knows up to {VERSION}",
                "use the streamer that made it, or a newer one",
            )
        if lacking := self._unlike(topic):
            raise self._foreign(topic, f"says {comment(topic)}, but lacks {', '.join(lacking)}")
        return version

    def _require_version_1(self, topic: Topic, table: Table) -> None:
        if table.engine != VERSION_1_ENGINE:
            raise self._foreign(topic, f"has the engine {table.engine}")
        if table.sorting_key != VERSION_1_KEYS[topic.table]:
            raise self._foreign(topic, f"is ordered by {table.sorting_key}")
        known = {field.column_name for field in topic.fields}
        strange = self.columns[topic.table].keys() - known
        if strange:
            raise self._foreign(topic, f"has the columns {', '.join(sorted(strange))}")
        if lacking := self._unlike(topic):
            raise self._foreign(topic, f"lacks {', '.join(lacking)}")

    def _unlike(self, topic: Topic) -> list[str]:
        there = self.columns[topic.table]
        return [
            f"{field.column_name} {column_type(field)}"
            for field in topic.fields
            if there.get(field.column_name) != column_type(field)
        ]

    def _foreign(self, topic: Topic, why: str) -> StreamerError:
        name = f"{self.database}.{topic.table}"
        return StreamerError(
            f"{name} was not made by streamer: it {why}",
            f"give another --database, or rename it: RENAME TABLE {name} TO {name}_mine",
        )


def kept(table: str) -> str:
    """The name under which a table of version 1 is kept."""
    return f"{table}_version_1"


async def find(client: Client, database: str) -> Found:
    """Look at the server; refuses one that is too old."""
    (server,) = await client.query("SELECT version() AS version")
    if tuple(map(int, str(server["version"]).split(".")[:2])) < NEEDED:
        raise StreamerError(
            f"ClickHouse at {client.url} is {server['version']}, the tables need"
            f" {'.'.join(map(str, NEEDED))} or newer (refreshable materialized views)"
        )
    here = {"database": database}
    tables = await client.query(
        "SELECT name, engine, sorting_key, comment, create_table_query AS definition"
        " FROM system.tables WHERE database = {database:String}",
        here,
    )
    columns: dict[str, dict[str, str]] = {}
    for row in await client.query(
        "SELECT table, name, type FROM system.columns WHERE database = {database:String}", here
    ):
        columns.setdefault(row["table"], {})[row["name"]] = row["type"]
    parts = await client.query(
        "SELECT table, groupUniqArray(partition_id) AS ids FROM system.parts"
        " WHERE database = {database:String} AND active GROUP BY table",
        here,
    )
    functions = await client.query(
        "SELECT name FROM system.functions WHERE origin = 'SQLUserDefined'"
    )
    return Found(
        database,
        {row.pop("name"): Table(**row) for row in tables},
        columns,
        {row["table"]: tuple(sorted(row["ids"])) for row in parts},
        {row["name"] for row in functions},
    )
