# SPDX-License-Identifier: Apache-2.0
"""What type checkers make of pybpf; checked by test_pybpf_types.py, never run.

Each reveal_type is followed by the type that both checkers must see.
"""

# ruff: noqa: F821
# pyright: reportUnusedExpression=false
from collections.abc import Mapping
from typing import assert_type

import pybpf
from pybpf import features

with pybpf.Object.open("x.o") as opened:
    assert_type(opened, pybpf.Object)
    assert_type(opened.programs, Mapping[str, pybpf.Program])
    assert_type(opened.maps, Mapping[str, pybpf.Map])
    assert_type(opened.load(), None)
    opened.set_rodata("answer", True)
    opened.set_rodata("answer", b"1234")
    opened.set_rodata("answer", "text")  # type: ignore[arg-type]
    program = opened.programs["x"]
    table = opened.maps["x"]

reveal_type(program)  # Program
reveal_type(program.fd)  # int
result = program.test_run(memoryview(b""), ctx=bytearray())
reveal_type(result)  # TestRunResult
reveal_type(result.data_out)  # bytes
reveal_type(program.info().run_count)  # int
program.test_run("text")  # type: ignore[arg-type]
pybpf.ProgramInfo(1, "x", "y", 2, 3, 4).id = 5  # type: ignore[misc]

assert_type(table.get(b""), bytes | None)
assert_type(table.get(b"", per_cpu=True), list[bytes] | None)
assert_type(next(table.items()), tuple[bytes, bytes])
assert_type(next(table.items(per_cpu=True)), tuple[bytes, list[bytes]])
assert_type(list(table), list[bytes])
table.set(b"", b"", mode="create")
table.set(b"", [b"", b""])
table.set(b"", b"", mode="other")  # type: ignore[arg-type]

with pybpf.RingBuffer(table) as ring, ring.lease(max_bytes=4096) as records:
    reveal_type(ring.fill_bytes)  # int
    for record in records:
        assert_type(record[0], int)
        record_is: memoryview = record

with pybpf.attach_tcx(program, 1, "ingress", first=True) as link:
    reveal_type(link)  # Link
    assert_type(link.direction, str | None)
reveal_type(pybpf.attach_clsact(program, 1, "egress"))  # ClsactLink
pybpf.attach_xdp(program, 1, "fast")  # type: ignore[arg-type]
pybpf.attach_tcx(program, 1, "up")  # type: ignore[arg-type]
reveal_type(pybpf.sweep_clsact(1, "x"))  # int
reveal_type(features.has_tcx())  # bool
assert_type(pybpf.query_attached(1), list[pybpf.Attached])
try:
    opened.load()
except pybpf.VerifierError as error:
    reveal_type(error.summary)  # str
    assert_type(error.hint, str | None)
