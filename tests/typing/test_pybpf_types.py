# SPDX-License-Identifier: Apache-2.0
"""pybpf's stubs: two type checkers read them alike, and the compiled modules are what they say."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from tests.support.requirements import require

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "tests" / "typing" / "pybpf_examples.py"
# What Cython adds to each module and class.
ALLOWED = r"""
.*\.__(reduce_cython|setstate_cython|test|pyx_capi)__
.*\.__init__
# functools.cache: the wrapper's signature is not the function's
pybpf\.features\.has_.*
"""


def expected_types() -> dict[int, str]:
    """By line number."""
    found = {}
    for number, line in enumerate(EXAMPLES.read_text(encoding="ascii").splitlines(), 1):
        if line.lstrip().startswith("reveal_type"):
            found[number] = line.rsplit("# ", 1)[1]
    assert len(found) > 8
    return found


def short(name: str) -> str:
    """Without module names and quotes."""
    return re.sub(r"[\w.]*\.", "", name.strip('"'))


def test_mypy() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--no-error-summary", str(EXAMPLES)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    revealed = {}
    problems = []
    for line in done.stdout.splitlines():
        match = re.match(r'.*?:(\d+): note: Revealed type is "(.*)"', line)
        if match:
            revealed[int(match[1])] = short(match[2])
        else:
            problems.append(line)
    assert problems == []
    assert revealed == expected_types()


def test_pyright() -> None:
    done = subprocess.run(
        [str(Path(sys.executable).with_name("basedpyright")), "--outputjson", str(EXAMPLES)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    require(
        done.stdout.lstrip().startswith("{"), f"pyright does not run: {done.stderr.strip()[-200:]}"
    )
    revealed = {}
    problems = []
    for entry in json.loads(done.stdout)["generalDiagnostics"]:
        match = re.match(r'Type of ".*" is "(.*)"', entry["message"])
        if match:
            revealed[entry["range"]["start"]["line"] + 1] = short(match[1])
        else:
            problems.append(entry)
    assert problems == []
    assert revealed == expected_types()


def test_the_stubs_are_what_the_compiled_modules_have(tmp_path: Path) -> None:
    allowed = tmp_path / "allowed"
    allowed.write_text(ALLOWED, encoding="ascii")
    command = [sys.executable, "-m", "mypy.stubtest", "pybpf", "--concise"]
    command += ["--ignore-disjoint-bases", "--ignore-unused-allowlist"]
    done = subprocess.run(
        [*command, "--allowlist", str(allowed)],
        cwd=ROOT,
        env={**os.environ, "MYPYPATH": "cython"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.returncode) == ("", 0)
