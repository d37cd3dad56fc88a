# SPDX-License-Identifier: Apache-2.0
"""Small BPF objects, compiled from C while the tests run."""

from __future__ import annotations

import subprocess
import sysconfig
from typing import TYPE_CHECKING, Protocol

import pytest

import pybpf
from tests.support.requirements import require

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PREAMBLE = """
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
char LICENSE[] SEC("license") = "GPL";
"""

# One of each kind; every program counts its runs per CPU.
KIT = """
struct { __uint(type, BPF_MAP_TYPE_RINGBUF); __uint(max_entries, 4096); } ring SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY); __type(key, __u32); __type(value, __u32);
         __uint(max_entries, 4); } runs SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_HASH); __type(key, __u32); __type(value, __u64);
         __uint(max_entries, 4); } table SEC(".maps");
const volatile __u32 answer = 1;
const volatile _Bool flag = 0;
const volatile struct { __u16 a, b; } pair = { 3, 4 };

static __always_inline void count(__u32 slot)
{
    __u32 *runs_of_slot = bpf_map_lookup_elem(&runs, &slot);
    if (runs_of_slot)
        *runs_of_slot += 1;
}
SEC("xdp") int at_xdp(struct xdp_md *ctx)
{
    count(0);
    __u32 *record = bpf_ringbuf_reserve(&ring, 8, 0);
    if (record) {
        record[0] = ctx->data_end - ctx->data;
        record[1] = answer;
        bpf_ringbuf_submit(record, 0);
    }
    return XDP_PASS;
}
SEC("xdp") int returns_answer(struct xdp_md *ctx) { return answer; }
SEC("xdp") int returns_rest(struct xdp_md *ctx) { return flag * 10000 + pair.a * 100 + pair.b; }
SEC("xdp") int cuts_two_bytes(struct xdp_md *ctx) { return bpf_xdp_adjust_head(ctx, 2) ? 0 : 2; }
SEC("tc") int at_tc_ingress(struct __sk_buff *skb) { count(1); return -1; }
SEC("tc") int at_tc_egress(struct __sk_buff *skb) { count(2); return -1; }
SEC("tc") int drops(struct __sk_buff *skb) { return 2; }
SEC("tc") int sets_mark(struct __sk_buff *skb) { skb->mark += 1; return skb->mark; }
SEC("socket") int at_socket(struct __sk_buff *skb) { count(3); return 0; }
"""


class CompileBpf(Protocol):
    """compile_bpf(name, source): the object file made of `source` behind the preamble."""

    def __call__(self, name: str, source: str) -> Path: ...


@pytest.fixture(scope="session")
def compile_bpf(tmp_path_factory: pytest.TempPathFactory) -> CompileBpf:
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


@pytest.fixture
def bpf_privileges() -> None:
    """Skips the test where programs cannot be loaded."""
    needed = (pybpf.capabilities.CAP_BPF, pybpf.capabilities.CAP_NET_ADMIN)
    missing = pybpf.capabilities.missing(needed)
    require(not missing, f"{', '.join(sorted(missing))} missing")


@pytest.fixture
def kit_path(compile_bpf: CompileBpf) -> Path:
    """The object file of KIT."""
    return compile_bpf("kit", KIT)


@pytest.fixture
def kit(kit_path: Path, bpf_privileges: None) -> Iterator[pybpf.Object]:
    """KIT, loaded."""
    with pybpf.Object.open(kit_path) as opened:
        opened.load()
        yield opened


def runs(kit: pybpf.Object, slot: int) -> int:
    """How often the program of `slot` of KIT has run."""
    values = kit.maps["runs"].get(slot.to_bytes(4, "little"), per_cpu=True)
    assert values is not None
    return sum(int.from_bytes(value, "little") for value in values)
