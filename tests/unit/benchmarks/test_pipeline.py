# SPDX-License-Identifier: Apache-2.0
"""The benchmark runs, and its contenders make the same documents."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from shutil import which

import pytest

from tests.support.requirements import require

ROOT = Path(__file__).parents[3]


@pytest.mark.root
def test_a_quick_run() -> None:
    require(os.geteuid() == 0, "test runs of the capture program need root")
    require(which("gcc") is not None, "gcc is not installed")
    run = subprocess.run(
        [sys.executable, "-m", "benchmarks.pipeline", "--quick", "--no-kafka"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert "ring to sealed batch" in run.stdout
