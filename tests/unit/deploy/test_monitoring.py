# SPDX-License-Identifier: Apache-2.0
"""Alert rules and dashboard: valid, and about metrics that streamer really exports."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from streamer.observe import grafana, reference
from tests.support.monitoring import exported
from tests.support.requirements import require
from tests.support.yaml_files import load_yaml

ROOT = Path(__file__).parents[3]
PROMETHEUS = ROOT / "deploy" / "prometheus"
GRAFANA = ROOT / "deploy" / "grafana"
DASHBOARD: dict[str, Any] = json.loads(grafana.render())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
RULES = load_yaml(PROMETHEUS / "streamer.rules.yml")
ALERTS = [rule for group in RULES["groups"] for rule in group["rules"]]
OF_PROMETHEUS = {"up"}


def names_in(query: str) -> set[str]:
    """The metrics of a query: what is neither a function, a keyword, a label nor a string."""
    query = re.sub(r'"[^"]*"|\{[^}]*\}|\[[^]]*\]', "", query)
    query = re.sub(r"\b(by|without|on|ignoring) *\([^)]*\)", "", query)
    words = re.findall(r"\b([a-z_][a-z0-9_]*)\b(?! *\()", query)
    return set(words) - {"unless", "or", "and", "offset", "by", "without"}


@pytest.fixture(scope="module")
def metrics() -> set[str]:
    return {
        sample.name
        for family in text_string_to_metric_families(exported().decode())
        for sample in family.samples
    }


@pytest.mark.parametrize("arguments", ["check rules streamer.rules.yml",
                                       "check config prometheus.yml",
                                       "test rules streamer.rules.test.yml"])  # fmt: skip
def test_promtool_agrees(arguments: str) -> None:
    require(shutil.which("promtool") is not None, "promtool is not installed")
    done = subprocess.run(
        ["promtool", *arguments.split()],
        cwd=PROMETHEUS,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SUCCESS" in done.stdout


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_an_alert(alert: dict[str, Any], metrics: set[str]) -> None:
    assert names_in(alert["expr"]) <= metrics | OF_PROMETHEUS
    assert alert["labels"]["severity"] in ("warning", "critical")
    assert alert["annotations"].keys() == {"summary", "description"}
    assert "{{ $labels.instance }}" in alert["annotations"]["summary"]


def test_every_alert_is_proved_quiet_and_firing() -> None:
    tests = load_yaml(PROMETHEUS / "streamer.rules.test.yml")
    quiet: set[str] = set()
    firing: set[str] = set()
    for test in tests["tests"]:
        for case in test["alert_rule_test"]:
            (firing if case.get("exp_alerts") else quiet).add(case["alertname"])
    assert quiet == firing == {alert["alert"] for alert in ALERTS}


def test_every_alert_is_in_the_guide() -> None:
    guide = (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\| `(Streamer\w+)` \|", guide, re.MULTILINE))
    assert named == {alert["alert"] for alert in ALERTS}


@pytest.mark.parametrize("made", [grafana, reference])
def test_a_committed_file_is_up_to_date(made: Any) -> None:
    committed = (ROOT / made.PATH).read_text(encoding="utf-8")
    assert committed == made.render(), "run: .venv/bin/python -m streamer.observe"


def test_panels_have_their_own_place_and_number() -> None:
    numbers = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(numbers)) == len(numbers)
    assert len({panel["title"] for panel in PANELS}) == len(PANELS)
    for one, other in combinations((panel["gridPos"] for panel in DASHBOARD["panels"]), 2):
        apart = (
            one["x"] + one["w"] <= other["x"]
            or other["x"] + other["w"] <= one["x"]
            or one["y"] + one["h"] <= other["y"]
            or other["y"] + other["h"] <= one["y"]
        )
        assert apart, (one, other)
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in PANELS)


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_a_panel(panel: dict[str, Any], metrics: set[str]) -> None:
    assert panel["description"]
    for target in panel["targets"]:
        names = names_in(target["expr"])
        assert names
        assert names <= metrics
        selected = re.findall(r"([a-z_]+)\{", target["expr"])
        assert set(selected) == names, "a metric without the choice of instances"


def test_nothing_exported_is_left_out_of_the_dashboard(metrics: set[str]) -> None:
    shown = {
        name for panel in PANELS for target in panel["targets"] for name in names_in(target["expr"])
    }
    ours = {name for name in metrics if name.startswith("streamer_")}
    assert ours - shown == {"streamer_ring_size_bytes"} - shown


def test_provisioning_fits_together() -> None:
    (source,) = load_yaml(GRAFANA / "provisioning" / "datasources" / "prometheus.yml")[
        "datasources"
    ]
    assert source["url"] == "http://127.0.0.1:${PROMETHEUS_PORT}"
    (provider,) = load_yaml(GRAFANA / "provisioning" / "dashboards" / "streamer.yml")["providers"]
    compose = load_yaml(ROOT / "docker-compose.yml")
    mounts = compose["services"]["grafana"]["volumes"]
    assert f"./deploy/grafana/dashboards:{provider['options']['path']}:ro" in mounts
