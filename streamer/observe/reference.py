# SPDX-License-Identifier: Apache-2.0
"""docs/specs/metrics.md: every metric, from the collector."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamer.observe.counters import COUNTER_SLOTS, DeliveryCounters, KernelCounters, NoPump
from streamer.observe.ledger import Ledger
from streamer.observe.metrics import LedgerCollector

if TYPE_CHECKING:
    from collections.abc import Iterator

PATH = "docs/specs/metrics.md"
INTRODUCTION = """\
<!-- Generated from streamer/observe by `python -m streamer.observe`. -->
# Metrics

`http://127.0.0.1:9477/metrics` (section `http` of the configuration), beside the usual
`process_*` ones. They are the ledger: for each hook and direction
`seen = filtered + dropped + emitted`, and for records `emitted = drained + events{stage="ring"}`,
`drained = rejected + encoded`, `encoded = acknowledged + failed + the other stages of events`.
What does not add up is in `streamer_unaccounted_*`: a bound while running, an alarm if it stays.

| metric | type | labels | what it is |
|---|---|---|---|
"""


def render() -> str:
    """The whole page."""
    return INTRODUCTION + "".join(f"{row}\n" for row in _rows())


def _rows() -> Iterator[str]:
    example = Ledger(
        KernelCounters(dict.fromkeys(COUNTER_SLOTS, ())),
        NoPump(rejected={"…": 0}),
        DeliveryCounters(failed_events={"…": 0}),
    )
    for family in LedgerCollector(lambda: example, lambda: True).collect():
        values: dict[str, list[str]] = {}
        for sample in family.samples:
            for label, value in sample.labels.items():
                seen = values.setdefault(label, [])
                if value not in seen:
                    seen.append(value)
        if "version" in values:
            values["version"] = ["…"]
        labels = ", ".join(f"`{label}` ({', '.join(each)})" for label, each in values.items())
        name = family.samples[0].name
        yield f"| `{name}` | {family.type} | {labels} | {family.documentation} |"
