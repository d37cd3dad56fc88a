# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: S608 -- the statements are made of nothing but what is in this file
"""Bytes per row and query times of ClickHouse's table, by sort key and by codec.

python -m benchmarks.clickhouse_table sort-keys|partitions|codecs [--rows N]

The rows are made by ClickHouse itself: flows in Zipf proportion, TCP numbers that advance with the
payload, three hosts of which a tenth of the flows is seen by all. They go in as the consumer
brings them, in blocks in the order of time; the last block comes twice, as after a crash.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from typing import TYPE_CHECKING

from chdb import session

from streamer.schema import PACKETS
from streamer.schema.clickhouse_columns import columns

if TYPE_CHECKING:
    from collections.abc import Sequence

FLOWS = 5_000
BLOCK = 262_144  # kafka_max_block_size
HOUR_NS = 3_600 * 10**9
START = "2026-11-23 23:30:00"  # the hour has a midnight in it
ROUNDS = 3
ONE_FLOW = "1:LQU9qZlK+B5F3KDmev6m5PMibrg="
IDENTITY = "agent_id, agent_ephemeral_id, event_sequence"
FIVE = "toStartOfFiveMinutes(ts)"

KEYS = {
    "without identity (version 1)": f"{FIVE}, community_id, ts",
    "5 min, flow, ts, identity": f"{FIVE}, community_id, ts, {IDENTITY}",
    "5 min, flow, identity": f"{FIVE}, community_id, {IDENTITY}",
    "hour, flow, identity": f"toStartOfHour(ts), community_id, {IDENTITY}",
    "flow, identity": f"community_id, {IDENTITY}",
    "5 min, identity": f"{FIVE}, {IDENTITY}",
    "ts, identity": f"ts, {IDENTITY}",
}
CHOSEN = "5 min, flow, ts, identity"
PARTITIONS = ("toYYYYMMDD(ts)", "toMonday(ts)", "toYYYYMM(ts)")
CODECS = {
    "as shipped": (),
    "LZ4": (("ZSTD(1)", "LZ4"),),
    "ZSTD(3)": (("ZSTD(1)", "ZSTD(3)"),),
    "no Delta": (("Delta(8), ", ""), ("Delta(4), ", "")),
    "DoubleDelta": (("Delta(8)", "DoubleDelta(8)"), ("Delta(4)", "DoubleDelta(4)")),
    "T64 in place of Delta": (("Delta(8)", "T64"), ("Delta(4)", "T64")),
}
QUERIES = {
    "one flow": f"SELECT count(), sum(packet_length) FROM {{}} WHERE community_id = '{ONE_FLOW}'",
    "one minute": f"SELECT count() FROM {{}} WHERE ts >= toDateTime64('{START}', 9, 'UTC') + 600"
    f" AND ts < toDateTime64('{START}', 9, 'UTC') + 660",
    "top talkers": "SELECT community_id, sum(packet_length) AS bytes FROM {} GROUP BY community_id"
    " ORDER BY bytes DESC LIMIT 10",
    "time series": "SELECT toStartOfMinute(ts) AS minute, count(), sum(packet_length) FROM {}"
    " GROUP BY minute ORDER BY minute",
}

EVENTS = f"""
CREATE TABLE events ENGINE = MergeTree ORDER BY number AS
WITH
    cityHash64(intDiv(number, 4), 1) / pow(2, 64) AS place,
    toUInt32(pow({FLOWS}, place)) - 1 AS flow,
    cityHash64(flow, 2) AS fate,
    if(flow % 10 = 0, (flow + number) % 3, flow % 3) AS host,
    number % 2 = 1 AS back,
    ['tcp', 'udp', 'tcp'][flow % 3 + 1] AS transport,
    if(back, [0, 0, 1448, 517][cityHash64(number) % 4 + 1],
        [1448, 1448, 1448, 0][cityHash64(number) % 4 + 1]) AS payload,
    toIPv6(concat('::ffff:10.1.', toString(flow % 4), '.', toString(fate % 250 + 1))) AS client,
    toIPv6(concat('::ffff:10.2.0.', toString(fate % 17 + 1))) AS server,
    toUInt16(32768 + fate % 28000) AS high,
    toUInt16([443, 80, 53, 5432, 9092][fate % 5 + 1]) AS low
SELECT
    number,
    flow,
    back,
    toDateTime64('{START}', 9, 'UTC')
        + toIntervalNanosecond(intDiv(number * {HOUR_NS}, {{rows}})
            + cityHash64(number, 3) % 1000) AS ts,
    number AS event_sequence,
    concat('agent-', toString(host)) AS agent_id,
    concat('sn7vmjh2r8w', toString(host)) AS agent_ephemeral_id,
    concat('host-', toString(host)) AS host_name,
    'ipv4' AS network_type,
    transport AS network_transport,
    if(transport = 'tcp', '6', '17') AS network_iana_number,
    if(flow = 7, '{ONE_FLOW}',
        concat('1:', substring(base58Encode(SHA1(toString(flow))), 1, 27), '=')) AS community_id,
    if(back, 'ingress', 'egress') AS network_direction,
    if(back, server, client) AS source_ip,
    if(back, low, high) AS source_port,
    concat('02-00-00-00-00-', toString(10 + if(back, 0, host))) AS source_mac,
    if(back, client, server) AS destination_ip,
    if(back, high, low) AS destination_port,
    concat('02-00-00-00-00-', toString(10 + if(back, host, 0))) AS destination_mac,
    if(back, 'eth0', '') AS observer_ingress_interface_name,
    if(back, '', 'eth0') AS observer_egress_interface_name,
    'tc' AS packet_hook,
    payload + if(transport = 'tcp', 66, 42) AS packet_length,
    if(back, 50 + fate % 14, 64) AS packet_ttl,
    toUInt32(cityHash64(flow, back) + number * 3) % 65536 AS packet_id,
    payload AS packet_payload_length,
    1 AS packet_segments,
    if(transport = 'tcp', if(payload > 0, ['psh', 'ack'], ['ack']), []) AS packet_tcp_flags,
    if(transport = 'tcp', toUInt16(400 + cityHash64(number, 4) % 200), 0) AS packet_tcp_window
FROM numbers({{rows}})
"""
NUMBERED = """
CREATE TABLE rows ENGINE = MergeTree ORDER BY number AS
SELECT
    * EXCEPT (flow, back),
    if(network_transport = 'tcp', toUInt32(cityHash64(flow, back, 5)
        + sum(packet_payload_length) OVER (PARTITION BY flow, back ORDER BY number)), 0)
        AS packet_tcp_seq,
    if(network_transport = 'tcp', toUInt32(cityHash64(flow, 1 - back, 5)
        + sum(if(back, 0, packet_payload_length)) OVER (PARTITION BY flow ORDER BY number)), 0)
        AS packet_tcp_ack
FROM events
"""


class Tables:
    """ClickHouse in this process, with the rows and one table after the other."""

    def __init__(self, folder: str, rows: int) -> None:
        self._session = session.Session(folder)
        self.rows = rows
        self.ask(EVENTS.format(rows=rows))
        self.ask(NUMBERED)
        self.ask("DROP TABLE events")
        names = self.ask(
            "SELECT name FROM system.columns WHERE table = 'rows' AND name != 'number'"
        )
        self._columns = ", ".join(names.split())

    def ask(self, statement: str) -> str:
        return bytes(self._session.query(statement, "TabSeparated").bytes()).decode().strip()

    def fill(
        self, engine: str, key: str, partition: str, changes: Sequence[tuple[str, str]]
    ) -> float:
        """Make the table anew, with unmerged parts; seconds to insert."""
        definition = ", ".join(columns(PACKETS))
        for old, new in changes:
            definition = definition.replace(old, new)
        self.ask("DROP TABLE IF EXISTS t")
        self.ask(
            f"CREATE TABLE t ({definition}) ENGINE = {engine} PARTITION BY {partition}"
            f" ORDER BY ({key})"
        )
        self.ask("SYSTEM STOP MERGES t")
        start = time.monotonic()
        last = (self.rows - 1) // BLOCK * BLOCK
        for first in (*range(0, self.rows, BLOCK), last):
            self.ask(
                f"INSERT INTO t ({self._columns}) SELECT {self._columns} FROM rows"
                f" WHERE number >= {first} AND number < {first + BLOCK}"
            )
        return time.monotonic() - start

    def merge(self) -> float:
        """All parts of a partition into one; seconds."""
        self.ask("SYSTEM START MERGES t")
        start = time.monotonic()
        self.ask("OPTIMIZE TABLE t FINAL")
        return time.monotonic() - start

    def bytes_per_row(self) -> float:
        return float(
            self.ask(
                "SELECT sum(data_compressed_bytes) / sum(rows) FROM system.parts"
                " WHERE table = 't' AND active"
            )
        )

    def times_ms(self, source: str) -> list[float]:
        """Each query's best time."""
        settings = " SETTINGS do_not_merge_across_partitions_select_final = 1"
        found = []
        for query in QUERIES.values():
            best = float("inf")
            for _ in range(ROUNDS):
                start = time.monotonic()
                self.ask(query.format(source) + settings)
                best = min(best, time.monotonic() - start)
            found.append(best * 1e3)
        return found


def show(label: str, *cells: float) -> None:
    """One line; seconds are those of the insert, or of the merge."""
    print(f"{label:44}" + "".join(f"{cell:12.1f}" for cell in cells), flush=True)


def sort_keys(tables: Tables) -> None:
    for name, key in KEYS.items():
        unique = IDENTITY in key
        engine = "ReplacingMergeTree" if unique else "MergeTree"
        inserted_s = tables.fill(engine, key, PARTITIONS[0], ())
        show(f"{name}: unmerged", tables.bytes_per_row(), inserted_s, *tables.times_ms("t"))
        if unique:
            show("  FINAL", 0, 0, *tables.times_ms("t FINAL"))
        merged_s = tables.merge()
        show("  merged", tables.bytes_per_row(), merged_s, *tables.times_ms("t"))
        if unique:
            show("  FINAL", 0, 0, *tables.times_ms("t FINAL"))
            assert tables.ask("SELECT count() FROM t") == str(tables.rows)


def partitions(tables: Tables) -> None:
    for partition in PARTITIONS:
        inserted_s = tables.fill("ReplacingMergeTree", KEYS[CHOSEN], partition, ())
        show(partition, tables.bytes_per_row(), inserted_s, *tables.times_ms("t FINAL"))
        merged_s = tables.merge()
        show("  merged", tables.bytes_per_row(), merged_s, *tables.times_ms("t FINAL"))


def codecs(tables: Tables) -> None:
    for name, changes in CODECS.items():
        inserted_s = tables.fill("ReplacingMergeTree", KEYS[CHOSEN], PARTITIONS[0], changes)
        tables.merge()
        show(name, tables.bytes_per_row(), inserted_s, *tables.times_ms("t"))


def main() -> None:
    parts = {"sort-keys": sort_keys, "partitions": partitions, "codecs": codecs}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=parts)
    parser.add_argument("--rows", type=int, default=5_000_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        tables = Tables(folder, arguments.rows)
        heads = "".join(f"{name:>12}" for name in ("bytes/row", "s", *QUERIES))
        print(f"{arguments.part + ', times in ms':44}{heads}")
        parts[arguments.part](tables)


if __name__ == "__main__":
    main()
