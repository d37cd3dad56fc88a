# SPDX-License-Identifier: Apache-2.0
"""A topic's fields as ClickHouse's columns: types, codecs, and the way from a record to a value.

A record is taken apart by one JSONExtract, several times faster than one per field. It never fails:
what does not fit its type becomes the type's default, as if it were absent. So numbers, addresses
and truth values are taken out as text, which tells "absent" (empty) from "does not fit".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .common import TIMESTAMP

if TYPE_CHECKING:
    from .field import Field, Topic

COMPRESSION = "ZSTD(1)"


def columns(topic: Topic) -> tuple[str, ...]:
    """The columns of the table that keeps a topic's events."""
    return tuple(
        f"`{field.column_name}` {column_type(field)}{_default(field)}"
        f" COMMENT {quoted(field.name)} {codec(field)}"
        for field in topic.fields
    )


def column_type(field: Field) -> str:
    """The type of the field's column."""
    match field.type:
        case "keyword":
            one = "String" if field.plain else "LowCardinality(String)"
        case "ip":
            one = "IPv6"
        case "date_nanos":
            one = "DateTime64(9, 'UTC')"
        case "boolean":
            one = "Bool"
        case "counts":
            one = f"Map(LowCardinality(String), {_integer(field)})"
        case _:
            one = _integer(field)
    return f"Array({one})" if field.many else one


def codec(field: Field) -> str:
    """How the column is compressed."""
    if not field.delta:
        return f"CODEC({COMPRESSION})"
    size = 8 if field.type == "date_nanos" else field.bits // 8
    return f"CODEC(Delta({size}), {COMPRESSION})"


def tuple_type(topic: Topic) -> str:
    """The type that takes a whole record apart."""
    tree: dict[str, Any] = {}
    for field in topic.varying:
        node = tree
        for name in field.path[:-1]:
            node = node.setdefault(name, {})
        node[field.path[-1]] = _extracted_type(field)
    return _tuple(tree)


def value(field: Field) -> str:
    """The column's value, from the record that was taken apart as `parsed`."""
    extracted, converted = _extracted(field), _converted(field)
    match field.type:
        case "ip":
            return f"ifNull({converted}, toIPv6('::'))"
        case "boolean":
            return f"{extracted} = 'true'"
        case "date_nanos":
            return f"ifNull({converted}, toDateTime64(0, 9, 'UTC'))"
        case _ if converted:
            return f"ifNull({converted}, {field.default or 0})"
        case _:
            return extracted


def faults(topic: Topic) -> list[tuple[str, str]]:
    """What can be wrong with a record's fields: a condition, and the reason it is."""
    found = []
    for field in topic.varying:
        extracted, converted = _extracted(field), _converted(field)
        if field.required and (converted or field.type == "keyword"):
            found.append((f"{extracted} = ''", f"{field.name} is missing"))
        if converted:
            found.append((f"{extracted} != '' AND {_misfit(field)}", _misfit_reason(field)))
        elif field.type == "boolean":
            found.append((f"{extracted} NOT IN ('', 'true', 'false')", _misfit_reason(field)))
    return found


def quoted(text: str) -> str:
    """A string literal."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _extracted(field: Field) -> str:
    return "parsed." + ".".join(f"`{name}`" for name in field.path)


def _converted(field: Field) -> str:
    """From the text that was extracted, NULL if it does not fit; empty: it is used as it is."""
    text = _extracted(field)
    if field.name == TIMESTAMP:
        return f"parseDateTime64BestEffortOrNull({text}, 9, 'UTC')"
    match field.type:
        case "ip":
            return f"toIPv6OrNull({text})"
        case "long" | "integer" | "short":
            return f"to{_integer(field)}OrNull({text})"
        case _:
            return ""


def _misfit(field: Field) -> str:
    condition = f"isNull({_converted(field)})"
    if field.maximum is not None:
        condition = f"({condition} OR {_converted(field)} > {field.maximum})"
    return condition


def _misfit_reason(field: Field) -> str:
    match field.type:
        case "date_nanos":
            return f"{field.name} is no time"
        case "ip":
            return f"{field.name} is no address"
        case "boolean":
            return f"{field.name} is neither true nor false"
        case _:
            lowest = -(2 ** (field.bits - 1)) if field.signed else 0
            return f"{field.name} is no integer from {lowest} to {_largest(field)}"


def _largest(field: Field) -> int:
    return 2 ** (field.bits - 1) - 1 if field.signed else field.largest


def _extracted_type(field: Field) -> str:
    # Also because parsing into LowCardinality is slow, and because a session's settings decide
    # which times JSONExtract understands.
    if field.type == "counts":
        return f"Map(String, {_integer(field)})"
    return "Array(String)" if field.many else "String"


def _tuple(tree: dict[str, Any]) -> str:
    members = (
        f"`{name}` {_tuple(node) if isinstance(node, dict) else node}"
        for name, node in tree.items()
    )
    return f"Tuple({', '.join(members)})"


def _integer(field: Field) -> str:
    return f"{'Int' if field.signed else 'UInt'}{field.bits}"


def _default(field: Field) -> str:
    if field.constant is None:
        return ""
    if isinstance(field.constant, str):
        return f" DEFAULT {quoted(field.constant)}"
    return f" DEFAULT [{', '.join(quoted(value) for value in field.constant)}]"
