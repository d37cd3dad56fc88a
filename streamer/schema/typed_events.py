# SPDX-License-Identifier: Apache-2.0
"""streamer/consume/events.py: a topic's records as classes for Python."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .common import TIMESTAMP

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .field import Field, Topic

WIDTH = 100
HEAD = '''\
# SPDX-License-Identifier: Apache-2.0
"""The events of the topics. Generated from streamer/schema by `python -m streamer.schema`.

An object that a record does not have is there all the same, with nothing in it, so that
`packet.packet.tcp.flags` needs no question before it. A field that is absent is None, empty, or the
default the table of fields gives. Fields that are not known here are passed over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from msgspec import Meta, Struct

from streamer.consume.event import Event, ip_address

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address
'''


@dataclass(slots=True)
class Node:
    """An object of a record: its leaves and the objects within it."""

    name: str
    described: str
    leaves: dict[str, Field] = field(default_factory=dict)
    objects: dict[str, Node] = field(default_factory=dict)

    @property
    def required(self) -> bool:
        return any(leaf.required for leaf in self.leaves.values()) or any(
            node.required for node in self.objects.values()
        )


def render(topics: Iterable[Topic]) -> str:
    """The module's text."""
    topics = tuple(topics)
    numbers = sorted({_bounds(field) for topic in topics for field in topic.fields if field.bits})
    aliases = "".join(
        f"{_alias(low, high)} = Annotated[int, Meta(ge={low}, le={high})]\n"
        for low, high in numbers
    )
    classes = "\n\n".join(text for topic in topics for text in _classes(_tree(topic)))
    return f"{HEAD}\n{aliases}\n\n{classes}"


def _tree(topic: Topic) -> Node:
    root = Node(topic.record, f"{topic.description} (`{topic.name}`)")
    for leaf in topic.fields:
        if leaf.name == TIMESTAMP:
            continue  # every event's: in the base class
        node, place = root, ""
        for name in leaf.path[:-1]:
            place = f"{place}.{name}" if place else name
            inner = Node(node.name + _camel(name), f"`{place}` of {topic.name}.")
            node = node.objects.setdefault(name, inner)
        node.leaves[leaf.path[-1]] = leaf
    return root


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def _classes(root: Node, base: str = "Event") -> Iterator[str]:
    for node in root.objects.values():
        yield from _classes(node, "Struct")
    yield _class(root, base)


def _class(node: Node, base: str) -> str:
    head = f"class {node.name}({base}, frozen=True, kw_only=True, gc=False):\n"
    parts = [_docstring(node.described)]
    for name, leaf in node.leaves.items():
        parts.append(f"    {name}: {_annotation(leaf)}\n{_docstring(_description(leaf))}")
    for name, inner in node.objects.items():
        default = "" if inner.required else f" = {inner.name}()"
        parts.append(f"    {name}: {inner.name}{default}\n")
    body = parts[0] + "\n" + "".join(parts[1:])
    addresses = [name for name, leaf in node.leaves.items() if leaf.type == "ip"]
    return head + body + "".join(_address(name) for name in addresses)


def _address(name: str) -> str:
    return f'''
    def __post_init__(self) -> None:
        if self.{name} is not None:
            ip_address(self.{name})

    @property
    def address(self) -> IPv4Address | IPv6Address | None:
        """`{name}` as an object."""
        return None if self.{name} is None else ip_address(self.{name})
'''


def _annotation(leaf: Field) -> str:
    one = {"boolean": "bool", "counts": "dict[str, int]"}.get(leaf.type) or (
        _alias(*_bounds(leaf)) if leaf.bits else "str"
    )
    if leaf.many:
        one = f"tuple[{one}, ...]"
    if leaf.constant is not None:
        return f"{one} = {_literal(leaf.constant)}"
    if leaf.required:
        return one
    if leaf.many:
        return f"{one} = ()"
    return f"{one} | None = None" if leaf.default is None else f"{one} = {leaf.default}"


def _literal(constant: str | tuple[str, ...]) -> str:
    if isinstance(constant, str):
        return f'"{constant}"'
    return "(" + "".join(f'"{value}", ' for value in constant).removesuffix(" ") + ")"


def _bounds(leaf: Field) -> tuple[int, int]:
    return (-leaf.largest if leaf.signed else 0), leaf.largest


def _alias(low: int, high: int) -> str:
    return f"UpTo{high}" if low == 0 else f"Within{high}"


def _description(leaf: Field) -> str:
    text = leaf.description
    if leaf.values:  # not the type: a later version of the topic may have more
        text += f" Known: {', '.join(leaf.values)}."
    return text


def _docstring(text: str) -> str:
    lines = textwrap.wrap(text.replace("\\", "\\\\"), WIDTH - 4 - 6, break_long_words=False)
    if len(lines) == 1:
        return f'    """{lines[0]}"""\n'
    return f'    """{lines[0]}\n' + "".join(f"    {line}\n" for line in lines[1:]) + '    """\n'
