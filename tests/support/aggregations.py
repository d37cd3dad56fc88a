# SPDX-License-Identifier: Apache-2.0
"""What an aggregation has to answer, computed from the events themselves."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

Json = dict[str, Any]
Event = dict[str, Any]
"""A record with its members under dotted names."""


class Checker:
    """Compares answers with events; a filter is known by its text, and has a predicate of ours."""

    def __init__(self, filters: Mapping[str, Callable[[Event], bool]]) -> None:
        self._filters = filters

    def check(self, aggregations: Json, answer: Json, events: Sequence[Event]) -> None:
        """Each aggregation's answer is what these events make it."""
        for name, wanted in aggregations.items():
            (kind,) = set(wanted) - {"aggs"}
            given, inside = answer[name], wanted.get("aggs", {})
            options = wanted[kind]
            if kind == "filter":
                matching = [*filter(self._filters[json.dumps(options)], events)]
                assert given["doc_count"] == len(matching), (name, options)
                self.check(inside, given, matching)
            elif kind in {"terms", "date_histogram"}:
                self._check_buckets(kind, options, inside, given["buckets"], events)
            else:
                assert given["value"] == number(kind, options["field"], events), (name, options)

    def _check_buckets(
        self, kind: str, options: Json, inside: Json, buckets: list[Json], events: Sequence[Event]
    ) -> None:
        buckets = [bucket for bucket in buckets if bucket["doc_count"]]
        groups = split(kind, options, events)
        size = options.get("size", len(groups))
        assert len(buckets) == min(size, len(groups)), options
        for bucket in buckets:
            group = groups.pop(bucket["key"])
            assert bucket["doc_count"] == len(group), (options, bucket["key"])
            self.check(inside, bucket, group)
        if not groups:
            return
        # those left out have no more of what decides than the last that was shown
        order = options.get("order", {"_count": "desc"})
        (by, way) = next(iter((order[0] if isinstance(order, list) else order).items()))
        sign = 1 if way == "desc" else -1
        shown = self._rank(by, inside, buckets[-1]["key"], split(kind, options, events))
        for key in groups:
            assert sign * self._rank(by, inside, key, groups) <= sign * shown, (options, key)

    def _rank(self, by: str, inside: Json, key: Any, groups: dict[Any, list[Event]]) -> float:
        events = groups[key]
        if by in {"_count", "_key"}:
            return len(events) if by == "_count" else key
        wanted = inside[by]
        if "filter" in wanted:
            return len([*filter(self._filters[json.dumps(wanted["filter"])], events)])
        ((kind, options),) = wanted.items()
        return number(kind, options["field"], events) or 0


def split(kind: str, options: Json, events: Iterable[Event]) -> dict[Any, list[Event]]:
    """The events by the keys of their buckets; one with several values is in several."""
    groups: dict[Any, list[Event]] = defaultdict(list)
    for event in events:
        if kind == "date_histogram":
            assert options["fixed_interval"] == "1s"
            groups[milliseconds(event[options["field"]]) // 1000 * 1000].append(event)
            continue
        value = event.get(options["field"], options.get("missing"))
        for one in value if isinstance(value, list) else [] if value is None else [value]:
            groups[one].append(event)
    least = options.get("min_doc_count", 1)
    return {key: group for key, group in groups.items() if len(group) >= least}


def number(kind: str, field: str, events: Iterable[Event]) -> float | None:
    """One metric; of no values the largest and the smallest are nothing."""
    found = (event[field] for event in events if field in event)
    values: list[Any] = [milliseconds(one) if field == "@timestamp" else one for one in found]
    known: dict[str, Callable[[list[Any]], float | None]] = {
        "sum": sum,
        "cardinality": lambda values: len(set(values)),
        "max": lambda values: max(values, default=None),
        "min": lambda values: min(values, default=None),
    }
    return known[kind](values)


def milliseconds(timestamp: str) -> int:
    """A time with nanoseconds, as Elasticsearch's aggregations give it."""
    seconds, fraction = timestamp.removesuffix("Z").split(".")
    whole = datetime.fromisoformat(seconds).replace(tzinfo=UTC)
    return int(whole.timestamp()) * 1000 + int(fraction[:3])
