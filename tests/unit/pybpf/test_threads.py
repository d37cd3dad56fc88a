# SPDX-License-Identifier: Apache-2.0
"""Calls from several threads: each gets its own messages, and the interpreter stays free."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

import pybpf

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.bpf_objects import CompileBpf

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("bpf_privileges")]


def test_each_thread_quotes_its_own_failure(
    compile_bpf: CompileBpf, capfd: pytest.CaptureFixture[str]
) -> None:
    paths = {
        f"refused_{number}": compile_bpf(
            f"refused_{number}",
            f'SEC("xdp") int refused_{number}(struct xdp_md *ctx)'
            "{ return *(volatile char *)(long)ctx->data; }",
        )
        for number in range(4)
    }

    def load(name: str, path: Path) -> pybpf.VerifierError:
        with pybpf.Object.open(path) as opened, pytest.raises(pybpf.VerifierError) as caught:
            opened.load()
        assert name == caught.value.program
        return caught.value

    with ThreadPoolExecutor(4) as pool:
        errors = list(pool.map(load, *zip(*list(paths.items()) * 10, strict=True)))
    assert len(errors) == 40
    assert all("invalid access to packet" in error.summary for error in errors)
    assert capfd.readouterr().err == ""


def test_maps_and_test_runs_from_many_threads(kit: pybpf.Object) -> None:
    table, program = kit.maps["table"], kit.programs["returns_answer"]

    def work(number: int) -> bool:
        key, value = number.to_bytes(4, "little"), number.to_bytes(8, "little")
        for _ in range(500):
            table.set(key, value)
            assert table.get(key) == value
            assert program.test_run(bytes(64)).retval == 1
            assert table.delete(key)
        return True

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(4)))
