# SPDX-License-Identifier: Apache-2.0
"""From the pump to delivery: sealed batches, as soon as they are published."""

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hotpath.pump import Pump
    from streamer.delivery import Delivery


class Pipeline:
    """Moves what the pump publishes into delivery, on the event loop.

    It keeps nothing: a batch is either the pump's or delivery's. What bounds the flow is the pool
    the batches live in (docs/decisions/0001-the-pool-is-the-queue.md).
    """

    def __init__(self, pump: "Pump", delivery: "Delivery") -> None:
        self._pump = pump
        self._delivery = delivery

    def start(self) -> None:
        asyncio.get_running_loop().add_reader(self._pump.fileno(), self.move)

    def move(self) -> None:
        """Hand over everything that is published now. Also resets the pump's eventfd."""
        for batch in self._pump.take():
            self._delivery.put(batch)

    def stop(self) -> None:
        """Stop listening, then move what was published last."""
        asyncio.get_running_loop().remove_reader(self._pump.fileno())
        self.move()
