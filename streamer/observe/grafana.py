# SPDX-License-Identifier: Apache-2.0
"""deploy/grafana/dashboards/streamer-ledger.json: the ledger as a Grafana dashboard."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

PATH = "deploy/grafana/dashboards/streamer-ledger.json"
WIDTH = 24  # columns of Grafana's grid
SCHEMA_VERSION = 39
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
GREEN, RED = {"color": "green", "value": None}, {"color": "red", "value": 1}


@dataclass(frozen=True)
class Panel:
    """One panel: its queries are pairs of PromQL and legend; HERE stands for the instances."""

    title: str
    text: str
    queries: tuple[tuple[str, str], ...]
    unit: str = "short"
    kind: str = "timeseries"
    width: int = 12
    alarming: bool = False  # red when it is not zero

    @property
    def height(self) -> int:
        """Rows of Grafana's grid."""
        return 4 if self.kind == "stat" else 8


def _rate(metric: str) -> str:
    return f"rate({metric}{{HERE}}[$__rate_interval])"


def _stage(name: str, *metrics: str) -> tuple[str, str]:
    """Records per second that reached a stage, whatever their reason."""
    return " + ".join(f"sum({_rate(metric)})" for metric in metrics), name


def _reasons(metric: str) -> tuple[str, str]:
    return f"sum by (reason) ({_rate(metric)})", "{{reason}}"


_NOW = (
    Panel(
        "Seen", "Packets a second that the hooks see.",
        ((f"sum({_rate('streamer_packets_seen_total')})", "seen"),), "pps", "stat", 4,
    ),
    Panel(
        "Acknowledged", "Events a second that have arrived.",
        ((f"sum({_rate('streamer_records_acknowledged_total')})", "acknowledged"),),
        "ops", "stat", 4,
    ),
    Panel(
        "Lost", "In the time shown: the ring was full, a record could not be read, Kafka refused.",
        ((
            "sum(increase(streamer_packets_dropped_total{HERE}[$__range]))"
            " + (sum(increase(streamer_records_rejected_total{HERE}[$__range])) or vector(0))"
            " + (sum(increase(streamer_records_failed_total{HERE}[$__range])) or vector(0))",
            "lost",
        ),), "short", "stat", 4, alarming=True,
    ),
    Panel(
        "Unaccounted", "The least of the last ten minutes: what is only on its way does not count.",
        ((
            "sum(min_over_time(streamer_unaccounted_packets{HERE}[10m]))"
            " + sum(min_over_time(streamer_unaccounted_records{HERE}[10m]))", "unaccounted",
        ),), "short", "stat", 4, alarming=True,
    ),
    Panel(
        "Without Kafka", "Instances that cannot hand events to Kafka now.",
        (("sum(1 - streamer_kafka_up{HERE})", "without Kafka"),), "short", "stat", 4, alarming=True,
    ),
    Panel(
        "Running", "Instances by version.",
        (("sum by (version) (streamer_build_info{HERE})", "{{version}}"),), "short", "stat", 4,
    ),
)  # fmt: skip
_PACKETS = (
    Panel(
        "Packets seen", "By hook and direction.",
        ((f"sum by (hook, direction) ({_rate('streamer_packets_seen_total')})",
          "{{hook}} {{direction}}"),), "pps",
    ),
    Panel(
        "What became of them", "seen = filtered + dropped + emitted.",
        tuple(
            _stage(fate, f"streamer_packets_{fate}_total")
            for fate in ("emitted", "filtered", "dropped")
        ), "pps",
    ),
    Panel(
        "Ring", "How full it is; when it is full, packets are lost.",
        (("streamer_ring_fill_bytes{HERE} / streamer_ring_size_bytes{HERE}", "{{instance}}"),),
        "percentunit",
    ),
    Panel(
        "Wire packets per packet", "More than one where the card or the kernel merges them.",
        ((
            f"sum by (hook, direction) ({_rate('streamer_packet_segments_total')})"
            f" / sum by (hook, direction) ({_rate('streamer_packets_seen_total')})",
            "{{hook}} {{direction}}",
        ),),
    ),
)  # fmt: skip
_RECORDS = (
    Panel(
        "Records by stage", "The lines lie on each other as long as nothing is lost or waits.",
        tuple(
            _stage(stage, f"streamer_records_{stage}_total")
            for stage in ("emitted", "drained", "encoded", "acknowledged")
        ), "ops",
    ),
    Panel(
        "Events on their way", "Where they wait: in the ring, in batches, for Kafka.",
        (("sum by (stage) (streamer_events{HERE})", "{{stage}}"),),
    ),
    Panel(
        "Given up, rejected", "By reason. Empty as long as there were none.",
        (_reasons("streamer_records_failed_total"), _reasons("streamer_records_rejected_total")),
        "ops",
    ),
    Panel(
        "Missing in the ledger", "A bound while running; an alarm when it stays.",
        (
            ("sum(streamer_unaccounted_packets{HERE})", "packets"),
            ("sum(streamer_unaccounted_records{HERE})", "records"),
            ("sum(increase(streamer_sequence_gaps_total{HERE}[$__rate_interval]))", "gaps"),
        ),
    ),
)  # fmt: skip
_WORK = (
    Panel(
        "To Kafka", "Bytes a second acknowledged.",
        ((f"sum by (instance) ({_rate('streamer_delivery_acknowledged_bytes_total')})",
          "{{instance}}"),), "Bps",
    ),
    Panel(
        "Bytes waiting", "Of batches queued and in flight.",
        (("sum by (stage) (streamer_delivery_pending_bytes{HERE})", "{{stage}}"),), "bytes",
    ),
    Panel(
        "Retries, pauses", "Requests sent again; times the pump waited for memory.",
        (
            _stage("retries", "streamer_delivery_retries_total"),
            _stage("pauses", "streamer_pump_pauses_total"),
        ), "ops",
    ),
    Panel(
        "Compression", "Bytes before it for each byte sent.",
        ((f"sum({_rate('streamer_batch_raw_bytes_total')})"
          f" / sum({_rate('streamer_batch_sealed_bytes_total')})", "ratio"),),
    ),
    Panel(
        "Batches", "Sealed and acknowledged a second.",
        (
            _stage("sealed", "streamer_batches_sealed_total"),
            _stage("acknowledged", "streamer_delivery_acknowledged_batches_total"),
        ), "ops",
    ),
    Panel(
        "CPU", "Cores: the pump's thread, and the whole process.",
        (
            _stage("pump", "streamer_pump_cpu_seconds_total"),
            _stage("process", "process_cpu_seconds_total"),
        ),
    ),
    Panel(
        "Memory", "Resident, of each instance.",
        (("process_resident_memory_bytes{HERE}", "{{instance}}"),), "bytes",
    ),
)  # fmt: skip
ROWS = (("Now", _NOW), ("Packets", _PACKETS), ("Records", _RECORDS), ("Delivery, cost", _WORK))


def render() -> str:
    """The whole file."""
    dashboard = {
        "uid": "streamer-ledger",
        "title": "streamer: the ledger",
        "description": "Generated by `python -m streamer.observe`.",
        "tags": ["streamer"],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": False,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": _variables()},
        "panels": [{"id": number, **panel} for number, panel in enumerate(_panels(), 1)],
    }
    return json.dumps(dashboard, indent=2) + "\n"


def _variables() -> list[dict[str, Any]]:
    query = "label_values(streamer_build_info, instance)"
    return [
        {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"},
        {
            "name": "instance",
            "type": "query",
            "datasource": DATASOURCE,
            "query": {"query": query, "refId": "instance"},
            "refresh": 2,  # when the time range changes
            "includeAll": True,
            "multi": True,
            "current": {"text": "All", "value": "$__all"},
        },
    ]


def _panels() -> Iterator[dict[str, Any]]:
    """Rows of panels from left to right; a row's title is a panel of its own."""
    y = 0
    for title, panels in ROWS:
        yield {"type": "row", "title": title, "gridPos": _place(0, y, WIDTH, 1), "panels": []}
        y += 1
        x = 0
        for panel in panels:
            if x + panel.width > WIDTH:
                x, y = 0, y + panel.height
            yield _panel(panel) | {"gridPos": _place(x, y, panel.width, panel.height)}
            x += panel.width
        y += panels[-1].height


def _place(x: int, y: int, width: int, height: int) -> dict[str, int]:
    return {"x": x, "y": y, "w": width, "h": height}


def _panel(panel: Panel) -> dict[str, Any]:
    defaults: dict[str, Any] = {"unit": panel.unit, "min": 0}
    if panel.alarming:
        defaults["thresholds"] = {"mode": "absolute", "steps": [GREEN, RED]}
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.text,
        "datasource": DATASOURCE,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "targets": [
            {
                "refId": chr(ord("A") + number),
                "datasource": DATASOURCE,
                "expr": query.replace("HERE", 'instance=~"$instance"'),
                "legendFormat": legend,
            }
            for number, (query, legend) in enumerate(panel.queries)
        ],
    }
