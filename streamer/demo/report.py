# SPDX-License-Identifier: Apache-2.0
"""What ClickHouse read from Kafka, for people: queries, and how their rows are shown."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from streamer.demo.clickhouse import ClickHouse

BAR_CELLS = 50
SLICE_MS = 250  # as OVER_TIME has it

DISTINCT_EVENTS = """
SELECT toUInt32(uniqExact(agent_id, agent_ephemeral_id, event_sequence)) AS n FROM streamer.packets
"""
CONVERSATIONS = """
SELECT
    network_transport AS transport,
    argMin(tuple(source_ip, source_port), ts) AS opener,
    argMin(tuple(destination_ip, destination_port), ts) AS other,
    replaceOne(toString(opener.1), '::ffff:', '') AS opener_ip,
    toUInt32(opener.2) AS opener_port,
    replaceOne(toString(other.1), '::ffff:', '') AS other_ip,
    toUInt32(other.2) AS other_port,
    toUInt32(count()) AS packets,
    toUInt32(sum(packet_segments)) AS segments,
    toUInt32(sum(packet_length)) AS bytes
FROM streamer.packets
WHERE community_id != ''
GROUP BY community_id, network_transport
ORDER BY bytes DESC
LIMIT 8
"""
CONNECTION = """
WITH
    (
        SELECT argMin(community_id, ts)
        FROM streamer.packets
        WHERE destination_port = 80 AND has(packet_tcp_flags, 'syn')
    ) AS first_connection
SELECT
    (toUnixTimestamp64Nano(ts) - min(toUnixTimestamp64Nano(ts)) OVER ()) / 1e6 AS ms,
    replaceOne(toString(source_ip), '::ffff:', '') AS source,
    toUInt32(source_port) AS port,
    destination_port = 80 AS asked,
    arrayStringConcat(packet_tcp_flags, ' ') AS flags,
    packet_tcp_seq AS seq,
    packet_tcp_ack AS ack,
    packet_payload_length AS payload,
    packet_length AS length
FROM streamer.packets
WHERE community_id = first_connection
ORDER BY ts, event_sequence
"""
OVER_TIME = """
WITH (SELECT min(toUnixTimestamp64Milli(ts)) FROM streamer.packets) AS first
SELECT
    toUInt32(intDiv(toUnixTimestamp64Milli(ts) - first, 250)) AS slice,
    toUInt32(count()) AS packets
FROM streamer.packets
GROUP BY slice
ORDER BY slice WITH FILL
"""


async def show(console: Console, database: ClickHouse, ledger: dict[str, Any], rows: int) -> None:
    """Print all of it."""
    parts = (
        ("The busiest conversations", _conversations(await database.query(CONVERSATIONS))),
        ("All packets of one HTTP connection", _connection(await database.query(CONNECTION))),
        ("Packets over time", _over_time(await database.query(OVER_TIME))),
    )
    for title, part in parts:
        _print(console, title, part)
    show_ledger(console, ledger, rows)


def show_ledger(console: Console, ledger: dict[str, Any], rows: int | None) -> None:
    """Print the ledger alone; rows is None when ClickHouse could not be asked."""
    _print(console, "The ledger", _ledger(ledger, rows))


def shortfall(ledger: dict[str, Any]) -> str | None:
    """What is missing; None when every packet is accounted for and acknowledged."""
    lost, undelivered, unaccounted = (ledger[key] for key in ("lost", "undelivered", "unaccounted"))
    if not (lost or undelivered or unaccounted):
        return None
    return f"{lost:,} lost, {undelivered:,} left undelivered, {unaccounted:,} unaccounted for"


def _print(console: Console, title: str, part: RenderableType) -> None:
    console.print()
    console.print(title, style="bold")
    console.print(part)


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for column in columns:
        right = column.startswith(">")
        table.add_column(column.lstrip(">"), justify="right" if right else "left", no_wrap=True)
    return table


def _conversations(rows: list[dict[str, Any]]) -> RenderableType:
    table = _table("from", "to", "protocol", ">packets", ">on the wire", ">bytes")
    for row in rows:
        table.add_row(
            _endpoint(row["opener_ip"], row["opener_port"]),
            _endpoint(row["other_ip"], row["other_port"]),
            row["transport"],
            f"{row['packets']:,}",
            f"{row['segments']:,}",
            f"{row['bytes']:,}",
        )
    return table


def _connection(rows: list[dict[str, Any]]) -> RenderableType:
    table = _table(">ms", "from", "flags", ">seq", ">ack", ">payload", ">length")
    firsts: dict[bool, int] = {}  # each side's numbers count from its first, as analysers show them
    for row in rows:
        asked = bool(row["asked"])
        first = firsts.setdefault(asked, row["seq"])
        acknowledges = "ack" in row["flags"].split()
        table.add_row(
            f"{row['ms']:.3f}",
            _endpoint(row["source"], row["port"]),
            row["flags"],
            f"{(row['seq'] - first) % 2**32:,}",
            f"{(row['ack'] - firsts.get(not asked, 0)) % 2**32:,}" if acknowledges else "",
            f"{row['payload']:,}",
            f"{row['length']:,}",
        )
    return table


def _over_time(rows: list[dict[str, Any]]) -> RenderableType:
    table = _table(">second", ">packets", "(logarithmic)")
    longest = math.log2(max((row["packets"] for row in rows), default=0) + 1) or 1
    for row in rows:
        cells = round(math.log2(row["packets"] + 1) / longest * BAR_CELLS)
        table.add_row(
            f"{row['slice'] * SLICE_MS / 1000:.2f}",
            f"{row['packets']:,}",
            Text("█" * cells, style="cyan"),
        )
    return table


def _ledger(ledger: dict[str, Any], rows: int | None) -> RenderableType:
    packets, records = ledger["packets"], ledger["records"]
    lines = (
        ("seen by the kernel", packets["seen"]),
        ("left out: streamer's own", packets["filtered"]["self"]),
        ("lost: the ring was full", packets["dropped"]["ring_full"]),
        ("put into the ring", packets["emitted"]),
        ("drained from the ring", records["drained"]),
        *((f"rejected: {why}", count) for why, count in records["rejected"].items() if count),
        ("encoded", records["encoded"]),
        *((f"failed: {why}", count) for why, count in records["failed"].items() if count),
        ("acknowledged by Kafka", records["acknowledged"]),
        ("read by ClickHouse", rows),
    )
    table = _table("", ">packets")
    for label, count in lines:
        table.add_row(label, "unknown" if count is None else f"{count:,}")
    style = "bold red" if ledger["unaccounted"] else "bold green"
    return Group(table, Text(f"unaccounted {ledger['unaccounted']:,}", style=style))


def _endpoint(address: str, port: int) -> str:
    if not port:
        return address
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
