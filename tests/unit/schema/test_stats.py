# SPDX-License-Identifier: Apache-2.0
"""stats.v1 against the ledger itself, both ways."""

from __future__ import annotations

import json
from typing import Any

from jsonschema import Draft202012Validator

from streamer.observe.counters import COUNTER_SLOTS, DeliveryCounters, NoPump
from streamer.observe.ledger import Ledger
from streamer.observe.stats import StatsRecords
from streamer.schema import STATS, render
from streamer.schema.stats import SLOTS

LEDGER = Ledger(
    pump=NoPump(rejected={"unknown_kind": 1}), delivery=DeliveryCounters(failed_events={"x": 2})
)


def leaves(node: dict[str, Any], prefix: str) -> set[str]:
    found = set()
    for name, value in node.items():
        path = f"{prefix}.{name}"
        if isinstance(value, dict) and path not in REASONS:
            found |= leaves(value, path)
        else:
            found.add(path)
    return found


REASONS = {field.name for field in STATS.fields if field.type == "counts"}


def test_the_ledger_is_declared_and_nothing_else_is() -> None:
    declared = {field.name for field in STATS.fields if not field.ecs}
    assert leaves(LEDGER.as_dict(), "ledger") == declared


def test_a_record_is_accepted_by_the_closed_schema() -> None:
    schema = json.loads(render("json-schema", "stats.v1", closed=True))
    records = StatsRecords("5f0c2a4e", "q3Zx0bTtW1aY", "alpha")
    for sequence in range(2):
        record = json.loads(records.encode(LEDGER))
        Draft202012Validator(schema).validate(record)
        assert record["event"]["sequence"] == sequence


def test_the_hooks_are_those_the_ledger_counts() -> None:
    assert SLOTS == COUNTER_SLOTS
