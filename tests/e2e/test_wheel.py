# SPDX-License-Identifier: Apache-2.0
"""An installation from a wheel, as the container image has it: not editable, no sources near."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    options = ["-q", "--no-build-isolation", "--no-deps", "--wheel-dir", str(folder)]
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options, str(ROOT)], check=True)
    (built,) = folder.glob("*.whl")
    return built


def test_what_is_in_it(wheel: Path) -> None:
    names = ZipFile(wheel).namelist()
    assert "streamer/capture/capture.bpf.o" in names
    assert {Path(name).parts[0].partition("-")[0] for name in names} == {
        "hotpath",
        "pybpf",
        "streamer",
    }
    kinds = {Path(name).suffix for name in names if ".dist-info" not in name}
    assert kinds == {".py", ".pyi", ".so", ".o", ".typed"}  # no .pyx, .c or cache


def test_it_works_away_from_its_sources(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "installed", with_pip=False)
    programs = tmp_path / "installed" / "bin"
    pip = [sys.executable, "-m", "pip", "--python", str(programs / "python")]
    subprocess.run([*pip, "install", "-q", "--no-deps", "--no-index", str(wheel)], check=True)
    # Dependencies from here; .pth files, which make this installation editable, are not read so.
    environment = {**os.environ, "PYTHONPATH": sysconfig.get_path("platlib")}
    environment["STREAMER_KAFKA__BOOTSTRAP_SERVERS"] = "127.0.0.1:1"

    def run(*command: str) -> str:
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert "Traceback" not in done.stderr
        return done.stdout

    places = run(
        str(programs / "python"), "-c", "import hotpath, pybpf, streamer as s; "
        "print(hotpath.__file__, pybpf.__file__, s.__file__)",
    )  # fmt: skip
    assert all(place.startswith(str(tmp_path)) for place in places.split()), places
    report = json.loads(run(str(programs / "streamer"), "doctor", "-i", "lo", "--json"))
    found = {check["name"]: check["status"] for check in report["checks"]}
    assert found["installation"] == "ok"
    if os.geteuid() == 0:
        assert found["programs"] == "ok"  # the object was found and loads
