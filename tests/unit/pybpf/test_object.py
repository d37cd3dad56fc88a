# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import errno
import gc
import pickle
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import pybpf

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.bpf_objects import CompileBpf

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("bpf_privileges")]

FRAME = bytes(64)

NEVER_ACCEPTED = """
SEC("xdp") int good(struct xdp_md *ctx) { return 0; }
SEC("xdp") int bad(struct xdp_md *ctx)
{
    /* read without a bounds check */
    return *(volatile char *)(long)ctx->data;
}
"""


def test_an_object_lists_its_programs_and_maps(kit_path: Path) -> None:
    with pybpf.Object.open(kit_path) as opened:
        program = opened.programs["at_tc_egress"]
        assert (program.name, program.section, program.type) == ("at_tc_egress", "tc", "sched_cls")
        assert opened.programs["at_xdp"].type == "xdp"
        assert opened.programs["at_socket"].type == "socket_filter"
        assert set(opened.maps) == {"ring", "runs", "table"}
        assert not opened.loaded


def test_a_missing_file_is_named() -> None:
    with pytest.raises(pybpf.PybpfError, match=r"/nowhere/x\.o: No such file") as caught:
        pybpf.Object.open("/nowhere/x.o")
    assert caught.value.errno == errno.ENOENT


def test_a_file_that_is_no_object(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "text.o"
    path.write_text("not ELF")
    with pytest.raises(pybpf.PybpfError, match=r"text\.o"):
        pybpf.Object.open(path)
    assert capfd.readouterr().err == ""


def test_read_only_variables(kit_path: Path) -> None:
    with pybpf.Object.open(kit_path) as opened:
        opened.set_rodata("answer", 4_000_000_000)
        opened.set_rodata("flag", True)
        opened.set_rodata("pair", (56).to_bytes(2, "little") + (78).to_bytes(2, "little"))
        opened.load()
        assert opened.programs["returns_answer"].test_run(FRAME).retval == 4_000_000_000
        assert opened.programs["returns_rest"].test_run(FRAME).retval == 15678


def test_a_negative_value_is_stored_as_two_s_complement(kit_path: Path) -> None:
    with pybpf.Object.open(kit_path) as opened:
        opened.set_rodata("answer", -2)
        opened.load()
        assert opened.programs["returns_answer"].test_run(FRAME).retval == (1 << 32) - 2


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("answer", 1 << 32, pybpf.SizeError),
        ("answer", -(1 << 31) - 1, pybpf.SizeError),
        ("answer", b"123", pybpf.SizeError),
        ("answer", True, pybpf.SizeError),
        ("answer", "1", TypeError),
        ("flag", 256, pybpf.SizeError),
        ("nothing", 1, pybpf.NotFound),
        ("runs", 1, pybpf.NotFound),
    ],
)
def test_a_variable_that_does_not_fit(
    kit_path: Path, name: str, value: int, error: type[Exception]
) -> None:
    with pybpf.Object.open(kit_path) as opened, pytest.raises(error, match=name):
        opened.set_rodata(name, value)


def test_settings_after_load_are_refused(kit: pybpf.Object) -> None:
    program = kit.programs["at_xdp"]
    late: list[Callable[[], None]] = [
        kit.load,
        lambda: kit.set_rodata("answer", 1),
        lambda: kit.set_max_entries("table", 5),
        lambda: kit.maps["table"].set_max_entries(5),
        lambda: program.set_autoload(False),
        lambda: program.set_flags(0),
        lambda: program.set_type("xdp"),
    ]
    for call in late:
        with pytest.raises(pybpf.StateError, match="before load"):
            call()


def test_a_map_is_resized_before_load(kit_path: Path) -> None:
    with pybpf.Object.open(kit_path) as opened:
        opened.set_max_entries("table", 2)
        opened.maps["ring"].set_max_entries(65536)
        opened.load()
        assert opened.maps["ring"].max_entries == 65536
        table = opened.maps["table"]
        table.set(b"aaaa", bytes(8))
        table.set(b"bbbb", bytes(8))
        with pytest.raises(pybpf.PybpfError) as caught:
            table.set(b"cccc", bytes(8))
        assert caught.value.errno == errno.E2BIG


def test_resizing_an_unknown_map(kit_path: Path) -> None:
    with pybpf.Object.open(kit_path) as opened, pytest.raises(pybpf.NotFound, match="nothing"):
        opened.set_max_entries("nothing", 2)


def test_descriptors_exist_only_after_load(kit_path: Path) -> None:
    with pybpf.Object.open(kit_path) as opened:
        opened.programs["drops"].set_autoload(False)
        with pytest.raises(pybpf.StateError, match="not loaded"):
            _ = opened.programs["at_xdp"].fd
        with pytest.raises(pybpf.StateError, match="before load"):
            _ = opened.maps["table"].fd
        opened.load()
        assert opened.programs["at_xdp"].fd >= 0
        assert opened.maps["table"].fd >= 0
        with pytest.raises(pybpf.StateError, match="autoload"):
            _ = opened.programs["drops"].fd


def test_another_type_than_the_section_says(kit_path: Path) -> None:
    with pybpf.Object.open(kit_path) as opened:
        opened.programs["at_socket"].set_type("sched_cls")
        assert opened.programs["at_socket"].type == "sched_cls"
        with pytest.raises(pybpf.NotFound, match="no_such_type"):
            opened.programs["at_socket"].set_type("no_such_type")
        opened.load()


def test_closing_twice_and_use_after_close(kit_path: Path) -> None:
    opened = pybpf.Object.open(kit_path)
    program, table = opened.programs["at_xdp"], opened.maps["table"]
    opened.load()
    opened.close()
    opened.close()
    assert opened.closed
    uses: list[Callable[[], object]] = [
        lambda: opened.programs,
        lambda: opened.maps,
        opened.load,
        lambda: opened.set_rodata("answer", 1),
        opened.__enter__,
        lambda: program.fd,
        lambda: program.type,
        lambda: program.flags,
        program.info,
        lambda: program.test_run(FRAME),
        lambda: program.set_autoload(True),
        lambda: table.fd,
        lambda: table.max_entries,
        lambda: table.get(bytes(4)),
        lambda: table.set(bytes(4), bytes(8)),
        lambda: table.delete(bytes(4)),
        lambda: list(table),
        lambda: pybpf.RingBuffer(table),
        lambda: pybpf.attach_xdp(program, 1),
    ]
    for use in uses:
        with pytest.raises(pybpf.ObjectClosed):
            use()
    # What is known without the kernel stays.
    assert (program.name, table.name, table.type, table.key_size) == ("at_xdp", "table", "hash", 4)


def test_a_map_keeps_its_object_alive(kit_path: Path) -> None:
    opened = pybpf.Object.open(kit_path)
    opened.load()
    table = opened.maps["table"]
    del opened
    gc.collect()
    table.set(b"aaaa", bytes(8))
    assert table.get(b"aaaa") == bytes(8)
    with pytest.warns(ResourceWarning, match="unclosed BPF object"):
        del table


def test_a_refused_program_is_named_and_the_log_kept(
    compile_bpf: CompileBpf, capfd: pytest.CaptureFixture[str]
) -> None:
    path = compile_bpf("never_accepted", NEVER_ACCEPTED)
    with pybpf.Object.open(path) as opened:
        with pytest.raises(pybpf.VerifierError) as caught:
            opened.load()
        error = caught.value
        assert error.program == "bad"
        assert error.errno == errno.EACCES
        assert "invalid access to packet" in error.summary
        assert "invalid access to packet" in str(error)
        assert "processed" not in error.summary
        assert error.log.count("\n") > error.summary.count("|") + 1
        assert len(error.summary) < 500
        with pytest.raises(pybpf.StateError, match="not loaded"):
            _ = opened.programs["good"].fd
        with pytest.raises(pybpf.StateError, match="before load"):
            opened.load()
    assert capfd.readouterr().err == ""


def test_a_map_the_kernel_refuses(compile_bpf: CompileBpf) -> None:
    source = """
    struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(key_size, 8); __uint(value_size, 8);
             __uint(max_entries, 1); } wrong SEC(".maps");
    """
    with pybpf.Object.open(compile_bpf("wrong_map", source)) as opened:
        with pytest.raises(pybpf.PybpfError, match="Invalid argument") as caught:
            opened.load()
        assert "wrong" in str(caught.value)


def test_test_run_gives_packet_and_context_back(kit: pybpf.Object) -> None:
    frame = bytes(range(64))
    result = kit.programs["cuts_two_bytes"].test_run(frame)
    assert (result.retval, result.data_out) == (2, frame[2:])
    assert kit.programs["cuts_two_bytes"].test_run(frame, output_bytes=0).data_out == b""
    # struct __sk_buff: length 192 bytes, mark at offset 8.
    context = bytearray(192)
    context[8] = 41
    result = kit.programs["sets_mark"].test_run(memoryview(frame), ctx=context)
    assert result.retval == 42
    assert result.ctx_out[8] == 42
    assert result.duration_ns >= 0


def test_a_frame_too_short_for_a_test_run(kit: pybpf.Object) -> None:
    with pytest.raises(pybpf.PybpfError, match="13 bytes") as caught:
        kit.programs["at_xdp"].test_run(bytes(13))
    assert caught.value.errno == errno.EINVAL


def test_an_output_that_has_no_room(kit: pybpf.Object) -> None:
    with pytest.raises(pybpf.PybpfError) as caught:
        kit.programs["at_xdp"].test_run(FRAME, output_bytes=10)
    assert caught.value.errno == errno.ENOSPC


def test_run_statistics(kit: pybpf.Object) -> None:
    program = kit.programs["at_xdp"]
    program.test_run(FRAME)
    assert program.info().run_count == 0
    with pybpf.RunStatistics() as statistics:
        program.test_run(FRAME, repeat=1)
        program.test_run(FRAME, repeat=1)
    statistics.close()
    program.test_run(FRAME)
    info = program.info()
    assert info.run_count == 2
    assert info.run_time_ns > 0
    assert info.name == "at_xdp"
    assert info.id > 0
    assert len(bytes.fromhex(info.tag)) == 8


def test_nothing_is_pickled_or_made_by_hand(kit: pybpf.Object) -> None:
    for thing in (kit, kit.programs["at_xdp"], kit.maps["table"]):
        with pytest.raises(TypeError):
            pickle.dumps(thing)
        with pytest.raises(TypeError, match="come from"):
            type(thing)()
    with pytest.raises(AttributeError):
        pybpf.Object.__new__(pybpf.Object).load()


UNCLOSED = """
import sys, pybpf
opened = pybpf.Object.open(sys.argv[1])
opened.load()
table, program = opened.maps["table"], opened.programs["at_xdp"]
ring = pybpf.RingBuffer(opened.maps["ring"])
program.test_run(bytes(64))
lease = ring.lease()
lease.__enter__()
view = next(iter(lease))
part = view[1:3]
own = pybpf.Map.create("array", key_size=4, value_size=4, max_entries=1)
statistics = pybpf.RunStatistics()
link = pybpf.attach_socket_filter(opened.programs["at_socket"], 1)
"""


@pytest.mark.parametrize("flags", [[], ["-X", "dev"]])
def test_the_interpreter_ends_quietly_with_everything_open(
    kit_path: Path, flags: list[str]
) -> None:
    done = subprocess.run(
        [sys.executable, *flags, "-c", UNCLOSED, str(kit_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    complaints = [line for line in done.stderr.splitlines() if "ResourceWarning" not in line]
    assert (done.returncode, complaints) == (0, [])
    if flags:
        assert "unclosed BPF object" in done.stderr
    else:
        assert done.stderr == ""
