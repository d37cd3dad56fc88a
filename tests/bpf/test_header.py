# SPDX-License-Identifier: Apache-2.0
"""The contract between kernel and user space: the same layout for every compiler."""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support import packet_event
from tests.support.capture_object import COUNTERS, SLOTS
from tests.support.packet_event import PARSE_FLAGS, Record
from tests.support.requirements import require

BPF = Path(__file__).parents[2] / "bpf"

# In a record the members of its nested structures stand one behind the other.
PREFIXES = ("", "header.", "key.", "key.endpoints.")


def members() -> dict[str, str]:
    """Record's names as C expressions."""
    header = (BPF / "event.h").read_text(encoding="utf-8")
    structures = re.findall(r"^struct (\w+) \{(.*?)^\};", header, re.MULTILINE | re.DOTALL)
    prefixes = dict(
        zip(("packet_event", "record_header", "flow_key", "endpoints"), PREFIXES, strict=True)
    )
    found = {}
    for structure, body in structures:
        for name in re.findall(r"^\t__u\w+ (\w+)(?:\[\d+\])?;", body, re.MULTILINE):
            found[name] = prefixes[structure] + name
    return found


def compile_for(command: list[str], path: Path, source: str) -> None:
    require(shutil.which(command[0]) is not None, f"{command[0]} is not installed")
    code = path / "layout.c"
    code.write_text('#include "event.h"\n' + source, encoding="ascii")
    command = [*command, "-std=gnu11", "-Wall", "-Wextra", "-Wpadded", "-Werror", f"-I{BPF}"]
    done = subprocess.run(
        [*command, "-c", str(code), "-o", str(path / "layout.o")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "command",
    [["gcc"], ["clang"], ["clang", "--target=bpf", "-idirafter", "/usr/include/x86_64-linux-gnu"]],
)
def test_layout(command: list[str], tmp_path: Path) -> None:
    """Names, offsets and sizes of every member, without padding, in C for both targets."""
    expressions = members()
    asserts = []
    for name, kind, *_ in Record._fields_:
        member = expressions.pop(name)
        offset = f"__builtin_offsetof(struct packet_event, {member})"
        size = f"sizeof(((struct packet_event *)0)->{member})"
        asserts += [
            f'_Static_assert({offset} == {getattr(Record, name).offset}, "");',
            f'_Static_assert({size} == {ctypes.sizeof(kind)}, "");',
        ]
    assert expressions == {}
    compile_for(command, tmp_path, "\n".join(asserts) + "\n")


def test_flags(tmp_path: Path) -> None:
    values = {f"PARSE_{name.upper()}": 1 << bit for bit, name in enumerate(PARSE_FLAGS)}
    for name in ("HAS_TCP", "HAS_IP", "HAS_ID", "HAS_PAYLOAD"):
        values[f"PARSE_{name}"] = getattr(packet_event, name)
    for name in ("HAS_MAC", "HAS_VLAN", "HAS_INNER_VLAN", "HAS_PORTS", "HAS_ICMP"):
        values[f"FLOW_{name}"] = getattr(packet_event, name)
    asserts = [f'_Static_assert({name} == {value}, "");\n' for name, value in values.items()]
    compile_for(["gcc"], tmp_path, "".join(asserts))


def test_counters() -> None:
    """The order of the members and slots that user space unpacks."""
    config = (BPF / "config.h").read_text(encoding="utf-8")
    slots = re.search(r"enum counter_slot \{(.*?)\}", config, re.DOTALL)
    counters = re.search(r"struct hook_counters \{(.*?)\}", config, re.DOTALL)
    assert slots
    assert counters
    names = re.findall(r"(\w+) = (\d+),", slots.group(1))
    assert [(name.lower(), int(value)) for name, value in names] == list(
        zip(SLOTS, range(len(SLOTS)), strict=True)
    )
    assert tuple(re.findall(r"__u64 (\w+);", counters.group(1))) == COUNTERS
