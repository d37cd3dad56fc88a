# SPDX-License-Identifier: Apache-2.0
"""An event as a line of aligned columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import typer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from streamer.consume import Packet, Stats

GAP = " "
ICMP = {
    ("icmp", 0): "echo reply",
    ("icmp", 3): "unreachable",
    ("icmp", 5): "redirect",
    ("icmp", 8): "echo request",
    ("icmp", 11): "time exceeded",
    ("ipv6-icmp", 1): "unreachable",
    ("ipv6-icmp", 2): "packet too big",
    ("ipv6-icmp", 3): "time exceeded",
    ("ipv6-icmp", 128): "echo request",
    ("ipv6-icmp", 129): "echo reply",
    ("ipv6-icmp", 133): "router solicitation",
    ("ipv6-icmp", 134): "router advertisement",
    ("ipv6-icmp", 135): "neighbour solicitation",
    ("ipv6-icmp", 136): "neighbour advertisement",
}
COLOURS = {"tcp": "cyan", "udp": "blue", "icmp": "magenta", "ipv6-icmp": "magenta", "arp": "yellow"}


class Cell(NamedTuple):
    """A column's content in one line, and its colour."""

    text: str
    colour: str | None = None


class Column(NamedTuple):
    """A column's title and the width it has at least."""

    title: str
    width: int
    right: bool = False


PACKETS = (
    Column("time (UTC)", 21),
    Column("seen", 8),
    Column("source", 19),
    Column("", 1),
    Column("destination", 19),
    Column("proto", 5),
    Column("flags", 7),
    Column("length", 6, right=True),
    Column("info", 0),
)
STATS = (
    Column("time (UTC)", 21),
    Column("run", 12),
    Column("seen", 10, right=True),
    Column("own", 8, right=True),
    Column("ring full", 9, right=True),
    Column("encoded", 10, right=True),
    Column("acknowledged", 12, right=True),
    Column("on its way", 10, right=True),
    Column("lost", 6, right=True),
    Column("unaccounted", 11, right=True),
    Column("host", 0),
)


def packet_cells(event: Packet) -> tuple[Cell, ...]:
    """One packet's line; see PACKETS."""
    network = event.network
    protocol = network.transport or network.iana_number or network.type or event.packet.ethertype
    protocol = protocol or "?"
    flags = event.packet.tcp.flags
    return (
        Cell(_time(event.timestamp), "bright_black"),
        Cell(_seen(event)),
        Cell(_endpoint(event.source.ip or event.source.mac, event.source.port)),
        Cell("→", "bright_black"),
        Cell(_endpoint(event.destination.ip or event.destination.mac, event.destination.port)),
        Cell(protocol, COLOURS.get(protocol)),
        Cell(" ".join(flags), _flag_colour(flags)),
        Cell(str(event.packet.length)),
        Cell(" ".join(_info(event)), "bright_black"),
    )


def stats_cells(event: Stats) -> tuple[Cell, ...]:
    """One ledger's line; see STATS."""
    ledger = event.ledger
    return (
        Cell(_time(event.timestamp), "bright_black"),
        Cell(event.agent.ephemeral_id),
        Cell(f"{ledger.packets.seen:,}"),
        Cell(f"{ledger.packets.filtered.self:,}"),
        _alarm(ledger.packets.dropped.ring_full),
        Cell(f"{ledger.records.encoded:,}"),
        Cell(f"{ledger.records.acknowledged:,}"),
        Cell(f"{ledger.undelivered:,}"),
        _alarm(ledger.lost),
        _alarm(ledger.unaccounted),
        Cell(event.host.name or "", "bright_black"),
    )


class Lines:
    """Lays cells out; a column grows with the widest it has held, so that lines stay aligned."""

    def __init__(self, columns: tuple[Column, ...], *, colours: bool) -> None:
        self._columns = columns
        self._widths = [max(column.width, len(column.title)) for column in columns]
        self._colours = colours

    def header(self, width: int | None) -> str:
        """The titles."""
        return self.line([Cell(column.title, "bright_black") for column in self._columns], width)

    def line(self, cells: Iterable[Cell], width: int | None) -> str:
        """One line, cut to `width` if that is given."""
        left = width if width is not None else 1 << 30
        parts: list[str] = []
        for place, (cell, column) in enumerate(zip(cells, self._columns, strict=True)):
            text = printable(cell.text)
            if len(text) > self._widths[place] and column.width:
                self._widths[place] = len(text)
            last = place == len(self._columns) - 1
            size = 0 if last else self._widths[place]
            text = (text.rjust(size) if column.right else text.ljust(size))[:left]
            left -= len(text) + len(GAP)
            parts.append(typer.style(text, fg=cell.colour) if self._styled(cell) else text)
            if left <= 0:
                break
        return GAP.join(parts).rstrip(" ")

    def _styled(self, cell: Cell) -> bool:
        return self._colours and cell.colour is not None and bool(cell.text)


def printable(text: str) -> str:
    """The text without anything that a terminal would obey: it comes from the network."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)


def _time(timestamp: str) -> str:
    """Month to microseconds."""
    return f"{timestamp[5:10]} {timestamp[11:26]}"


def _seen(event: Packet) -> str:
    way = {"ingress": "in", "egress": "out"}.get(event.network.direction or "", "")
    observer = event.observer
    name = observer.ingress.interface.name or observer.egress.interface.name or ""
    return f"{way:<3} {name}" if name else way


def _endpoint(address: str | None, port: int | None) -> str:
    if address is None:
        return "-"
    if port is None:
        return address
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _info(event: Packet) -> Iterator[str]:
    packet, tcp, icmp = event.packet, event.packet.tcp, event.packet.icmp
    if icmp.type is not None:
        named = ICMP.get((event.network.transport or "", icmp.type))
        yield (
            named if named and not icmp.code else f"{named or f'type {icmp.type}'} code {icmp.code}"
        )
    for name, value in (
        ("payload", packet.payload_length),
        ("seq", tcp.seq),
        ("ack", tcp.ack),
        ("win", tcp.window),
        ("vlan", event.network.vlan.id),
        ("dscp", packet.dscp or None),
        ("segments", packet.segments if packet.segments != 1 else None),
        ("fragment at", packet.fragment.offset),
    ):
        if value is not None:
            yield f"{name} {value}"
    if packet.parse:
        yield ",".join(packet.parse)


def _flag_colour(flags: tuple[str, ...]) -> str | None:
    if "rst" in flags:
        return "red"
    if "syn" in flags:
        return "green"
    return "yellow" if "fin" in flags else None


def _alarm(count: int) -> Cell:
    return Cell(f"{count:,}", "red" if count else None)
