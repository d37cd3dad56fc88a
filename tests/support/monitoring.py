# SPDX-License-Identifier: Apache-2.0
"""A ledger that moves, exported as streamer exports it; a real Prometheus that scrapes it."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from prometheus_client import generate_latest

from streamer.demo.kafka import free_ports
from streamer.observe.counters import DeliveryCounters, HookCounters, KernelCounters, NoPump
from streamer.observe.ledger import Ledger
from streamer.observe.metrics import make_registry
from tests.support.requirements import require

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


def moving_ledger(step: int) -> Ledger:
    """The ledger after some steps; every counter grows with each of them."""
    hook = HookCounters(seen=100 * step, segments=120 * step, filtered_self=5 * step,
                        ring_full=step, emitted=94 * step)  # fmt: skip
    return Ledger(
        KernelCounters({("tc", "ingress"): (hook,), ("tc", "egress"): (hook,)},
                       ring_fill_bytes=4096, ring_bytes=65536),
        NoPump(drained=188 * step, rejected={"version": step}, encoded=187 * step,
               open_events=step, sealed_events=step, sequence_gaps=step, pauses=step,
               batches=step, raw_bytes=9000 * step, sealed_bytes=1000 * step,
               cpu_ns=1_000_000 * step),
        DeliveryCounters(queued_events=1, in_flight_events=1, acknowledged_events=180 * step,
                         failed_events={"too_large": step}, queued_bytes=10, in_flight_bytes=20,
                         acknowledged_bytes=900 * step, acknowledged_batches=step, retries=step),
    )  # fmt: skip


def exported() -> bytes:
    """/metrics of it."""
    return generate_latest(make_registry(lambda: moving_ledger(1), lambda: True))


@asynccontextmanager
async def prometheus(configuration: Path, data: Path) -> AsyncIterator[str]:
    """Debian's server on loopback; its address when it is ready."""
    require(shutil.which("prometheus") is not None, "prometheus is not installed")
    (port,) = free_ports("127.0.0.1", 1)
    address = f"127.0.0.1:{port}"
    with (data / "prometheus.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *["prometheus", f"--config.file={configuration}", f"--storage.tsdb.path={data}/tsdb",
             f"--web.listen-address={address}"],
            stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        async with asyncio.timeout(30):
            while True:
                assert process.returncode is None, (data / "prometheus.log").read_text()
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                except ConnectionRefusedError:
                    await asyncio.sleep(0.1)
                else:
                    writer.close()
                    break
        yield f"http://{address}"
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
