# SPDX-License-Identifier: Apache-2.0
"""The grammar of filters: text to a tree, without knowing any field.

expression  = conjunction { "or" conjunction }
conjunction = negation { "and" negation }
negation    = "not" negation | "(" expression ")" | condition
condition   = FIELD "exists"
            | FIELD ( "==" | "!=" | "<" | "<=" | ">" | ">=" | "has" ) VALUE
            | FIELD "in" ( VALUE | "(" VALUE { "," VALUE } ")" )
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from streamer.errors import UsageError

COMPARISONS = ("==", "!=", "<=", ">=", "<", ">")
MAX_DEPTH = 50  # of parentheses and negations
WORDS = ("and", "or", "not", "in", "has", "exists")

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<sign>==|!=|<=|>=|[<>(),])
        | "(?P<double>(?:[^"\\]|\\.)*)" | '(?P<single>(?:[^'\\]|\\.)*)'
        | (?P<word>[^\s()<>=!,"']+ (?:=(?=[\s),]|$))?)  # a Community ID ends with "="
        | (?P<other>\S)
    )""",
    re.VERBOSE | re.DOTALL,
)


class FilterError(UsageError):
    """A filter that can't be understood; the hint shows the place."""

    def __init__(self, message: str, text: str, at: int, hint: str | None = None) -> None:
        shown = "".join(each if each.isprintable() else " " for each in text)
        lines = [shown, " " * at + "^", *([hint] if hint else [])]
        super().__init__(f"filter: {message}", "\n".join(lines))


@dataclass(frozen=True, slots=True)
class Value:
    """What is compared with, as written."""

    text: str
    at: int


@dataclass(frozen=True, slots=True)
class Condition:
    """One question to one field; `exists` has no value, only `in` has several."""

    field: str
    operator: str
    values: tuple[Value, ...]
    at: int


@dataclass(frozen=True, slots=True)
class Not:
    """What the operand is not."""

    operand: Node


@dataclass(frozen=True, slots=True)
class All:
    """`and`."""

    operands: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Some:
    """`or`."""

    operands: tuple[Node, ...]


Node = Condition | Not | All | Some


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    """The sign or word itself, "value" for anything else, "end"."""
    text: str
    at: int


def parse(text: str) -> Node:
    """The tree, or a FilterError."""
    if not text.strip():
        raise UsageError("filter: it is empty", "such as: port == 53 and packet.length > 512")
    parser = _Parser(text)
    tree = parser.expression()
    parser.expect("end", "and, or, or the end")
    return tree


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = _tokens(text)
        self._place = 0
        self._depth = 0

    @property
    def _next(self) -> _Token:
        return self._tokens[self._place]

    def _take(self) -> _Token:
        token = self._next
        self._place += 1
        return token

    def _skip(self, kind: str) -> bool:
        if self._next.kind != kind:
            return False
        self._place += 1
        return True

    def expect(self, kind: str, what: str) -> _Token:
        """The next token, which must be of this kind."""
        token = self._next
        if token.kind == kind:
            return self._take()
        found = "it ends" if token.kind == "end" else f"there is {token.text!r}"
        hint = "equal is ==" if token.text == "=" else None
        raise FilterError(f"{found} where {what} should be", self._text, token.at, hint)

    def expression(self) -> Node:
        """`or` binds least."""
        operands = [self._conjunction()]
        while self._skip("or"):
            operands.append(self._conjunction())
        return operands[0] if len(operands) == 1 else Some(tuple(operands))

    def _conjunction(self) -> Node:
        operands = [self._negation()]
        while self._skip("and"):
            operands.append(self._negation())
        return operands[0] if len(operands) == 1 else All(tuple(operands))

    def _negation(self) -> Node:
        opening = self._next
        if opening.kind not in {"not", "("}:
            return self._condition()
        self._take()
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise FilterError("more than fifty levels deep", self._text, opening.at)
        if opening.kind == "not":
            tree: Node = Not(self._negation())
        else:
            tree = self.expression()
            self.expect(")", "and, or, or a closing parenthesis")
        self._depth -= 1
        return tree

    def _condition(self) -> Node:
        field = self.expect("value", "a field")
        operator = self._next
        if operator.kind == "exists":
            self._take()
            return Condition(field.text, "exists", (), field.at)
        if operator.kind == "in":
            self._take()
            return Condition(field.text, "in", self._list(), field.at)
        if operator.kind in COMPARISONS or operator.kind == "has":
            self._take()
            return Condition(field.text, operator.kind, (self._value(),), field.at)
        self.expect("operator", "==, !=, <, <=, >, >=, in, has or exists")
        raise AssertionError  # no token is of that kind

    def _list(self) -> tuple[Value, ...]:
        if not self._skip("("):
            return (self._value(),)
        values = [self._value()]
        while self._skip(","):
            values.append(self._value())
        self.expect(")", "a comma or a closing parenthesis")
        return tuple(values)

    def _value(self) -> Value:
        token = self.expect("value", "a value")
        return Value(token.text, token.at)


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    place = 0
    while match := _TOKEN.match(text, place):
        place = match.end()
        kind = match.lastgroup or ""
        found, at = match[kind], match.start(kind)
        if kind in {"sign", "other"}:
            tokens.append(_Token(found, found, at))
        elif kind == "word":
            low = found.lower()
            tokens.append(_Token(low if low in WORDS else "value", found, at))
        else:
            tokens.append(_Token("value", re.sub(r"\\(.)", r"\1", found), at - 1))
    tokens.append(_Token("end", "", len(text.rstrip())))
    return tokens
