# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: S608 -- the names are our own
"""`streamer clickhouse apply` on a real ClickHouse: new, again, from version 1, refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

import pytest

from streamer.demo.kafka import free_ports
from streamer.errors import ExitCode
from streamer.schema.clickhouse import Layout, statements
from tests.support.clickhouse import count, produce, refresh, select, wait_for
from tests.support.topics import make_topic

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamer.demo.clickhouse import ClickHouse
    from streamer.demo.kafka import EmbeddedKafka

VERSION_1 = Path(__file__).parents[1] / "data" / "clickhouse_version_1.sql"
KEPT = ("packets_version_1", "packets_rejected_version_1", "stats_version_1")


def apply(
    url: str, *options: str, code: int = ExitCode.DONE, password: str = ""
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "streamer", "clickhouse", "apply", "--url", url, *options],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env=os.environ | {"STREAMER_CLICKHOUSE_PASSWORD": password},
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


def refused(url: str, *options: str, code: int = ExitCode.FAILED, password: str = "") -> str:
    done = apply(url, *options, code=code, password=password)
    assert done.stderr.startswith("streamer: ")
    return done.stderr


async def there(server: ClickHouse, database: str) -> set[str]:
    rows = await server.query(
        "SELECT name FROM system.tables WHERE database = {name:String}", {"name": database}
    )
    return {row["name"] for row in rows}


async def version_1(server: ClickHouse, database: str, broker: str) -> None:
    """As the first release made it."""
    script = VERSION_1.read_text(encoding="utf-8")
    script = script.replace(" streamer.", f" {database}.").replace(" streamer;", f" {database};")
    script = script.replace("'localhost:9092'", f"'{broker}'")
    script = script.replace("'clickhouse-", f"'clickhouse-{database}-")
    for statement in statements(script):
        await server.query(statement)


def events(first: int, last: int) -> list[bytes]:
    return [
        json.dumps(
            {
                "@timestamp": f"2026-{number % 12 + 1:02}-23T10:00:00.000000001Z",
                "event": {"sequence": number},
                "agent": {"id": "a", "ephemeral_id": "b"},
                "source": {"ip": "10.1.2.3", "port": number % 65536},
                "packet": {"hook": "tc", "length": 60, "tcp": {"flags": ["syn"]}},
            }
        ).encode()
        for number in range(first, last)
    ]


async def test_dry_run_then_asked_then_done_then_again(
    clickhouse: ClickHouse, database: str
) -> None:
    options = ("--database", database, "--broker", "127.0.0.1:1")
    sql = apply(clickhouse.url, *options, "--dry-run").stdout
    assert await there(clickhouse, database) == set()

    asked = apply(clickhouse.url, *options, code=ExitCode.USAGE)
    assert "make packets\n" in asked.stdout
    assert "--yes does this" in asked.stderr
    assert await there(clickhouse, database) == set()

    done = apply(clickhouse.url, *options, "--yes")
    assert done.stdout.endswith(f"now has the tables of version 2 in the database {database}\n")
    made = await there(clickhouse, database)
    assert {"packets", "packets_rejected", "packets_by_hour", "packets_parser", "stats"} <= made
    assert all(f" {database}.{name}" in sql for name in made)

    for option in ("--yes", "--dry-run"):
        again = apply(clickhouse.url, "--database", database, option)
        assert again.stdout == (
            "-- nothing to do\n"
            if option == "--dry-run"
            else f"ClickHouse at {clickhouse.url} already has the tables of version 2"
            f" in the database {database}\n"
        )


async def test_the_dry_run_is_what_is_done(clickhouse: ClickHouse, database: str) -> None:
    sql = apply(clickhouse.url, "--database", database, "--broker", "b:1", "--dry-run").stdout
    for statement in statements(sql):
        await clickhouse.query(statement)
    assert apply(clickhouse.url, "--database", database, "--yes").stdout.count("\n") == 1


async def test_what_is_missing_comes_back(clickhouse: ClickHouse, database: str) -> None:
    apply(clickhouse.url, "--database", database, "--broker", "127.0.0.1:1", "--yes")
    await clickhouse.query(f"DROP TABLE {database}.packets_by_hour_writer")
    done = apply(clickhouse.url, "--database", database, "--yes")
    assert done.stdout.splitlines()[0] == "make packets_by_hour_writer"
    assert "packets_by_hour_writer" in await there(clickhouse, database)


async def test_another_broker(clickhouse: ClickHouse, database: str) -> None:
    options = ("--database", database, "--yes", "--broker")
    apply(clickhouse.url, *options, "127.0.0.1:1")
    apply(clickhouse.url, *options, "127.0.0.1:2")
    rows = await clickhouse.query(
        "SELECT create_table_query AS definition FROM system.tables"
        " WHERE database = {name:String} AND engine = 'Kafka'",
        {"name": database},
    )
    assert [row["definition"].count("'127.0.0.1:2'") for row in rows] == [1, 1]
    assert "packets_parser" in await there(clickhouse, database)


async def test_from_version_1_no_row_is_lost_or_doubled(
    mortal_kafka: EmbeddedKafka, clickhouse: ClickHouse, database: str
) -> None:
    """Half of the events are read by version 1, a second delivery too, the rest by version 2."""
    await mortal_kafka.start()  # for a topic of the name that the tables have
    servers, packets = mortal_kafka.bootstrap_servers, f"{database}.packets"
    for name in ("packets.v1", "stats.v1"):
        make_topic(servers, name, 1)
    await version_1(clickhouse, database, servers)
    produce(servers, "packets.v1", [*events(0, 3000), b"bad", *events(0, 500)])
    await wait_for_rows(clickhouse, packets, 3500)

    sql = apply(clickhouse.url, "--database", database, "--dry-run").stdout
    first, last = sql.index(f"DROP TABLE {database}.packets_kafka"), sql.index("ENGINE = Kafka")
    assert first < sql.index(f"RENAME TABLE {packets} ") < sql.index("INSERT INTO") < last
    assert await there(clickhouse, database) & set(KEPT) == set()

    done = apply(clickhouse.url, "--database", database, "--yes").stdout
    assert f"DROP TABLE {database}.packets_version_1" in done
    produce(servers, "packets.v1", [*events(3000, 4000), b"worse"])
    await wait_for(clickhouse, packets, 4000)
    await wait_for(clickhouse, f"{packets}_rejected", 2)
    rows = await select(
        clickhouse,
        f"SELECT event_sequence AS n, source_port, packet_tcp_flags FROM {packets} FINAL",
    )
    assert sorted(row["n"] for row in rows) == list(range(4000))
    assert all(row["source_port"] == row["n"] for row in rows)
    assert {tuple(row["packet_tcp_flags"]) for row in rows} == {("syn",)}
    reasons = await select(
        clickhouse, f"SELECT offset, reason FROM {packets}_rejected FINAL ORDER BY offset"
    )
    assert [row["offset"] for row in reasons] == [3000, 4501]
    await refresh(clickhouse, Layout(database=database))
    (sums,) = await select(
        clickhouse, f"SELECT sum(packets) AS n FROM {database}.packets_by_hour FINAL"
    )
    assert sums["n"] == 4000
    assert (await select(clickhouse, f"SELECT count() AS n FROM {database}.packets_version_1"))[0][
        "n"
    ] == 3500


@pytest.mark.parametrize("steps", [5, 20])
async def test_a_migration_that_was_interrupted_is_finished(
    clickhouse: ClickHouse, database: str, steps: int
) -> None:
    """After any number of its statements."""
    await version_1(clickhouse, database, "127.0.0.1:1")
    columns = "(ts, event_sequence, agent_id, agent_ephemeral_id, packet_hook)"
    await clickhouse.query(
        f"INSERT INTO {database}.packets {columns}"
        " SELECT toDateTime64('2026-11-23 10:00:00', 9, 'UTC') + number, number, 'a', 'b', 'tc'"
        " FROM numbers(100)"
    )
    sql = apply(clickhouse.url, "--database", database, "--dry-run").stdout
    for statement in statements(sql)[:steps]:
        await clickhouse.query(statement)
    apply(clickhouse.url, "--database", database, "--broker", "127.0.0.1:1", "--yes")
    assert await count(clickhouse, f"{database}.packets") == 100
    assert "packets_parser" in await there(clickhouse, database)


async def wait_for_rows(server: ClickHouse, table: str, rows: int) -> None:
    assert await server.wait_for_rows(table, rows, 60) == rows


# ---------------------------------------------------------------- refusals
@pytest.mark.parametrize(
    ("definition", "says"),
    [
        ("(n UInt8) ENGINE = Memory", "has the engine Memory"),
        ("(n UInt8) ENGINE = MergeTree ORDER BY n", "is ordered by n"),
        (
            "(ts DateTime64(9, 'UTC'), community_id String, mine UInt8) ENGINE = MergeTree"
            " ORDER BY (toStartOfFiveMinutes(ts), community_id, ts)",
            "has the columns mine",
        ),
        (
            "(ts DateTime64(9, 'UTC'), community_id String) ENGINE = MergeTree"
            " ORDER BY (toStartOfFiveMinutes(ts), community_id, ts)",
            "lacks event_sequence UInt64, ",
        ),
        (
            "(n UInt8) ENGINE = MergeTree ORDER BY n"
            " COMMENT 'streamer packets.v1, tables of version 3'",
            "is of version 3, this streamer knows up to 2",
        ),
    ],
)
async def test_foreign_and_newer_tables(
    clickhouse: ClickHouse, database: str, definition: str, says: str
) -> None:
    await clickhouse.query(f"CREATE DATABASE {database}")
    await clickhouse.query(f"CREATE TABLE {database}.packets {definition}")
    assert says in refused(clickhouse.url, "--database", database, "--broker", "b:1", "--yes")
    assert await there(clickhouse, database) == {"packets"}


async def test_without_a_broker(clickhouse: ClickHouse, database: str) -> None:
    said = refused(clickhouse.url, "--database", database, "--yes", code=ExitCode.USAGE)
    assert "give --broker" in said
    assert await there(clickhouse, database) == set()


def test_nobody_there() -> None:
    (port,) = free_ports("127.0.0.1", 1)
    said = refused(f"http://127.0.0.1:{port}", "--yes")
    assert said.startswith(
        f"streamer: no answer from http://127.0.0.1:{port}: Connection refused\n"
    )


def test_a_wrong_password(clickhouse: ClickHouse, tmp_path: Path) -> None:
    says = f"ClickHouse at {clickhouse.url} does not let default in"
    assert says in refused(clickhouse.url, "--yes", password="wrong")  # noqa: S106
    file = tmp_path / "password"
    file.write_text("wrong\n")
    assert says in refused(clickhouse.url, "--yes", "--password-file", str(file))
    missing = str(tmp_path / "absent")
    said = refused(clickhouse.url, "--yes", "--password-file", missing, code=ExitCode.USAGE)
    assert "absent: No such file" in said


class Stranger(BaseHTTPRequestHandler):
    """A web server that is no ClickHouse."""

    def do_POST(self) -> None:
        self.send_response(404 if self.path.startswith("/404") else 200)
        self.end_headers()
        self.wfile.write(b"<html>hello</html>")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the library's name
        """Say nothing."""


@pytest.fixture
def stranger() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Stranger)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("path", ["", "/404"])
def test_not_clickhouse(stranger: str, path: str) -> None:
    said = refused(f"{stranger}{path}", "--yes")
    assert f"what answers at {stranger}{path} is not ClickHouse's HTTP interface" in said


def test_not_http(kafka: EmbeddedKafka) -> None:
    said = refused(f"http://{kafka.bootstrap_servers}", "--yes")
    assert f"no answer from http://{kafka.bootstrap_servers}" in said
