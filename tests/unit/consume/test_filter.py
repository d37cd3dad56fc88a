# SPDX-License-Identifier: Apache-2.0
"""Filters: what they select, against a plain reading of the same question; what they refuse."""

from __future__ import annotations

import ipaddress
import json
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.consume import Packet, Stats
from streamer.consume.filter import compile_filter
from streamer.errors import UsageError
from streamer.schema import PACKETS, STATS
from tests.support.producing import document

IPS = ["10.0.0.1", "10.255.0.9", "11.0.0.1", "2001:db8::1", "fe80::1", "::ffff:10.0.0.1"]
NETWORKS = ["10.0.0.0/8", "10.0.0.1", "0.0.0.0/0", "::/0", "2001:db8::/32", "::ffff:10.0.0.0/104"]
ENDS = ["source.ip", "destination.ip"]
PORTS = [0, 53, 443, 1024, 65535]
FLAGS = ["fin", "syn", "rst", "psh", "ack"]
TRANSPORTS = ["tcp", "udp", "icmp", "a b"]

Flat = dict[str, Any]


# ------------------------------------------------------- questions, with their plain answers
def number(value: Any, operator: str, bound: int) -> bool:
    """A comparison with a number, where nothing is never less or more."""
    if operator == "==":
        return bool(value == bound)
    if operator == "!=":
        return bool(value != bound)
    if value is None:
        return False
    return bool({"<": value < bound, "<=": value <= bound, ">": value > bound}.get(
        operator, value >= bound
    ))  # fmt: skip


def within(ip: str | None, network: str) -> bool:
    """By integers: 96 bits before an IPv4 address, as the other readers store it."""
    if ip is None:
        return False
    net = ipaddress.ip_network(network)
    wide = int(net.network_address) + (0xFFFF << 32 if net.version == 4 else 0)
    bits = 128 - net.prefixlen - (96 if net.version == 4 else 0)
    address = ipaddress.ip_address(ip)
    value = int(address) + (0xFFFF << 32 if address.version == 4 else 0)
    if network == "::/0":
        return address.version == 6 and address.ipv4_mapped is None
    return value >> bits == wide >> bits


Question = tuple[str, Any]  # the text, and a function of the flat record


def questions() -> st.SearchStrategy[Question]:
    """One condition."""
    orders = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])
    ends = st.sampled_from(["source", "destination"])
    ports = st.sampled_from(PORTS)
    return st.one_of(
        st.builds(
            lambda end, op, n: (
                f"{end}.port {op} {n}",
                lambda flat: number(flat.get(f"{end}.port"), op, n),
            ),
            ends, orders, ports,
        ),
        st.builds(
            lambda n: (
                f"port=={n}",
                lambda flat: n in (flat.get("source.port"), flat.get("destination.port")),
            ),
            ports,
        ),
        st.builds(
            lambda n: (
                f"port != {n}",
                lambda flat: n not in (flat.get("source.port"), flat.get("destination.port")),
            ),
            ports,
        ),
        st.builds(
            lambda end, a, b, one: (
                f"{end}.port in ({one},{min(a, b)}-{max(a, b)})",
                lambda flat: (p := flat.get(f"{end}.port")) is not None
                and (p == one or min(a, b) <= p <= max(a, b)),
            ),
            ends, ports, ports, ports,
        ),
        st.builds(
            lambda end, nets: (
                f"{end}.ip in ({', '.join(nets)})",
                lambda flat: any(within(flat.get(f"{end}.ip"), net) for net in nets),
            ),
            ends, st.lists(st.sampled_from(NETWORKS), min_size=1, max_size=3),
        ),
        st.builds(
            lambda ip: (
                f"ip == {ip}",
                lambda flat: any(within(flat.get(end), ip) for end in ENDS),
            ),
            st.sampled_from(IPS),
        ),
        st.builds(
            lambda flag: (
                f"packet.tcp.flags has {flag}",
                lambda flat: flag in flat.get("packet.tcp.flags", ()),
            ),
            st.sampled_from(FLAGS),
        ),
        st.builds(
            lambda name: (
                f'network.transport == "{name}"',
                lambda flat: flat.get("network.transport") == name,
            ),
            st.sampled_from(TRANSPORTS),
        ),
        st.builds(
            lambda end: (f"{end}.ip exists", lambda flat: f"{end}.ip" in flat), ends
        ),
        st.just(("packet.tcp.flags exists", lambda flat: bool(flat.get("packet.tcp.flags")))),
        st.builds(
            lambda n: (f"packet.dscp >= {n}", lambda flat: flat.get("packet.dscp", 0) >= n),
            st.sampled_from([0, 46, 63]),
        ),
    )  # fmt: skip


def combined(parts: st.SearchStrategy[Question]) -> st.SearchStrategy[Question]:
    """Two with a word between, or one with `not` before it; in parentheses as the tree needs."""
    return st.one_of(
        st.builds(
            lambda a, b: (f"({a[0]}) and ({b[0]})", lambda flat: a[1](flat) and b[1](flat)),
            parts, parts,
        ),
        st.builds(
            lambda a, b: (f"(({a[0]})or({b[0]}))", lambda flat: a[1](flat) or b[1](flat)),
            parts, parts,
        ),
        st.builds(lambda a: (f"not ({a[0]})", lambda flat: not a[1](flat)), parts),
        st.builds(lambda a: (f"  NOT not ({a[0]} )", a[1]), parts),
    )  # fmt: skip


def records() -> st.SearchStrategy[Flat]:
    """Some fields of a packet event."""
    port = st.sampled_from(PORTS)
    return st.fixed_dictionaries(
        {},
        optional={
            "source.ip": st.sampled_from(IPS),
            "destination.ip": st.sampled_from(IPS),
            "source.port": port,
            "destination.port": port,
            "network.transport": st.sampled_from(TRANSPORTS),
            "packet.tcp.flags": st.lists(st.sampled_from(FLAGS), max_size=3),
            "packet.dscp": st.sampled_from([1, 46, 63]),
        },
    )


def nested(flat: Flat) -> dict[str, Any]:
    """The record that has these fields."""
    whole: dict[str, Any] = {}
    for name, value in flat.items():
        node = whole
        *parents, leaf = name.split(".")
        for each in parents:
            node = node.setdefault(each, {})
        node[leaf] = value
    return whole


def event(flat: Flat) -> Packet:
    """A packet event with these fields and those it must have."""
    needed = {
        "@timestamp": "2026-11-23T10:00:00.000000001Z",
        "event.sequence": 1,
        "agent.id": "a",
        "agent.ephemeral_id": "b",
        "packet.hook": "tc",
        "packet.length": 60,
    }
    return msgspec.convert(nested(needed | flat), Packet)


@given(st.recursive(questions(), combined, max_leaves=12), st.lists(records(), max_size=5))
def test_selects_what_a_plain_reading_selects(question: Question, flats: list[Flat]) -> None:
    text, answer = question
    passes = compile_filter(text, PACKETS)
    for flat in flats:
        assert passes(event(flat)) == answer(flat), text


@given(
    st.lists(st.booleans(), min_size=1, max_size=6),
    st.lists(st.sampled_from(["and", "or"]), min_size=5, max_size=5),
    st.lists(st.booleans(), min_size=6, max_size=6),
)
def test_not_binds_before_and_before_or(
    operands: list[bool], words: list[str], negated: list[bool]
) -> None:
    """As in Python, which is asked."""
    mine, theirs = "", ""
    for place, (holds, contrary) in enumerate(zip(operands, negated, strict=False)):
        word = f" {words[place - 1]} " if place else ""
        word += "not " if contrary else ""
        mine += f"{word}packet.length {'==' if holds else '!='} 60"
        theirs += f"{word}{holds}"
    assert compile_filter(mine, PACKETS)(event({})) == eval(theirs)  # noqa: S307


@pytest.mark.parametrize(
    ("text", "passes"),
    [
        ("@timestamp == 2026-11-23T10:00:00.000000001Z", True),
        ("@timestamp > 2026-11-23T10:00:00Z", True),
        ("@timestamp >= '2026-11-23T10:00:00.000000002'", False),
        ("@timestamp < 2026-11-24", True),
        ("network.community_id == 1:LQU9qZlK+B5F3KDmev6m5PMibrg=", True),
        (
            "network.community_id in (1:LQU9qZlK+B5F3KDmev6m5PMibrg=, 1:wCb3OG7yAFWelaUydu0D+125CLM=)",  # noqa: E501
            True,
        ),
        ("network.iana_number == 6", True),
        ("packet.fragment.more == true", False),
        ("packet.fragment.more != true", True),
        ("event.category has network", True),
        ("interface == eth0", True),
        ("mac == 02-00-5E-10-00-02", True),
        ("packet.tcp.seq in 0x3e8-0x3e9", True),
        ("not port < 443", True),
        ("packet.icmp.type < 5", False),  # absent: nothing holds but the contrary of ==
        ("packet.icmp.type >= 0", False),
        ("packet.icmp.type in 0-255", False),
        ("packet.icmp.type == 0", False),
        ("packet.icmp.type != 0", True),
        ("not packet.icmp.type < 5", True),
        (" and ".join(["packet.length == 1514"] * 3000), True),
        ("host.name == 'it\\'s \"x\"'", False),
    ],
)
def test_values(text: str, passes: bool) -> None:
    made = document(0) | {"@timestamp": "2026-11-23T10:00:00.000000001Z"}
    packet = msgspec.json.decode(json.dumps(made), type=Packet)
    assert compile_filter(text, PACKETS)(packet) == passes


@pytest.mark.parametrize(
    ("text", "says", "hint"),
    [
        ("", "empty", "port == 53"),
        ("port = 53", "there is '='", "equal is =="),
        ("port == http", "source.port is a number from 0 to 65535, not 'http'", ""),
        ("port == 65536", "not '65536'", ""),
        ("port in 1-65536", "not '65536'", ""),
        ("port in 90-80", "90-80 is no range", ""),
        ("mac == 02:00:5e:10:00:02", "never '02:00:5e:10:00:02'", "02-00-5E-10-00-01"),
        ("network.community_id == x", "never 'x'", "1:"),
        ("destination.prot == 1", "no field 'destination.prot'", "did you mean destination.port?"),
        ("tcp.flags has rst", "no field 'tcp.flags'", "did you mean packet.tcp.flags?"),
        ("frobnicate == 1", "no field 'frobnicate'", "docs/specs/events.md"),
        ("packet.tcp.flags has rest", "never 'rest'", "did you mean rst?"),
        ("packet.tcp.flags == rst", "ask with has", ""),
        ("network.transport has tcp", "ask with == or in", ""),
        ("network.direction > ingress", "no order", ""),
        ("source.ip > 10.0.0.1", "no order", ""),
        ("source.ip == 10.0.0.0/8", "is a network", "source.ip in 10.0.0.0/8"),
        ("source.ip in 10.0.0.0/33", "an IP address", ""),
        ("source.ip == alpha", "an IP address", ""),
        ("packet.fragment.more == 1", "true or false", ""),
        ("@timestamp > yesterday", "no time in UTC", ""),
        ("@timestamp > 2026-13-01", "no time in UTC", ""),
        ("port == 1 port == 2", "there is 'port'", ""),
        ("(port == 1", "it ends", ""),
        ("port in (1, 2", "it ends", ""),
        ("port", "it ends", ""),
        ("port == 'unclosed", "there is", ""),
        ("a & b", "there is '&'", ""),
        ("(" * 60, "levels deep", ""),
        ("not " * 60, "levels deep", ""),
    ],
)
def test_what_is_refused_is_shown(text: str, says: str, hint: str) -> None:
    with pytest.raises(UsageError, match="filter: ") as caught:
        compile_filter(text, PACKETS)
    assert says in caught.value.message
    assert hint in (caught.value.hint or "")


@given(st.text(st.sampled_from("ab.()<>=!,\"' 10/:-\\\n\0éand"), max_size=30))
def test_any_text_is_a_filter_or_refused(text: str) -> None:
    with suppress(UsageError):
        compile_filter(text, PACKETS)


def test_other_topics_have_other_fields() -> None:
    kinds: dict[str, Any] = {"keyword": "x", "date_nanos": "2026-11-23T10:00:00.000000001Z"}
    kinds["counts"] = {}
    flat = {field.name: kinds.get(field.type, 0) for field in STATS.fields if field.required}
    ledger = msgspec.convert(nested(flat | {"ledger.lost": 3}), Stats)
    assert compile_filter("ledger.lost > 2 and ledger.unaccounted == 0", STATS)(ledger)
    assert not compile_filter("ledger.lost > 3", STATS)(ledger)
    assert compile_filter("ledger.records.failed exists", STATS)(ledger)
    with pytest.raises(UsageError, match="no field 'port'"):
        compile_filter("port == 53", STATS)
    with pytest.raises(UsageError, match="an object"):
        compile_filter("ledger.records.failed == 0", STATS)
