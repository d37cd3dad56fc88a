# SPDX-License-Identifier: Apache-2.0
"""Lines of `streamer tail`: what they say, aligned, harmless to a terminal."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.consume import Packet
from streamer.tail.columns import PACKETS, Cell, Column, Lines, packet_cells, printable
from tests.support.producing import document

WIDE = 10_000


def line(**fields: dict[str, Any]) -> str:
    """The line of a TCP segment with other fields."""
    event = msgspec.convert(document(0, **fields), Packet)
    return Lines(PACKETS, colours=False).line(packet_cells(event), WIDE)


def test_a_tcp_segment() -> None:
    assert " ".join(line().split()) == (
        "11-23 10:00:00.000000 in eth0 192.0.2.1:49152 → 198.51.100.2:443 tcp psh ack 1514"
        " payload 1448 seq 1000 ack 2000 win 502"
    )


ICMP: dict[str, Any] = {"transport": "icmp"}
FRAGMENT = {"fragment": {"offset": 1480, "more": True}, "parse": ["fragment", "truncated"]}


def icmp(kind: int, code: int) -> dict[str, Any]:
    """A message of that type."""
    return {"icmp": {"type": kind, "code": code}}


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"source": {"ip": "2001:db8::1"}}, "[2001:db8::1]:49152 →"),
        ({"network": ICMP, "packet": icmp(8, 0)}, "echo request payload"),
        ({"network": ICMP, "packet": icmp(3, 1)}, "unreachable code 1"),
        ({"network": ICMP, "packet": icmp(99, 0)}, "type 99 code 0"),
        (
            {"network": {"transport": "ipv6-icmp"}, "packet": icmp(135, 0)},
            "neighbour solicitation",
        ),
        (
            {"network": {"vlan": {"id": "100"}}, "packet": {"dscp": 46, "segments": 3}},
            "vlan 100 dscp 46 segments 3",
        ),
        ({"packet": FRAGMENT}, "fragment at 1480 fragment,truncated"),
    ],
)
def test_info(fields: dict[str, Any], says: str) -> None:
    assert says in line(**fields)


def test_without_ip_and_without_anything() -> None:
    least = {
        "@timestamp": "2026-11-23T10:00:00.000000001Z",
        "event": {"sequence": 0},
        "agent": {"id": "a", "ephemeral_id": "b"},
        "packet": {"hook": "tc", "length": 60},
    }
    event = msgspec.convert(least, Packet)
    text = Lines(PACKETS, colours=False).line(packet_cells(event), WIDE)
    assert text.split() == ["11-23", "10:00:00.000000", "-", "→", "-", "?", "60"]
    ether = least | {
        "source": {"mac": "02-00-5E-10-00-01"},
        "packet": {"hook": "tc", "length": 60, "ethertype": "0x88cc"},
    }
    event = msgspec.convert(ether, Packet)
    text = Lines(PACKETS, colours=False).line(packet_cells(event), WIDE)
    assert "02-00-5E-10-00-01 " in text
    assert "0x88cc" in text


@given(
    st.lists(st.tuples(st.text("ab", max_size=40), st.text("cd"), st.text("ef")), min_size=1),
    st.integers(1, 90),
)
def test_columns_only_grow_and_lines_never_exceed_the_width(
    rows: list[tuple[str, str, str]], width: int
) -> None:
    layout = (Column("one", 5), Column("two", 4, right=True), Column("info", 0))
    lines = Lines(layout, colours=False)
    widest = 5
    for row in rows:
        widest = max(widest, len(row[0]))
        cells = [Cell(text, "red") for text in row]
        whole = lines.line(cells, None)
        assert whole[: len(row[0])] == row[0]
        assert whole[len(row[0]) : widest + 1].strip(" ") == ""
        assert len(Lines(layout, colours=False).line(cells, width)) <= width
        assert whole.startswith(lines.line(cells, width))


@given(st.text())
def test_nothing_a_terminal_would_obey_is_printed(text: str) -> None:
    assert printable(text).isprintable()
    assert len(printable(text)) == len(text)
    if text.isprintable():
        assert printable(text) == text


def test_a_line_is_harmless() -> None:
    cells = [Cell("\x1b[2Jx"), Cell("\u202ey\n"), Cell("\x9bz")]
    text = Lines((Column("", 3), Column("", 3), Column("", 0)), colours=False).line(cells, None)
    assert text.isprintable()
    assert "[2Jx" in text


def test_colours_are_apart_from_widths() -> None:
    layout = (Column("", 3), Column("", 3), Column("", 0))
    cells = [Cell("x", "red"), Cell("", "red"), Cell("y")]
    assert Lines(layout, colours=True).line(cells, None) == "\x1b[31mx  \x1b[0m     y"
    assert Lines(layout, colours=False).line(cells, None) == "x       y"
