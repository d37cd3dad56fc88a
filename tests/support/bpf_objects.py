# SPDX-License-Identifier: Apache-2.0
"""Small BPF objects, compiled from C while the tests run."""

from __future__ import annotations

import subprocess
import sysconfig
from typing import TYPE_CHECKING

import pytest

from tests.support.requirements import require

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PREAMBLE = """
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
char LICENSE[] SEC("license") = "GPL";
"""


@pytest.fixture(scope="session")
def compile_bpf(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Path]:
    """compile_bpf(name, source): the object file made of `source` behind the usual preamble."""
    directory = tmp_path_factory.mktemp("bpf")
    multiarch = sysconfig.get_config_var("MULTIARCH")
    made: dict[tuple[str, str], Path] = {}

    def compile_one(name: str, source: str) -> Path:
        if (name, source) in made:
            return made[name, source]
        code = directory / f"{name}.bpf.c"
        target = directory / f"{name}-{len(made)}.bpf.o"
        code.write_text(PREAMBLE + source, encoding="ascii")
        command = ["clang", "--target=bpf", "-mcpu=v3", "-g", "-O2", "-Wall", "-Werror"]
        command += ["-idirafter", f"/usr/include/{multiarch}", "-c", str(code), "-o", str(target)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            require(False, "clang is not installed")
            raise
        assert done.returncode == 0, done.stderr
        made[name, source] = target
        return target

    return compile_one
