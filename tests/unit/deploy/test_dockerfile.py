# SPDX-License-Identifier: Apache-2.0
"""The Dockerfile: linted, pinned, and with the libraries that the compiled parts want."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

from streamer.config import ShutdownSettings

ROOT = Path(__file__).parents[3]
DOCKERFILE = ROOT / "deploy" / "Dockerfile"
TEXT = DOCKERFILE.read_text(encoding="utf-8")
HADOLINT = Path(sys.executable).parent / "hadolint"
BUILD, FINAL = TEXT.split("FROM ${BASE}")[1:]
PIN = re.compile(r"^([a-z0-9-]+)==([^ ]+)", re.MULTILINE)

# The Debian package of each library that an extension is linked with.
PACKAGES = {
    "libbpf.so.1": "libbpf1",
    "libelf.so.1": "libelf1",
    "libz.so.1": "zlib1g",
    "liblz4.so.1": "liblz4-1",
    "libcrypto.so.3": "libssl3",
    "libisal.so.2": "libisal2",
}
OF_EVERY_BASE = {"libc.so.6", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1", "linux-vdso.so.1"}


def test_hadolint_finds_nothing() -> None:
    done = subprocess.run([HADOLINT, DOCKERFILE], capture_output=True, text=True, check=False)
    assert done.stdout + done.stderr == ""
    assert done.returncode == 0


def test_every_ignored_rule_is_explained() -> None:
    for rule in re.finditer(r"(.*)\n# hadolint ignore=DL\d+( # .+)?\n", TEXT):
        assert rule[1].startswith("# ") or rule[2], rule[0]


def test_the_base_is_pinned_and_nothing_is_fetched_for_the_syntax() -> None:
    assert re.search(r"^ARG BASE=debian:12\.\d+-slim$", TEXT, re.MULTILINE)
    assert re.findall(r"^FROM (\S+)", TEXT, re.MULTILINE) == ["${BASE}", "${BASE}"]
    assert "# syntax" not in TEXT


def test_the_final_stage_has_the_libraries_and_no_compiler() -> None:
    wanted: set[str] = set()
    for package in ("hotpath", "pybpf"):
        spec = find_spec(package)
        assert spec is not None
        for folder in spec.submodule_search_locations or ():
            for extension in Path(folder).glob("*.so"):
                done = subprocess.run(
                    ["ldd", extension], capture_output=True, text=True, check=True
                )
                wanted |= {line.split()[0].rpartition("/")[2] for line in done.stdout.splitlines()}
    assert wanted - OF_EVERY_BASE == PACKAGES.keys()
    installed = re.search(r"apt-get install (.*?)&&", FINAL, re.DOTALL)
    assert installed is not None
    packages = set(installed[1].replace("\\", " ").split()) - {"-y", "-qq"}
    assert packages == {
        "--no-install-recommends", "python3", "ca-certificates", *PACKAGES.values(),
    }  # fmt: skip


def test_it_is_an_executable_that_docker_can_look_after() -> None:
    assert 'ENTRYPOINT ["streamer"]' in FINAL
    assert 'CMD ["streamer", "health"]' in FINAL
    assert "STOPSIGNAL SIGTERM" in FINAL
    told = re.search(r"--stop-timeout (\d+)", FINAL)
    assert told is not None
    assert int(told[1]) > ShutdownSettings().deadline_s


def test_the_build_context_is_what_the_build_needs() -> None:
    """Everything else in the checkout stays out: .git, .venv, var."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    wanted = {line[1:] for line in lines if line.startswith("!")}
    assert "*" in lines
    assert all((ROOT / name).exists() for name in wanted)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    for name in (project["project"]["readme"], *project["project"]["license-files"]):
        assert Path(name).parts[0] in wanted


def pins(name: str) -> dict[str, str]:
    text = (ROOT / name).read_text(encoding="utf-8")
    found = dict(PIN.findall(text))
    assert found
    assert text.count("--hash=sha256:") >= len(found)
    return found


def test_the_image_gets_the_versions_that_are_tested() -> None:
    everything = pins("requirements.lock")
    service, build = pins("requirements-service.lock"), pins("requirements-build.lock")
    assert everything.items() >= service.items()
    assert everything.items() >= build.items()
    assert not {"chdb", "pyarrow", "cython"} & service.keys()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

    def names(requirements: list[str]) -> set[str]:
        return {re.split(r"[\[<>=!~]", each)[0] for each in requirements}

    assert service.keys() >= names(project["project"]["dependencies"])
    assert build.keys() >= names(project["dependency-groups"]["build"])
