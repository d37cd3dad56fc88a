# SPDX-License-Identifier: Apache-2.0
"""The ordered line of one partition: which batch may be sent next, and under which sequence.

No input, no output, no clock. The line keeps every batch from `put` until it is acknowledged or
refused for good, in order. Each line has a producer id of its own, so nothing that happens to one
partition disturbs the others.

After anything but an acknowledgement nothing more is sent until all that is in flight is answered;
then the line goes back to its first unacknowledged batch. Until the broker has acknowledged one
batch after that, only one is in flight: a broker that knows nothing of a producer takes any
sequence as its first, and would accept a later batch where an earlier one was refused.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from streamer.delivery.base import DeliveryCounters, Sealed

if TYPE_CHECKING:
    from collections.abc import Iterator

# Idempotence: a broker remembers the last five batches of a producer in a partition.
MAX_IN_FLIGHT = 5
SEQUENCE_LIMIT = 2**31
LAST_EPOCH = 2**15 - 1
NOT_ASSIGNED = -1
DOUBTFUL_ATTEMPTS = 5

B = TypeVar("B", bound=Sealed)


class Outcome(Enum):
    """What became of a batch that was sent."""

    ACKNOWLEDGED = "stored, now or by an earlier attempt"
    RETRY = "not now, or nobody knows: send it again under the same sequence"
    DOUBTFUL = "a fault that may be the batch's: send it again, but not for ever"
    OUT_OF_SEQUENCE = "the broker expected another sequence: start a new epoch"
    UNKNOWN_PRODUCER = "the broker does not accept the producer id: get a new one"
    REFUSED = "never: this batch can't be delivered"


class Identity(NamedTuple):
    """The producer a line is to the brokers."""

    producer_id: int
    epoch: int


class Stamp(NamedTuple):
    """What a batch carries when it is sent."""

    producer_id: int
    epoch: int
    base_sequence: int


@dataclass(slots=True, eq=False)
class Entry(Generic[B]):
    """One batch in the line."""

    batch: B
    events: int
    size: int
    sequence: int = NOT_ASSIGNED
    stamped: Stamp | None = None  # what the bytes hold now
    attempts: int = 0
    outcome: Outcome | None = None
    reason: str = ""


class Line(Generic[B]):
    """The state machine. `next` hands out what to send, `resolve` takes what became of it."""

    def __init__(self, max_in_flight: int = MAX_IN_FLIGHT) -> None:
        self._max_in_flight = max_in_flight
        self._entries: deque[Entry[B]] = deque()
        self._sent = 0  # entries at the head that were handed out since the last rewind
        self._rewinding = False
        self._confirmed = False  # the broker acknowledged something since the last rewind
        self._identity: Identity | None = None
        self._next_sequence = 0
        self._in_flight_batches = self._in_flight_events = self._in_flight_bytes = 0
        self._pending_events = self._pending_bytes = 0  # everything in _entries
        self._acknowledged_batches = self._acknowledged_events = self._acknowledged_bytes = 0
        self._failed_events: Counter[str] = Counter()
        self._failed_batches: Counter[str] = Counter()
        self._retries = self._new_epochs = 0

    def __len__(self) -> int:
        """Batches that are neither acknowledged nor failed."""
        return len(self._entries)

    @property
    def identity(self) -> Identity | None:
        """None: the line needs a producer id before it can go on."""
        return self._identity

    @property
    def in_flight(self) -> int:
        """Batches sent and not yet answered."""
        return self._in_flight_batches

    @property
    def can_send(self) -> bool:
        """Whether `next` would hand out a batch."""
        limit = self._max_in_flight if self._confirmed else 1
        return (
            self._sent < len(self._entries)
            and self._identity is not None
            and not self._rewinding
            and self._in_flight_batches < limit
        )

    @property
    def next_size(self) -> int:
        """Bytes of the batch `next` would hand out."""
        return self._entries[self._sent].size

    def identify(self, producer_id: int, epoch: int = 0) -> None:
        """Continue as this producer; only when nothing is in flight."""
        if self._in_flight_batches:
            raise RuntimeError("a line with batches in flight keeps its identity")
        self._identity = Identity(producer_id, epoch)
        self._restart_sequences()

    def renew_epoch(self) -> None:
        """Start the sequences anew in the next epoch; only when nothing is in flight."""
        if self._identity is None:
            return
        self._new_epochs += 1
        if self._identity.epoch >= LAST_EPOCH:
            self._identity = None
            self._restart_sequences()
        else:
            self.identify(self._identity.producer_id, self._identity.epoch + 1)

    def put(self, batch: B) -> None:
        """Append a batch; the line owns it from here on."""
        entry = Entry(batch, batch.events, len(batch))
        self._entries.append(entry)
        self._pending_events += entry.events
        self._pending_bytes += entry.size

    def next(self) -> tuple[Entry[B], Stamp]:
        """The batch to send now and what it must be stamped with. Only when `can_send`."""
        identity = self._identity
        if identity is None or not self.can_send:
            raise RuntimeError("nothing may be sent now")
        entry = self._entries[self._sent]
        if entry.sequence == NOT_ASSIGNED:
            entry.sequence = self._next_sequence
            self._next_sequence = (self._next_sequence + entry.events) % SEQUENCE_LIMIT
        self._sent += 1
        self._retries += entry.attempts > 0
        entry.attempts += 1
        entry.outcome = None
        self._in_flight_batches += 1
        self._in_flight_events += entry.events
        self._in_flight_bytes += entry.size
        return entry, Stamp(identity.producer_id, identity.epoch, entry.sequence)

    def resolve(self, entry: Entry[B], outcome: Outcome, reason: str = "") -> None:
        """What became of a batch that `next` handed out."""
        self._in_flight_batches -= 1
        self._in_flight_events -= entry.events
        self._in_flight_bytes -= entry.size
        if outcome is Outcome.DOUBTFUL and entry.attempts >= DOUBTFUL_ATTEMPTS:
            outcome = Outcome.REFUSED
        entry.outcome, entry.reason = outcome, reason
        if outcome is Outcome.ACKNOWLEDGED:
            self._acknowledged_batches += 1
            self._acknowledged_events += entry.events
            self._acknowledged_bytes += entry.size
            self._confirmed = True
            self._sent -= 1
            self._take_out(entry)
        else:
            self._rewinding = True
        if self._rewinding and not self._in_flight_batches:
            self._rewind()

    def drop_oldest_unsent(self, reason: str) -> bool:
        """Give up the oldest batch that was never sent; False when there is none."""
        for entry in self._entries:
            if entry.sequence == NOT_ASSIGNED and entry.attempts == 0:
                self._fail(entry, reason)
                return True
        return False

    def abandon(self) -> None:
        """Release all memory; the counters keep what was left undelivered."""
        for entry in self._entries:
            entry.batch.release()

    def counters(self) -> DeliveryCounters:
        """A snapshot of this line."""
        return DeliveryCounters(
            queued_events=self._pending_events - self._in_flight_events,
            in_flight_events=self._in_flight_events,
            acknowledged_events=self._acknowledged_events,
            failed_events=dict(self._failed_events),
            queued_batches=len(self._entries) - self._in_flight_batches,
            in_flight_batches=self._in_flight_batches,
            acknowledged_batches=self._acknowledged_batches,
            failed_batches=dict(self._failed_batches),
            queued_bytes=self._pending_bytes - self._in_flight_bytes,
            in_flight_bytes=self._in_flight_bytes,
            acknowledged_bytes=self._acknowledged_bytes,
            retries=self._retries,
            new_epochs=self._new_epochs,
        )

    # ------------------------------------------------------------------ after an error

    def _rewind(self) -> None:
        refused = [entry for entry in self._answered() if entry.outcome is Outcome.REFUSED]
        head = self._entries[0].outcome
        head_sequence = self._entries[0].sequence
        for entry in refused:
            self._fail(entry, entry.reason)
        self._sent = 0
        self._rewinding = self._confirmed = False
        if head is Outcome.UNKNOWN_PRODUCER or (
            # a new epoch begins at 0: refused even so, only another producer id can help
            head is Outcome.OUT_OF_SEQUENCE and head_sequence == 0
        ):
            self._new_epochs += 1
            self._identity = None
            self._restart_sequences()
        elif head is Outcome.OUT_OF_SEQUENCE or refused:
            # a batch taken out leaves a hole in the sequence that no broker accepts
            self.renew_epoch()

    def _answered(self) -> Iterator[Entry[B]]:
        return (self._entries[i] for i in range(self._sent))

    def _restart_sequences(self) -> None:
        self._next_sequence = 0
        self._confirmed = False
        for entry in self._entries:
            if entry.sequence == NOT_ASSIGNED:
                break
            entry.sequence = NOT_ASSIGNED

    def _fail(self, entry: Entry[B], reason: str) -> None:
        self._failed_events[reason] += entry.events
        self._failed_batches[reason] += 1
        self._take_out(entry)

    def _take_out(self, entry: Entry[B]) -> None:
        if self._entries[0] is entry:
            self._entries.popleft()
        else:
            self._entries.remove(entry)
        self._pending_events -= entry.events
        self._pending_bytes -= entry.size
        entry.batch.release()
