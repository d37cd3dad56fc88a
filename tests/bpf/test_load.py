# SPDX-License-Identifier: Apache-2.0
"""All programs pass the verifier in every setting, and call nothing that old kernels lack."""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess

import pytest

from tests.support.capture_object import PROGRAMS, CaptureObject
from tests.support.requirements import require

XDP = {name for name in PROGRAMS if name.startswith("xdp")}

# What Linux 5.14 has. Look-ups in arrays have become instructions when the kernel shows them.
OLD_HELPERS = {
    "__htab_map_lookup_elem",
    "bpf_get_smp_processor_id",
    "bpf_ktime_get_boot_ns",
    "bpf_ringbuf_query",
    "bpf_ringbuf_reserve",
    "bpf_ringbuf_submit",
    "bpf_skb_load_bytes",
    "htab_map_lookup_elem",
    "percpu_array_map_lookup_elem",
}
NEW_HELPERS = {"bpf_xdp_get_buff_len", "bpf_xdp_load_bytes"}  # 5.18


def helpers(loaded: CaptureObject, program: str) -> set[str]:
    """The kernel functions that are called in what the verifier has left of a program."""
    number = str(loaded.object.programs[program].info().id)
    command = ["bpftool", "prog", "dump", "xlated", "id", number]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    called = set(re.findall(r" call (\w+)#", done.stdout))
    assert called
    return called


@pytest.mark.parametrize("exclude_own", [0, 1])
@pytest.mark.parametrize("use_xdp_load_bytes", [0, 1])
@pytest.mark.parametrize("replay", [0, 1])
def test_every_setting(replay: int, use_xdp_load_bytes: int, exclude_own: int) -> None:
    require(shutil.which("bpftool") is not None, "bpftool is not installed")
    loaded = CaptureObject(
        PROGRAMS,
        replay=replay,
        use_xdp_load_bytes=use_xdp_load_bytes,
        exclude_own=exclude_own,
    )
    with contextlib.closing(loaded):
        assert set(loaded.object.programs) == set(PROGRAMS)
        for name in PROGRAMS:
            new = NEW_HELPERS if use_xdp_load_bytes and name in XDP else set()
            called = helpers(loaded, name)
            assert called <= OLD_HELPERS | new
            assert new <= called
            clock = not (replay and name in XDP)
            assert ("bpf_ktime_get_boot_ns" in called) == clock
            assert any("htab" in helper for helper in called) == bool(exclude_own)
