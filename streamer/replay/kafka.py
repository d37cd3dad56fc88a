# SPDX-License-Identifier: Apache-2.0
"""Replayed events to Kafka, as a run would send them; a broker that stays away ends it."""

from __future__ import annotations

import asyncio
from itertools import chain
from typing import TYPE_CHECKING

from streamer.delivery import KafkaDelivery
from streamer.errors import DeliveryError
from streamer.observe.ledger import Ledger
from streamer.replay.engine import Engine

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streamer.config import Settings
    from streamer.replay.source import Packet

# A run waits for its broker for ever, as packets go on coming; a replay can be started again.
FIRST_ANSWER_S = 30.0
NO_PROGRESS_S = 60.0
_LOOK_S = 0.02


async def deliver(
    settings: Settings, identity: str, packets: Iterable[Packet]
) -> tuple[Engine, Ledger]:
    """Send every event; give the ledger when all are acknowledged, or none are any more."""
    delivery = KafkaDelivery(settings.kafka)
    await delivery.start()
    try:
        with Engine(settings, identity, await _partitions(delivery)) as engine:
            await _send(engine, packets, delivery)
            delivered = delivery.counters()
            kernel, pump = engine.counters()
            ledger = Ledger(kernel, pump, delivered)
            await delivery.aclose()  # it lets go of the pump's memory
            return engine, ledger
    finally:
        await delivery.aclose()


async def _partitions(delivery: KafkaDelivery) -> int:
    """The topic's number of partitions: every key must go where other clients put it."""
    try:
        async with asyncio.timeout(FIRST_ANSWER_S):
            return await delivery.partitions()
    except TimeoutError:
        waited = f"Kafka has not answered for {FIRST_ANSWER_S:.0f} s"
        raise DeliveryError(f"{waited}: {delivery.status}") from None


async def _send(engine: Engine, packets: Iterable[Packet], delivery: KafkaDelivery) -> None:
    patience = _Patience(delivery)
    for batch in chain(engine.batches(packets), engine.last_batches()):
        if batch is not None:
            delivery.put(batch)
            await asyncio.sleep(0)  # let it be sent
        elif patience.is_over():
            return
        else:
            await asyncio.sleep(_LOOK_S)
    while not await delivery.drain(1.0):
        if patience.is_over():
            return


class _Patience:
    """Notices when nothing has been acknowledged for long."""

    def __init__(self, delivery: KafkaDelivery) -> None:
        self._delivery = delivery
        self._settled = -1
        self._since_s = 0.0

    def is_over(self) -> bool:
        counters = self._delivery.counters()
        settled = counters.acknowledged_events + sum(counters.failed_events.values())
        now_s = asyncio.get_running_loop().time()
        if settled != self._settled:
            self._settled, self._since_s = settled, now_s
        return now_s - self._since_s > NO_PROGRESS_S
