# SPDX-License-Identifier: Apache-2.0
"""Metrics carry the ledger's numbers under names Prometheus' own linter accepts."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from streamer.observe.counters import DeliveryCounters, HookCounters, KernelCounters, NoPump
from streamer.observe.ledger import Ledger
from streamer.observe.metrics import LedgerCollector, make_registry
from streamer.observe.reference import PATH, render
from tests.support.requirements import require

LEDGER = Ledger(
    kernel=KernelCounters(
        {
            ("tc", "ingress"): (HookCounters(10, 40, 1, 2, 7), HookCounters(1, 1, 0, 0, 1)),
            ("tc", "egress"): (HookCounters(5, 5, 0, 0, 4),),
        },
        (12,),
        ring_fill_bytes=640,
        ring_bytes=65536,
    ),
    pump=NoPump(
        drained=9,
        rejected={"version": 2},
        encoded=7,
        open_events=1,
        sealed_events=1,
        pauses=3,
        batches=4,
        raw_bytes=5000,
        sealed_bytes=1000,
        cpu_ns=1_500_000_000,
    ),
    delivery=DeliveryCounters(
        1, 1, 2, {"timed_out": 1}, 11, 22, 33, acknowledged_batches=1, retries=6
    ),
)


def samples(ledger: Ledger, *, kafka_up: bool = True) -> dict[str, float]:
    registry = CollectorRegistry()
    registry.register(LedgerCollector(lambda: ledger, lambda: kafka_up))
    text = generate_latest(registry).decode()
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f"{key}={value}" for key, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def test_numbers_are_the_ledgers() -> None:
    found = samples(LEDGER)
    expected = {
        "streamer_packets_seen_total{direction=ingress,hook=tc}": 11,
        "streamer_packets_seen_total{direction=egress,hook=tc}": 5,
        "streamer_packet_segments_total{direction=ingress,hook=tc}": 41,
        "streamer_packets_filtered_total{direction=ingress,hook=tc,rule=self}": 1,
        "streamer_packets_dropped_total{direction=ingress,hook=tc,reason=ring_full}": 2,
        "streamer_packets_emitted_total{direction=ingress,hook=tc}": 8,
        "streamer_records_emitted_total": 12,
        "streamer_records_drained_total": 9,
        "streamer_records_rejected_total{reason=version}": 2,
        "streamer_records_encoded_total": 7,
        "streamer_records_acknowledged_total": 2,
        "streamer_records_failed_total{reason=timed_out}": 1,
        "streamer_events{stage=ring}": 3,
        "streamer_events{stage=open}": 1,
        "streamer_events{stage=sealed}": 1,
        "streamer_events{stage=queued}": 1,
        "streamer_events{stage=in_flight}": 1,
        "streamer_unaccounted_packets": 1,
        "streamer_unaccounted_records": 0,
        "streamer_ring_fill_bytes": 640,
        "streamer_ring_size_bytes": 65536,
        "streamer_pump_pauses_total": 3,
        "streamer_pump_cpu_seconds_total": 1.5,
        "streamer_batches_sealed_total": 4,
        "streamer_batch_raw_bytes_total": 5000,
        "streamer_batch_sealed_bytes_total": 1000,
        "streamer_delivery_pending_bytes{stage=queued}": 11,
        "streamer_delivery_pending_bytes{stage=in_flight}": 22,
        "streamer_delivery_acknowledged_bytes_total": 33,
        "streamer_delivery_acknowledged_batches_total": 1,
        "streamer_delivery_retries_total": 6,
        "streamer_kafka_up": 1,
    }
    assert expected.items() <= found.items()


def test_the_equations_hold_between_the_samples() -> None:
    """Who only has the metrics can check the ledger."""
    found = samples(LEDGER)

    def total(prefix: str) -> float:
        return sum(value for name, value in found.items() if name.startswith(prefix))

    packets = total("streamer_packets_filtered") + total("streamer_packets_dropped")
    packets += total("streamer_packets_emitted_total")
    assert total("streamer_packets_seen") == packets + found["streamer_unaccounted_packets"]
    read = total("streamer_records_rejected") + found["streamer_records_encoded_total"]
    assert found["streamer_records_drained_total"] == read
    ends = total("streamer_records_acknowledged") + total("streamer_records_failed")
    on_the_way = total("streamer_events") - found["streamer_events{stage=ring}"]
    assert found["streamer_records_encoded_total"] == ends + on_the_way


def test_kafka_down_and_an_empty_ledger() -> None:
    found = samples(Ledger(), kafka_up=False)
    assert found["streamer_kafka_up"] == 0
    assert found["streamer_records_acknowledged_total"] == 0


def test_registering_reads_no_counters() -> None:
    def ledger() -> Ledger:
        raise AssertionError

    make_registry(ledger, lambda: True)


def test_promtool_has_nothing_to_say() -> None:
    promtool = shutil.which("promtool")
    require(promtool is not None, "promtool (Debian package prometheus)")
    assert promtool is not None
    text = generate_latest(make_registry(lambda: LEDGER, lambda: True))
    checked = subprocess.run(
        [promtool, "check", "metrics"], input=text, capture_output=True, check=False
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


def test_committed_page_is_fresh() -> None:
    assert Path(PATH).read_text(encoding="utf-8") == render(), "run: python -m streamer.observe"
