# SPDX-License-Identifier: Apache-2.0
"""The line against a model of a broker that enforces Kafka's rules for sequences."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.delivery.line import (
    DOUBTFUL_ATTEMPTS,
    LAST_EPOCH,
    MAX_IN_FLIGHT,
    SEQUENCE_LIMIT,
    Entry,
    Line,
    Outcome,
    Stamp,
)


@dataclass(eq=False)
class Parcel:
    """A batch that knows its number and whether it was given back."""

    number: int
    events: int
    refused: bool = False
    released: int = 0

    def __len__(self) -> int:
        return self.events * 10

    def release(self) -> None:
        self.released += 1


@dataclass
class Producer:
    """What a broker knows of a producer in one partition."""

    epoch: int
    last: int
    recent: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=5))


@dataclass
class ModelBroker:
    """One partition's leader; the rules of Kafka's ProducerAppendInfo and of its log."""

    log: list[int] = field(default_factory=list)
    producers: dict[int, Producer] = field(default_factory=dict)

    def append(self, parcel: Parcel, stamp: Stamp) -> Outcome:
        if parcel.refused:
            return Outcome.REFUSED
        first = stamp.base_sequence
        last = (first + parcel.events - 1) % SEQUENCE_LIMIT
        known = self.producers.get(stamp.producer_id)
        if known is None:  # any sequence is taken from a producer that is not known
            known = self.producers[stamp.producer_id] = Producer(stamp.epoch, last)
        elif stamp.epoch < known.epoch:
            return Outcome.UNKNOWN_PRODUCER
        elif stamp.epoch > known.epoch:
            if first != 0:
                return Outcome.OUT_OF_SEQUENCE
            known.epoch = stamp.epoch
            known.recent.clear()
        elif (first, last) in known.recent:
            return Outcome.ACKNOWLEDGED
        elif first != (known.last + 1) % SEQUENCE_LIMIT:
            return Outcome.OUT_OF_SEQUENCE
        known.last = last
        known.recent.append((first, last))
        self.log.append(parcel.number)
        return Outcome.ACKNOWLEDGED


class World:
    """A line, a broker, and the wire between them."""

    def __init__(self, parcels: list[Parcel]) -> None:
        self.line: Line[Parcel] = Line()
        self.broker = ModelBroker()
        self.to_put = deque(parcels)
        self.wire: deque[tuple[Entry[Parcel], Stamp]] = deque()
        self.ghosts: deque[tuple[Parcel, Stamp]] = deque()  # sent on a connection we gave up
        self.producer_ids = 0

    def put(self) -> None:
        if self.to_put:
            self.line.put(self.to_put.popleft())

    def send(self) -> None:
        if self.line.identity is None and not self.line.in_flight:
            self.producer_ids += 1
            self.line.identify(self.producer_ids)
        if self.line.can_send:
            self.wire.append(self.line.next())
        assert self.line.in_flight == len(self.wire) <= MAX_IN_FLIGHT

    def answer(self) -> None:
        if self.wire:
            entry, stamp = self.wire.popleft()
            self.line.resolve(entry, self.broker.append(entry.batch, stamp), "refused")

    def answer_without_storing(self, outcome: Outcome) -> None:
        if self.wire:
            entry, _ = self.wire.popleft()
            self.line.resolve(entry, outcome)

    def cut(self, stored: int, *, ghosts: bool) -> None:
        """The connection breaks; the broker has stored some, and may store the rest later."""
        lost = list(self.wire)
        self.wire.clear()
        for entry, stamp in lost[:stored]:
            self.broker.append(entry.batch, stamp)
        if ghosts:
            self.ghosts.extend((entry.batch, stamp) for entry, stamp in lost[stored:])
        for entry, _ in lost:
            self.line.resolve(entry, Outcome.RETRY)

    def ghost(self) -> None:
        if self.ghosts:
            self.broker.append(*self.ghosts.popleft())

    def calm_down(self) -> None:
        for _ in range(10_000):
            if not self.to_put and not len(self.line):
                return
            self.put()
            self.send()
            self.answer()
        pytest.fail("the line does not come to an end")


PARCELS = st.lists(st.tuples(st.integers(1, 5), st.integers(0, 9)), min_size=1, max_size=40)
GENTLE = st.sampled_from(["put", "send", "send", "answer", "answer", "retry", "cut", "ghost"])
ROUGH = st.sampled_from(["put", "send", "send", "answer", "retry", "cut", "sequence", "producer"])


@given(sizes=PARCELS, steps=st.lists(st.tuples(GENTLE, st.integers(0, 8)), max_size=150))
@settings(deadline=None)
def test_disconnects_and_refusals_for_now_lose_double_and_reorder_nothing(
    sizes: list[tuple[int, int]], steps: list[tuple[str, int]]
) -> None:
    parcels = [Parcel(number, events) for number, (events, _) in enumerate(sizes)]
    world = World(parcels)
    play(world, steps, ghosts=True)
    world.calm_down()
    while world.ghosts:
        world.ghost()

    assert world.broker.log == list(range(len(parcels)))
    counters = world.line.counters()
    assert counters.acknowledged_events == sum(parcel.events for parcel in parcels)
    assert counters.new_epochs == 0
    assert all(parcel.released == 1 for parcel in parcels)


@given(sizes=PARCELS, steps=st.lists(st.tuples(GENTLE, st.integers(0, 8)), max_size=150))
@settings(deadline=None)
def test_refused_batches_fail_alone(
    sizes: list[tuple[int, int]], steps: list[tuple[str, int]]
) -> None:
    parcels = [Parcel(number, events, chance < 2) for number, (events, chance) in enumerate(sizes)]
    world = World(parcels)
    play(world, steps, ghosts=False)
    world.calm_down()

    assert world.broker.log == [each.number for each in parcels if not each.refused]
    counters = world.line.counters()
    refused = sum(parcel.events for parcel in parcels if parcel.refused)
    assert sum(counters.failed_events.values()) == refused
    assert counters.acknowledged_events == sum(each.events for each in parcels) - refused
    assert all(parcel.released == 1 for parcel in parcels)


@given(sizes=PARCELS, steps=st.lists(st.tuples(ROUGH, st.integers(0, 5)), max_size=150))
@settings(deadline=None)
def test_a_broker_that_forgets_us_still_loses_nothing(
    sizes: list[tuple[int, int]], steps: list[tuple[str, int]]
) -> None:
    parcels = [Parcel(number, events) for number, (events, _) in enumerate(sizes)]
    world = World(parcels)
    play(world, steps, ghosts=False)
    world.calm_down()

    first_seen = list(dict.fromkeys(world.broker.log))
    assert sorted(first_seen) == list(range(len(parcels)))
    doubled = [number for number, times in Counter(world.broker.log).items() if times > 1]
    if doubled:
        assert world.line.counters().new_epochs > 0
    assert all(parcel.released == 1 for parcel in parcels)


def play(world: World, steps: list[tuple[str, int]], *, ghosts: bool) -> None:
    put = 0
    for step, number in steps:
        match step:
            case "put":
                put += len(world.to_put) > 0
                world.put()
            case "send":
                world.send()
            case "answer":
                world.answer()
            case "retry":
                world.answer_without_storing(Outcome.RETRY)
            case "sequence":
                world.answer_without_storing(Outcome.OUT_OF_SEQUENCE)
            case "producer":
                world.answer_without_storing(Outcome.UNKNOWN_PRODUCER)
            case "cut":
                world.cut(number, ghosts=ghosts)
            case "ghost":
                world.ghost()
        counters = world.line.counters()
        batches = counters.queued_batches + counters.in_flight_batches
        failed = sum(counters.failed_batches.values())
        assert batches + counters.acknowledged_batches + failed == put
        assert counters.in_flight_batches == len(world.wire)


def put_and_confirm(events: int = 1) -> tuple[Line[Parcel], ModelBroker]:
    """A line of producer 1 with one batch acknowledged."""
    line: Line[Parcel] = Line()
    broker = ModelBroker()
    line.identify(1)
    line.put(Parcel(0, events))
    entry, stamp = line.next()
    line.resolve(entry, broker.append(entry.batch, stamp))
    return line, broker


def test_as_much_is_in_flight_as_a_broker_can_recognise() -> None:
    world = World([Parcel(number, 1) for number in range(30)])
    world.put()
    world.send()
    world.answer()
    for _ in range(20):
        world.put()
        world.send()
    world.cut(stored=20, ghosts=False)  # all stored, no answer arrived
    world.calm_down()
    assert world.broker.log == list(range(30))
    assert world.line.counters().new_epochs == 0


def test_one_in_flight_until_the_producer_is_known() -> None:
    line: Line[Parcel] = Line()
    line.identify(1)
    for number in range(10):
        line.put(Parcel(number, 1))
    entry, _ = line.next()
    assert not line.can_send
    line.resolve(entry, Outcome.ACKNOWLEDGED)
    for _ in range(MAX_IN_FLIGHT):
        line.next()
    assert not line.can_send
    with pytest.raises(RuntimeError):
        line.next()


def test_after_an_error_nothing_is_sent_until_all_is_answered_then_one() -> None:
    line, _ = put_and_confirm()
    for number in range(1, 10):
        line.put(Parcel(number, 1))
    first, _ = line.next()
    second, _ = line.next()
    line.resolve(first, Outcome.RETRY)
    assert not line.can_send
    line.resolve(second, Outcome.OUT_OF_SEQUENCE)
    again, stamp = line.next()
    assert again is first
    assert stamp == Stamp(1, 0, 1)
    assert not line.can_send


def test_sequences_wrap_as_kafkas_do() -> None:
    line, broker = put_and_confirm()
    line._next_sequence = SEQUENCE_LIMIT - 3
    broker.producers[1].last = SEQUENCE_LIMIT - 4
    for number in range(1, 5):
        line.put(Parcel(number, 2))
    stamps = []
    while line.can_send:
        entry, stamp = line.next()
        stamps.append(stamp.base_sequence)
        line.resolve(entry, broker.append(entry.batch, stamp))
    assert stamps == [2**31 - 3, 2**31 - 1, 1, 3]
    assert broker.log == [0, 1, 2, 3, 4]


def test_epochs_run_out() -> None:
    line, _ = put_and_confirm()
    line.identify(1, LAST_EPOCH)
    line.renew_epoch()
    assert line.identity is None


def test_a_doubtful_batch_is_not_tried_for_ever() -> None:
    line, _ = put_and_confirm()
    line.put(Parcel(1, 7))
    for _ in range(DOUBTFUL_ATTEMPTS):
        entry, _ = line.next()
        line.resolve(entry, Outcome.DOUBTFUL, "corrupt_message")
    assert not line.can_send
    assert line.counters().failed_events == {"corrupt_message": 7}


def test_oldest_unsent_is_dropped_not_what_was_sent() -> None:
    line, _ = put_and_confirm()
    parcels = [Parcel(number, 1) for number in range(3)]
    for parcel in parcels:
        line.put(parcel)
    sent, _ = line.next()
    assert line.drop_oldest_unsent("outdated")
    assert sent.batch is parcels[0]
    assert [parcel.released for parcel in parcels] == [0, 1, 0]
    assert line.drop_oldest_unsent("outdated")
    assert not line.drop_oldest_unsent("outdated")


def test_abandoned_batches_are_released_and_stay_counted() -> None:
    line, _ = put_and_confirm()
    parcel = Parcel(1, 4)
    line.put(parcel)
    line.abandon()
    assert parcel.released == 1
    assert line.counters().undelivered_events == 4
