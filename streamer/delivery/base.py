# SPDX-License-Identifier: Apache-2.0
"""What every delivery is to the rest of the program."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from streamer.observe import counters

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Sealed(Protocol):
    """Sealed bytes in memory that is given back with `release`; also a writable buffer."""

    @property
    def events(self) -> int: ...
    def __len__(self) -> int: ...
    def release(self) -> None: ...


class Batch(Sealed, Protocol):
    """Sealed events of one partition."""

    @property
    def partition(self) -> int: ...


class ConnectionTuple(NamedTuple):
    """One of our own TCP connections, seen from this machine."""

    local_address: str
    local_port: int
    remote_address: str
    remote_port: int


@dataclass(frozen=True, slots=True)
class DeliveryCounters(counters.DeliveryCounters):
    """The ledger's counters, and what helps to understand them; a snapshot."""

    queued_batches: int = 0
    in_flight_batches: int = 0
    failed_batches: Mapping[str, int] = field(default_factory=dict)
    requests: int = 0
    # Sequence numbers started anew: batches sent before may then be stored twice.
    new_epochs: int = 0

    @property
    def undelivered_events(self) -> int:
        """Neither acknowledged nor failed: at the end of a run, left undelivered."""
        return self.queued_events + self.in_flight_events


def total(parts: Iterable[DeliveryCounters]) -> DeliveryCounters:
    """The sum of counters."""
    sums: dict[str, Any] = {"failed_events": Counter(), "failed_batches": Counter()}
    for part in parts:
        for each in fields(part):
            value = getattr(part, each.name)
            sums[each.name] = (
                sums.get(each.name, 0) + value
                if each.type == "int"
                else (sums[each.name] + Counter(value))
            )
    return DeliveryCounters(**sums)


class Delivery(Protocol):
    """Takes sealed batches and is responsible for them until they are acknowledged."""

    async def start(self) -> None:
        """Begins to work. A destination that is away is no error: it is tried again."""

    def put(self, batch: Batch) -> None:
        """Takes ownership. The memory batches live in is the only bound."""

    def counters(self) -> DeliveryCounters: ...

    @property
    def ready(self) -> bool:
        """Whether what is put now would be delivered now."""
        ...

    @property
    def status(self) -> str:
        """The state in one sentence."""
        ...

    async def drain(self, deadline_s: float) -> bool:
        """Waits until nothing is queued or in flight; False when the time is over first."""
        ...

    async def aclose(self) -> None:
        """Ends at once; what is not acknowledged stays in the counters as undelivered."""
