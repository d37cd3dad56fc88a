# SPDX-License-Identifier: Apache-2.0
"""Filters: one expression over a topic's fields, checked against its table, run on events.

A field that an event does not have equals nothing, lies in nothing and is less than nothing; `!=`
is always the contrary of `==`, so it holds then. `ip`, `port`, `mac` and `interface` stand for
either end: `port == 53` holds if one is, `port != 53` if neither is.
"""

from __future__ import annotations

import difflib
import re
from datetime import UTC, datetime
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from operator import attrgetter, ge, gt, le, lt
from typing import TYPE_CHECKING, Any

from streamer.consume.event import ip_address
from streamer.consume.filter_syntax import All, Condition, FilterError, Not, Some, parse
from streamer.schema.common import TIMESTAMP

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamer.consume.filter_syntax import Node, Value
    from streamer.schema import Field, Topic

    Test = Callable[[Any], bool]

EITHER_END = {
    "ip": ("source.ip", "destination.ip"),
    "port": ("source.port", "destination.port"),
    "mac": ("source.mac", "destination.mac"),
    "interface": ("observer.ingress.interface.name", "observer.egress.interface.name"),
}
_ORDERS = {"<": lt, "<=": le, ">": gt, ">=": ge}
_NUMBER = re.compile(r"-?\d{1,20}|0x[0-9a-fA-F]{1,16}")
_RANGE = re.compile(r"(\d{1,20}|0x[0-9a-fA-F]{1,16})-(\d{1,20}|0x[0-9a-fA-F]{1,16})")
_TIME = re.compile(r"(\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d)?)?)(?:\.(\d{1,9}))?Z?")
_MAPPED = IPv6Network("::ffff:0:0/96")


def compile_filter(text: str, topic: Topic) -> Test:
    """A function that says of an event of the topic whether it passes."""
    return _Compiler(text, topic).test(parse(text))


class _Compiler:
    """One filter being made; it knows the text, to show where an error is."""

    def __init__(self, text: str, topic: Topic) -> None:
        self._text = text
        self._topic = topic
        self._fields = {field.name: field for field in topic.fields}
        self._short = {
            name: fields
            for name, fields in EITHER_END.items()
            if all(field in self._fields for field in fields)
        }

    def test(self, node: Node) -> Test:
        """The function of a part of the tree."""
        match node:
            case All(operands):
                return _all(tuple(map(self.test, operands)))
            case Some(operands):
                return _some(tuple(map(self.test, operands)))
            case Not(operand):
                return _negated(self.test(operand))
            case Condition():
                return self._condition(node)

    def _condition(self, condition: Condition) -> Test:
        if condition.operator == "!=":
            same = Condition(condition.field, "==", condition.values, condition.at)
            return _negated(self._condition(same))
        if condition.field in self._short:
            ends = (self._fields[name] for name in self._short[condition.field])
            return _some(tuple(self._one(condition, field) for field in ends))
        if condition.field not in self._fields:
            raise self._unknown(condition)
        return self._one(condition, self._fields[condition.field])

    def _one(self, condition: Condition, field: Field) -> Test:
        get: Callable[[Any], Any] = attrgetter("time_ns" if field.name == TIMESTAMP else field.name)
        operator = condition.operator
        if operator == "exists":
            return lambda event: get(event) is not None and get(event) != ()
        if field.type == "counts":
            raise self._error(condition, f"{field.name} is an object, only `exists` goes with it")
        if field.many != (operator == "has"):
            said = "a list: ask with has" if field.many else "one value: ask with == or in"
            raise self._error(condition, f"{field.name} is {said}")
        if operator == "has":
            wanted = self._keyword(condition.values[0], field)
            return lambda event: wanted in get(event)
        if operator in _ORDERS:
            return self._ordered(condition, field, get)
        if field.type == "ip":
            return self._addresses(condition, field, get)
        return self._among(condition, field, get)

    # ------------------------------------------------------------------ kinds of conditions

    def _ordered(self, condition: Condition, field: Field, get: Callable[[Any], Any]) -> Test:
        if not field.bits and field.name != TIMESTAMP:
            raise self._error(condition, f"{field.name} is {_kind(field)}, it has no order")
        order, bound = _ORDERS[condition.operator], self._scalar(condition.values[0], field)

        def test(event: Any) -> bool:
            value = get(event)
            return value is not None and order(value, bound)

        return test

    def _among(self, condition: Condition, field: Field, get: Callable[[Any], Any]) -> Test:
        exact: set[Any] = set()
        ranges: list[range] = []
        for value in condition.values:
            if (
                condition.operator == "in"
                and field.bits
                and (found := _RANGE.fullmatch(value.text))
            ):
                ends = [self._scalar(type(value)(end, value.at), field) for end in found.groups()]
                if ends[0] > ends[1]:
                    message = f"{value.text} is no range: it ends before it begins"
                    raise FilterError(message, self._text, value.at)
                ranges.append(range(ends[0], ends[1] + 1))
            else:
                exact.add(self._scalar(value, field))
        if not ranges:
            return lambda event: get(event) in exact

        def test(event: Any) -> bool:
            value = get(event)
            return value in exact or (value is not None and any(value in each for each in ranges))

        return test

    def _addresses(self, condition: Condition, field: Field, get: Callable[[Any], Any]) -> Test:
        networks = [
            self._network(value, field, alone=condition.operator == "==")
            for value in condition.values
        ]

        @lru_cache(1 << 16)
        def within(text: str) -> bool:
            address = _plain(ip_address(text))
            return any(address in network for network in networks)

        def test(event: Any) -> bool:
            text = get(event)
            return text is not None and within(text)

        return test

    # ------------------------------------------------------------------ values

    def _scalar(self, value: Value, field: Field) -> Any:
        """What the field's own value is compared with."""
        if field.name == TIMESTAMP:
            return self._time(value)
        if field.bits:
            return self._number(value, field)
        if field.type == "boolean":
            if value.text not in ("true", "false"):
                raise self._mistyped(value, field)
            return value.text == "true"
        return self._keyword(value, field)

    def _number(self, value: Value, field: Field) -> int:
        if not _NUMBER.fullmatch(value.text):
            raise self._mistyped(value, field)
        number = int(value.text, 16 if value.text.startswith("0x") else 10)
        if not (-field.largest if field.signed else 0) <= number <= field.largest:
            raise self._mistyped(value, field)
        return number

    def _time(self, value: Value) -> int:
        found = _TIME.fullmatch(value.text)
        try:
            second = datetime.fromisoformat(found[1]) if found else None
        except ValueError:
            second = None
        if found is None or second is None:
            example = "2026-11-23T10:00:00.5Z"
            message = f"{value.text!r} is no time in UTC, such as {example}"
            raise FilterError(message, self._text, value.at)
        seconds = int(second.replace(tzinfo=UTC).timestamp())
        return seconds * 10**9 + int((found[2] or "").ljust(9, "0"))

    def _keyword(self, value: Value, field: Field) -> str:
        if field.values and value.text not in field.values:
            raise FilterError(
                f"{field.name} is never {value.text!r}",
                self._text,
                value.at,
                _nearest(value.text, field.values) or f"it is one of {', '.join(field.values)}",
            )
        if field.pattern and not re.search(field.pattern, value.text):
            raise FilterError(
                f"{field.name} is never {value.text!r}",
                self._text,
                value.at,
                f"it is written as {field.example}",
            )
        return value.text

    def _network(self, value: Value, field: Field, *, alone: bool) -> IPv4Network | IPv6Network:
        """The network, or the address as a network of one."""
        if alone and "/" in value.text:
            raise FilterError(
                f"{value.text} is a network, not an address",
                self._text,
                value.at,
                f"ask with {field.name} in {value.text}",
            )
        try:
            network = ip_network(value.text, strict=False)
        except ValueError:
            raise self._mistyped(value, field) from None
        if isinstance(network, IPv6Network) and network.subnet_of(_MAPPED):
            address = _plain(network.network_address)
            return ip_network(f"{address}/{network.prefixlen - 96}")
        return network

    # ------------------------------------------------------------------ errors

    def _error(self, condition: Condition, message: str) -> FilterError:
        return FilterError(message, self._text, condition.at)

    def _mistyped(self, value: Value, field: Field) -> FilterError:
        return FilterError(
            f"{field.name} is {_kind(field)}, not {value.text!r}", self._text, value.at
        )

    def _unknown(self, condition: Condition) -> FilterError:
        name = condition.field
        names = [*self._fields, *self._short]
        ends_so = [each for each in names if each.endswith(f".{name}")]
        hint = _nearest(name, names) if not ends_so else f"did you mean {' or '.join(ends_so[:3])}?"
        return FilterError(
            f"{self._topic.name} has no field {name!r}",
            self._text,
            condition.at,
            hint or "docs/specs/events.md lists them",
        )


def _all(tests: tuple[Test, ...]) -> Test:
    if len(tests) == 2:  # the usual case, at half the time
        first, second = tests
        return lambda event: first(event) and second(event)
    return lambda event: all(test(event) for test in tests)


def _some(tests: tuple[Test, ...]) -> Test:
    if len(tests) == 2:
        first, second = tests
        return lambda event: first(event) or second(event)
    return lambda event: any(test(event) for test in tests)


def _negated(test: Test) -> Test:
    return lambda event: not test(event)


def _plain(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """An IPv4 address that is written as IPv6 is the IPv4 address, as in the other readers."""
    return (isinstance(address, IPv6Address) and address.ipv4_mapped) or address


def _nearest(name: str, names: Any) -> str | None:
    found = difflib.get_close_matches(name.lower(), names, n=1)
    return f"did you mean {found[0]}?" if found else None


def _kind(field: Field) -> str:
    if field.bits:
        return f"a number from {-field.largest if field.signed else 0} to {field.largest}"
    if field.type == "ip":
        return "an IP address"
    return "true or false" if field.type == "boolean" else "text"
