# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import re

import pytest

import pybpf
from pybpf import features
from tests.support.requirements import require

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("bpf_privileges")]


@pytest.mark.parametrize("feature", features.FEATURES.values(), ids=lambda feature: feature.name)
def test_probes_agree_with_the_kernel_s_age(feature: features.Feature) -> None:
    """An old kernel may say yes too (back-ports), a new one must."""
    match = re.match(r"(\d+)\.(\d+)", os.uname().release)
    assert match is not None
    age = int(match[1]), int(match[2])
    since = tuple(int(part) for part in feature.since_kernel.split("."))
    require(age >= since, f"Linux {feature.since_kernel} or newer")
    assert feature.probe() is True
    features.require(feature.name)


def test_what_the_kernel_lacks_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    missing = features.Feature("time_travel", "packets of tomorrow", "99.1", lambda: False)
    monkeypatch.setitem(features.FEATURES, missing.name, missing)
    with pytest.raises(pybpf.NotSupported, match=r"packets of tomorrow .*99\.1") as caught:
        features.require("time_travel")
    assert caught.value.since_kernel == "99.1"


def test_helpers_and_flags_that_no_kernel_has_are_refused() -> None:
    """The probes can say no: else their yes would be worth nothing."""
    from pybpf import _probe

    assert _probe.helper("xdp", 250) is False
    assert _probe.helper("socket_filter", 189) is False  # bpf_xdp_load_bytes is for XDP
    assert _probe.program("xdp", 1 << 30) != 0
    assert _probe.program("xdp", 0) == 0


def test_possible_cpus_are_those_of_sysfs() -> None:
    with open("/sys/devices/system/cpu/possible", encoding="ascii") as file:  # noqa: PTH123
        ranges = [part.split("-") for part in file.read().strip().split(",")]
    assert pybpf.possible_cpus() == max(int(ends[-1]) for ends in ranges) + 1


def test_waiting_for_running_programs() -> None:
    pybpf.wait_for_running_programs()
    from pybpf import _core

    _core.replace_inner_map()
