# SPDX-License-Identifier: Apache-2.0
"""The ledger closes for every run in which nothing vanished, and shows exactly what did.

The oracle is a walk of packets through the stages, one decision each; what
vanishes between two stages is chosen, and must come out.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from streamer.errors import ExitCode
from streamer.observe.counters import (
    COUNTER_SLOTS,
    DeliveryCounters,
    HookCounters,
    KernelCounters,
    NoPump,
    Slot,
)
from streamer.observe.ledger import MIN_RING_BYTES_PER_RECORD, Ledger

COUNTS = st.integers(min_value=0, max_value=1 << 60)
CPUS = 3


@dataclass
class Run:
    """What happened, and the ledger that was read."""

    ledger: Ledger
    vanished: dict[str, int]
    counted_losses: int
    on_the_way: int
    missing_packets: int = field(init=False)

    def __post_init__(self) -> None:
        hooks = {" ".join(slot) for slot in COUNTER_SLOTS}
        self.missing_packets = sum(n for place, n in self.vanished.items() if place in hooks)


@st.composite
def runs(draw: st.DrawFn, *, vanish: bool, finished: bool = False) -> Run:
    """A consistent run: split what arrives at each stage into what becomes of it."""
    vanished: dict[str, int] = {}

    def gone(place: str) -> int:
        count = draw(st.integers(0, 5)) if vanish else 0
        vanished[place] = count
        return count

    def some() -> int:
        return 0 if finished else draw(COUNTS)

    # Upwards, so that every stage's input is the sum of its fates.
    acknowledged, in_flight, queued = draw(COUNTS), some(), some()
    failed = draw(st.dictionaries(st.sampled_from(["timed_out", "too_large"]), COUNTS))
    opened, sealed = some(), some()
    taken = queued + in_flight + acknowledged + sum(failed.values())
    encoded = opened + sealed + taken + gone("delivery")
    rejected = draw(st.dictionaries(st.sampled_from(["version", "length"]), COUNTS))
    drained = encoded + sum(rejected.values()) + gone("pump")
    in_ring = 0 if finished else draw(st.integers(0, 1000))
    gaps = gone("ring")
    emitted = drained + in_ring + gaps

    cuts = sorted(draw(st.lists(st.integers(0, emitted), min_size=14, max_size=14)))
    parts = [high - low for low, high in zip([0, *cuts], [*cuts, emitted], strict=True)]
    per_cpu: dict[Slot, tuple[HookCounters, ...]] = {}
    losses = 0
    for slot in COUNTER_SLOTS:
        cpus = []
        for cpu in range(CPUS):
            here = parts.pop()
            own, full = draw(COUNTS), draw(COUNTS)
            lost = gone(" ".join(slot)) if cpu == 0 else 0
            losses += full
            cpus.append(HookCounters(here + own + full + lost, draw(COUNTS), own, full, here))
        per_cpu[slot] = tuple(cpus)
    sequences = tuple(
        sum(per_cpu[slot][cpu].emitted for slot in COUNTER_SLOTS) for cpu in range(CPUS)
    )
    # The ring holds at least its records; an event's is 128 bytes, gaps included.
    fill = in_ring * draw(st.integers(MIN_RING_BYTES_PER_RECORD, 200))
    return Run(
        Ledger(
            kernel=KernelCounters(per_cpu, sequences, ring_fill_bytes=fill),
            pump=NoPump(
                drained=drained,
                rejected=rejected,
                encoded=encoded,
                open_events=opened,
                sealed_events=sealed,
                taken_events=taken,
                sequence_gaps=gaps,
            ),
            delivery=DeliveryCounters(queued, in_flight, acknowledged, failed),
        ),
        vanished,
        losses + sum(rejected.values()) + sum(failed.values()),
        in_ring + opened + sealed + queued + in_flight,
    )


@given(runs(vanish=False))
def test_closes(run: Run) -> None:
    ledger = run.ledger
    assert set(ledger.differences().values()) == {0}
    assert ledger.unaccounted == ledger.unaccounted_packets == ledger.unaccounted_records == 0
    assert ledger.lost == run.counted_losses
    assert ledger.undelivered == run.on_the_way
    assert (ledger.exit_code is ExitCode.DONE) == (run.counted_losses + run.on_the_way == 0)
    assert ledger.render().endswith("\nunaccounted 0")


@given(runs(vanish=True))
def test_shows_what_is_missing_and_where(run: Run) -> None:
    differences = run.ledger.differences()
    assert {place: n for place, n in differences.items() if n} == {
        place: n for place, n in run.vanished.items() if n
    }
    total = sum(run.vanished.values())
    assert run.ledger.unaccounted == total
    assert run.ledger.unaccounted_packets == run.missing_packets
    assert run.ledger.unaccounted_records == total - run.missing_packets
    assert total == 0 or run.ledger.exit_code is ExitCode.LOSSES
    assert run.ledger.render().endswith(f"\nunaccounted {total:,}")


@given(runs(vanish=True, finished=True))
def test_exact_without_the_pumps_own_check(run: Run) -> None:
    """With an empty ring, what never reached the pump is missing, whoever noticed."""
    kernel, pump = run.ledger.kernel, run.ledger.pump
    assert isinstance(pump, NoPump)
    unaware = NoPump(drained=pump.drained, rejected=pump.rejected, encoded=pump.encoded)
    ledger = Ledger(kernel, unaware, run.ledger.delivery)
    assert ledger.differences()["ring"] == run.vanished["ring"]


@given(runs(vanish=False), st.integers(1, 9))
def test_too_much_is_as_wrong_as_too_little(run: Run, extra: int) -> None:
    delivery = run.ledger.delivery
    twice = DeliveryCounters(
        delivery.queued_events,
        delivery.in_flight_events,
        delivery.acknowledged_events + extra,
        delivery.failed_events,
    )
    ledger = Ledger(run.ledger.kernel, run.ledger.pump, twice)
    assert ledger.differences()["delivery"] == -extra
    assert ledger.unaccounted == extra


@given(runs(vanish=True))
def test_layout_is_stable(run: Run) -> None:
    def shape(value: Any) -> Any:
        return {key: shape(item) for key, item in value.items()} if isinstance(value, dict) else 0

    tree = run.ledger.as_dict()
    assert json.loads(json.dumps(tree)) == tree
    empty = Ledger().as_dict()
    for reasons in (tree["records"], empty["records"]):
        reasons["rejected"] = reasons["failed"] = {}
    assert shape(tree) == shape(empty)


def test_hooks_disagree_with_sequences() -> None:
    kernel = KernelCounters({("tc", "ingress"): (HookCounters(5, 5, 0, 0, 5),)}, (4,))
    ledger = Ledger(kernel, NoPump(drained=4, encoded=4), DeliveryCounters(acknowledged_events=4))
    assert {place: n for place, n in ledger.differences().items() if n} == {"sequences": 1}


def test_render_is_aligned_and_complete() -> None:
    kernel = KernelCounters(
        {
            ("tc", "ingress"): (HookCounters(10, 40, 1, 2, 7),),
            ("tc", "egress"): (HookCounters(1_000_000, 1_000_000, 0, 0, 1_000_000),),
        },
        (1_000_007,),
    )
    ledger = Ledger(
        kernel,
        NoPump(drained=1_000_007, rejected={"version": 3}, encoded=1_000_004, open_events=1),
        DeliveryCounters(0, 0, 1_000_001, {"timed_out": 2}),
    )
    lines = ledger.render().splitlines()
    assert lines[0].split() == ["packets", "tc", "ingress", "tc", "egress", "all"]
    packet_rows = lines[1:5]
    assert len({len(line) for line in lines[:5]}) == 1
    assert [line.split()[0] for line in packet_rows] == ["seen", "filtered", "dropped", "emitted"]
    assert packet_rows[0].split()[1:] == ["10", "1,000,000", "1,000,010"]
    assert "  rejected (version)                    3" in lines
    assert "  in open batches                       1" in lines
    assert "  failed (timed_out)                    2" in lines
    assert lines[-1] == "unaccounted 0"
