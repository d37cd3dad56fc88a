# SPDX-License-Identifier: Apache-2.0
"""The kinds of values settings have, each with the words that say what is expected."""

from __future__ import annotations

import mmap
import re
from dataclasses import dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le
from pydantic import AfterValidator, SecretStr

KIB = 1024
MIB = 1024 * KIB
PAGE_BYTES = mmap.PAGESIZE
MAX_RING_BYTES = 1 << 30
PORT_MAX = 65535

# A name or IPv4 address, or an IPv6 address in brackets; the port may be left out.
_SERVER = re.compile(r"(\[[0-9A-Fa-f:.%\w]+\]|[^\s:\[\]/@,]+)(?::(\d{1,5}))?")


@dataclass(frozen=True)
class Expected:
    """Metadata of a type: what a value must be, to end a sentence with."""

    text: str


def _is_power_of_two(value: int) -> bool:
    return value > 0 and value & (value - 1) == 0


def _ring_bytes(value: int) -> int:
    if not _is_power_of_two(value) or not PAGE_BYTES <= value <= MAX_RING_BYTES:
        raise ValueError
    return value


def _power_of_two(value: int) -> int:
    if not _is_power_of_two(value) or value > MAX_RING_BYTES:
        raise ValueError
    return value


def _servers(value: str) -> str:
    for server in value.split(","):
        match = re.fullmatch(
            r"(\[[0-9A-Fa-f:.%\w]+\]|[^\s:\[\]/@,]+)(?::(\d{1,5}))?", server.strip()
        )
        if match is None or not 1 <= int(match[2] or 1) <= PORT_MAX:
            raise ValueError
    return value


def _topic(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,249}", value) or value in {".", ".."}:
        raise ValueError
    return value


def _name(value: str) -> str:
    if not value.strip() or not value.isprintable():
        raise ValueError
    return value


def _printable(value: str) -> str:
    if not value.isprintable():
        raise ValueError
    return value


def _interface(value: str) -> str:
    # Longer than any interface's name (15 bytes): a pattern may be.
    if not value or "/" in value or any(c.isspace() for c in value):
        raise ValueError
    return value


def _readable_file(value: Path) -> Path:
    try:
        with value.open("rb"):
            return value
    except OSError:
        raise ValueError from None


RingBytes = Annotated[
    int,
    AfterValidator(_ring_bytes),
    Expected(f"a power of two from {PAGE_BYTES} (one page) to {MAX_RING_BYTES}"),
]
PowerOfTwo = Annotated[int, AfterValidator(_power_of_two), Expected("a power of two")]
Port = Annotated[int, Ge(0), Le(PORT_MAX)]
Seconds = Annotated[float, Gt(0), Le(86400)]
Milliseconds = Annotated[int, Ge(1), Le(86_400_000)]
Servers = Annotated[
    str, AfterValidator(_servers), Expected("HOST:PORT, or several separated by commas")
]
Topic = Annotated[
    str,
    AfterValidator(_topic),
    Expected("a topic's name: letters, digits, '.', '_' and '-', at most 249"),
]
Name = Annotated[str, AfterValidator(_name), Expected("a printable name, not empty")]
InterfacePattern = Annotated[
    str, AfterValidator(_interface), Expected("an interface's name or shell pattern")
]
ReadableFile = Annotated[Path, AfterValidator(_readable_file), Expected("a file that can be read")]


def describe(annotation: Any, metadata: tuple[Any, ...] | list[Any] = ()) -> str:
    """What a value of this type must be, in words."""
    for item in metadata:
        if isinstance(item, Expected):
            return item.text
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return describe(arguments[0], (*arguments[1:], *metadata))
    if origin in {Union, UnionType}:
        return " or ".join(describe(item) for item in arguments if item is not NoneType)
    if origin is Literal:
        words = "one of " + ", ".join(str(item) for item in arguments)
    elif origin in {tuple, list}:
        words = f"a list, each item {describe(arguments[0])}"
    else:
        words = _PLAIN[annotation] + _bounds(metadata)
    return words


_PLAIN = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a string",
    Path: "a path",
    SecretStr: "a string",
}


def _bounds(metadata: tuple[Any, ...] | list[Any]) -> str:
    low = next((item.ge for item in metadata if isinstance(item, Ge)), None)
    above = next((item.gt for item in metadata if isinstance(item, Gt)), None)
    high = next((item.le for item in metadata if isinstance(item, Le)), None)
    words = ""
    if low is not None:
        words = f" from {low}" if high is not None else f" of at least {low}"
    elif above is not None:
        words = f" above {above}"
    if high is not None:
        words += f"{' to' if low is not None else ' up to'} {high}"
    return words
