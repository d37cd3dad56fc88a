# SPDX-License-Identifier: Apache-2.0
"""The ledger as Prometheus metrics, read at each scrape."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from prometheus_client.metrics_core import Metric

    from streamer.observe.counters import Slot
    from streamer.observe.ledger import Ledger

NANOSECONDS = 1e9


class LedgerCollector(Collector):
    """Turns one snapshot of the ledger into metrics; nothing is kept between scrapes."""

    def __init__(self, ledger: Callable[[], Ledger], kafka_up: Callable[[], bool]) -> None:
        self._ledger = ledger
        self._kafka_up = kafka_up

    def describe(self) -> Iterable[Metric]:
        """Nothing: registering must not read counters."""
        return ()

    def collect(self) -> Iterable[Metric]:
        ledger = self._ledger()
        yield _gauge("streamer_build_info", "The running version.", 1, version=version("streamer"))
        yield from _packets(ledger)
        yield from _records(ledger)
        yield from _pump(ledger)
        yield from _delivery(ledger)
        up = int(self._kafka_up())
        yield _gauge("streamer_kafka_up", "Whether events can be handed to Kafka now.", up)


def make_registry(ledger: Callable[[], Ledger], kafka_up: Callable[[], bool]) -> CollectorRegistry:
    """Everything /metrics shows: the ledger, and this process's CPU, memory and descriptors."""
    registry = CollectorRegistry()
    registry.register(LedgerCollector(ledger, kafka_up))
    ProcessCollector(registry=registry)
    return registry


# ------------------------------------------------------------------ stages
def _packets(ledger: Ledger) -> Iterable[Metric]:
    hooks = {slot: ledger.kernel.hook(slot) for slot in ledger.kernel.per_cpu}

    def family(
        name: str, text: str, values: Mapping[Slot, int], **more: str
    ) -> CounterMetricFamily:
        metric = CounterMetricFamily(name, text, labels=["hook", "direction", *more])
        for (hook, direction), value in values.items():
            metric.add_metric([hook, direction, *more.values()], value)
        return metric

    yield family(
        "streamer_packets_seen",
        "Packets a hook saw.",
        {slot: counters.seen for slot, counters in hooks.items()},
    )
    yield family(
        "streamer_packet_segments",
        "Wire packets in those seen: a packet may stand for several.",
        {slot: counters.segments for slot, counters in hooks.items()},
    )
    yield family(
        "streamer_packets_filtered",
        "Packets left out on purpose.",
        {slot: counters.filtered_self for slot, counters in hooks.items()},
        rule="self",
    )
    yield family(
        "streamer_packets_dropped",
        "Packets lost in the kernel.",
        {slot: counters.ring_full for slot, counters in hooks.items()},
        reason="ring_full",
    )
    yield family(
        "streamer_packets_emitted",
        "Packets put into the ring.",
        {slot: counters.emitted for slot, counters in hooks.items()},
    )
    yield _gauge(
        "streamer_unaccounted_packets",
        "Packets whose fate is not known; a bound while running.",
        ledger.unaccounted_packets,
    )


def _records(ledger: Ledger) -> Iterable[Metric]:
    pump, delivery = ledger.pump, ledger.delivery
    yield _counter("streamer_records_emitted", "Records put into the ring.", ledger.emitted)
    yield _counter("streamer_records_drained", "Records read from the ring.", pump.drained)
    yield _by_reason("streamer_records_rejected", "Records that could not be read.", pump.rejected)
    yield _counter("streamer_records_encoded", "Records made into events.", pump.encoded)
    yield _counter(
        "streamer_records_acknowledged",
        "Events acknowledged by their destination.",
        delivery.acknowledged_events,
    )
    yield _by_reason("streamer_records_failed", "Events given up.", delivery.failed_events)
    stages = GaugeMetricFamily(
        "streamer_events", "Events on their way, by where they are.", labels=["stage"]
    )
    for stage, count in (
        ("ring", ledger.in_ring),
        ("open", pump.open_events),
        ("sealed", pump.sealed_events),
        ("queued", ledger.delivery.queued_events),
        ("in_flight", delivery.in_flight_events),
    ):
        stages.add_metric([stage], count)
    yield stages
    yield _gauge(
        "streamer_unaccounted_records",
        "Records missing between two stages; a bound while running.",
        ledger.unaccounted_records,
    )


def _pump(ledger: Ledger) -> Iterable[Metric]:
    pump, kernel = ledger.pump, ledger.kernel
    yield _gauge("streamer_ring_fill_bytes", "Bytes in the ring.", kernel.ring_fill_bytes)
    yield _gauge("streamer_ring_size_bytes", "Bytes the ring holds.", kernel.ring_bytes)
    yield _counter(
        "streamer_sequence_gaps", "Records missing by the CPUs' sequences.", pump.sequence_gaps
    )
    yield _counter("streamer_pump_pauses", "Times the pump waited for memory.", pump.pauses)
    yield _counter(
        "streamer_pump_cpu_seconds", "CPU time of the pump's thread.", pump.cpu_ns / NANOSECONDS
    )
    yield _counter("streamer_batches_sealed", "Batches sealed.", pump.batches)
    yield _counter("streamer_batch_raw_bytes", "Bytes sealed, uncompressed.", pump.raw_bytes)
    yield _counter("streamer_batch_sealed_bytes", "Bytes sealed, as sent.", pump.sealed_bytes)


def _delivery(ledger: Ledger) -> Iterable[Metric]:
    delivery = ledger.delivery
    waiting = GaugeMetricFamily(
        "streamer_delivery_pending_bytes", "Bytes of batches on their way.", labels=["stage"]
    )
    waiting.add_metric(["queued"], delivery.queued_bytes)
    waiting.add_metric(["in_flight"], delivery.in_flight_bytes)
    yield waiting
    yield _counter(
        "streamer_delivery_acknowledged_bytes", "Bytes acknowledged.", delivery.acknowledged_bytes
    )
    yield _counter(
        "streamer_delivery_acknowledged_batches",
        "Batches acknowledged.",
        delivery.acknowledged_batches,
    )
    yield _counter("streamer_delivery_retries", "Requests sent again.", delivery.retries)


# ----------------------------------------------------------------- families
def _counter(name: str, text: str, value: float) -> CounterMetricFamily:
    return CounterMetricFamily(name, text, value=value)


def _gauge(name: str, text: str, value: float, **labels: str) -> GaugeMetricFamily:
    metric = GaugeMetricFamily(name, text, labels=list(labels))
    metric.add_metric(list(labels.values()), value)
    return metric


def _by_reason(name: str, text: str, counts: Mapping[str, int]) -> CounterMetricFamily:
    metric = CounterMetricFamily(name, text, labels=["reason"])
    for reason, count in sorted(counts.items()):
        metric.add_metric([reason], count)
    return metric
