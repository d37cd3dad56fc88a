# SPDX-License-Identifier: Apache-2.0
"""Events as Arrow columns, read by pandas, Polars and DuckDB, against the records themselves."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import duckdb
import msgspec
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from streamer.consume import Packet, Stats
from streamer.consume.arrow import Converter, schema
from streamer.schema import PACKETS, STATS
from tests.support.producing import document

LIMITS = {
    "@timestamp": "2261-12-31T23:59:59.999999999Z",
    "event": {"sequence": 2**53 - 1},
    "source": {"ip": "::ffff:10.0.0.1", "port": 0},
    "destination": {"port": 65535},
    "packet": {
        "length": 2**32 - 1,
        "ttl": 255,
        "dscp": 63,
        "tcp": {"flags": ["fin", "ae"], "seq": 2**32 - 1, "ack": 0, "window": 65535},
        "fragment": {"offset": 65528, "more": False},
        "parse": ["truncated", "fragment"],
    },
}
DOCUMENTS: list[dict[str, Any]] = [
    document(0),
    document(1, **{name: value for name, value in LIMITS.items() if isinstance(value, dict)})
    | {"@timestamp": LIMITS["@timestamp"]},
    {
        "@timestamp": "1970-01-01T00:00:00.000000001Z",
        "event": {"sequence": 2},
        "agent": {"id": "a", "ephemeral_id": "b"},
        "packet": {"hook": "xdp", "length": 60},
    },
]


@pytest.fixture
def table() -> pa.Table:
    return Converter(PACKETS).table([msgspec.convert(each, Packet) for each in DOCUMENTS])


def wanted(name: str) -> list[Any]:
    """A field's values by the records alone."""
    found = []
    field = PACKETS.field(name)
    for each in DOCUMENTS:
        node: Any = each
        for part in field.path:
            node = node.get(part) if isinstance(node, dict) else None
        absent: Any = [] if field.many else field.default
        found.append(absent if node is None else node)
    return found


@pytest.mark.parametrize("field", PACKETS.varying[1:], ids=lambda field: field.name)
def test_each_column_is_its_field(table: pa.Table, field: Any) -> None:
    assert table[field.column_name].to_pylist() == wanted(field.name)


def test_types_hold_what_the_fields_hold() -> None:
    types = {each.name: each.type for each in schema(PACKETS)}
    assert types["ts"] == pa.timestamp("ns", "UTC")
    assert types["event_sequence"] == pa.uint64()
    assert types["source_port"] == pa.uint16()
    assert types["packet_length"] == pa.uint32()
    assert types["source_ip"] == types["community_id"] == pa.string()
    assert types["network_transport"] == pa.dictionary(pa.int32(), pa.string())
    assert types["packet_tcp_flags"] == pa.list_(pa.string())
    assert types["packet_fragment_more"] == pa.bool_()
    assert schema(PACKETS).metadata[b"event.kind"] == b"event"
    assert schema(PACKETS).field("source_ip").metadata == {b"field": b"source.ip"}


def test_nanoseconds_in_pandas(table: pa.Table) -> None:
    frame = table.to_pandas()
    assert [time.isoformat() for time in frame["ts"]] == [
        "2026-11-23T10:00:00.000000789+00:00",
        "2261-12-31T23:59:59.999999999+00:00",
        "1970-01-01T00:00:00.000000001+00:00",
    ]
    assert isinstance(frame["network_transport"].dtype, pd.CategoricalDtype)
    assert list(frame["packet_tcp_flags"][1]) == ["fin", "ae"]


def test_polars(table: pa.Table) -> None:
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    assert frame["ts"].dt.timestamp("ns").to_list()[2] == 1
    chosen = frame.filter(pl.col("packet_tcp_flags").list.contains("ae"))
    assert chosen["source_ip"].to_list() == ["::ffff:10.0.0.1"]
    assert chosen["event_sequence"].to_list() == [2**53 - 1]
    counted = frame.group_by("network_transport").len().sort("len", descending=True)
    assert counted.rows()[0] == ("tcp", 2)


def test_duckdb(table: pa.Table) -> None:
    found = duckdb.from_arrow(table).query(
        "packets",
        "SELECT source_ip, destination_port, packet_tcp_flags, epoch_ns(ts), sum(packet_length)"
        " FROM packets WHERE packet_tcp_seq = 4294967295 GROUP BY ALL",
    )
    ns = 9214646399_999999999  # date -u -d 2261-12-31T23:59:59 +%s
    assert found is not None
    assert found.fetchall() == [("::ffff:10.0.0.1", 65535, ["fin", "ae"], ns, 2**32 - 1)]


def test_statistics() -> None:
    values: dict[str, Any] = {
        "keyword": "x",
        "date_nanos": "2026-11-23T10:00:00.000000001Z",
        "counts": {"too_large": 3, "old": 1},
    }
    record: dict[str, Any] = {}
    for place, field in enumerate(each for each in STATS.fields if each.required):
        node = record
        for name in field.path[:-1]:
            node = node.setdefault(name, {})
        node[field.path[-1]] = values.get(field.type, place)
    table = Converter(STATS).table([msgspec.convert(record, Stats)])
    assert table["records_failed"].to_pylist() == [[("too_large", 3), ("old", 1)]]
    assert table["packets_seen"].to_pylist() == [record["ledger"]["packets"]["seen"]]
    assert table["ts"].to_pandas()[0].isoformat() == "2026-11-23T10:00:00.000000001+00:00"
    assert table["ts"].type == pa.timestamp("ns", "UTC")


def test_without_pyarrow_one_sentence_says_so() -> None:
    script = (
        "import sys; sys.modules['pyarrow'] = None\n"
        "from streamer.consume import packets\n"
        "from streamer.errors import UsageError\n"
        "try: packets('localhost:9092').tables()\n"
        "except UsageError as error: print(error.message, '|', error.hint)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == (
        "tables need pyarrow, which is not installed | pip install 'streamer[arrow]'\n"
    )
