# SPDX-License-Identifier: Apache-2.0
"""Where ClickHouse's tables are: a database of one server, or of a cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

DATABASE = "streamer"
BROKER = "localhost:9092"
VERSION = 2


@dataclass(frozen=True, slots=True)
class Layout:
    """Names and engines; in a cluster each table has a replicated part on every shard."""

    database: str = DATABASE
    broker: str = BROKER
    clustered: bool = False

    @property
    def on_cluster(self) -> str:
        """What a statement says to be run on all servers; the name is a macro of the server."""
        return " ON CLUSTER '{cluster}'" if self.clustered else ""

    def name(self, table: str) -> str:
        """A table's name with its database."""
        return f"{self.database}.{table}"

    def group(self, table: str) -> str:
        """The consumers' group: one per database, or two databases would share the records."""
        parts = ("clickhouse", *([self.database] if self.database != DATABASE else []), table)
        return "-".join(parts)

    def local(self, table: str) -> str:
        """The name of what this server itself keeps of a table."""
        return self.name(f"{table}_local" if self.clustered else table)

    def table(
        self,
        name: str,
        columns: Sequence[str],
        *,
        engine: str,
        order: str,
        partition: str = "",
        comment: str = "",
        shard_key: str = "",
    ) -> str:
        """A table that keeps rows; in a cluster, its part on each shard and the whole.

        `shard_key` is for a table that is written as a whole.
        """
        own = self.local(name)
        made = f"Replicated{engine}" if self.clustered else engine
        lines = [
            f"CREATE TABLE IF NOT EXISTS {own}{self.on_cluster}",
            "(",
            ",\n".join(f"    {column}" for column in columns),
            ")",
            f"ENGINE = {made}",
            *([f"PARTITION BY {partition}"] if partition else []),
            f"ORDER BY ({order})",
            *([f"COMMENT '{comment}'"] if comment else []),
        ]
        statement = "\n".join(lines) + ";\n"
        if not self.clustered:
            return statement
        place = ", ".join(filter(None, (self.database, f"{name}_local", shard_key)))
        return f"""{statement}
CREATE TABLE IF NOT EXISTS {self.name(name)}{self.on_cluster} AS {own}
ENGINE = Distributed('{{cluster}}', {place});
"""
