# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import errno
from pathlib import Path

import pytest

from pybpf import capabilities, errors

# As the kernel and libbpf print them.
LOG = """\
reg type unsupported for arg#0 function bad#5
0: R1=ctx(off=0,imm=0) R10=fp0
; return *(volatile char *)(long)ctx->data;
0: (61) r1 = *(u32 *)(r1 +0)          ; R1_w=pkt(off=0,r=0,imm=0)
1: (71) r0 = *(u8 *)(r1 +0)
invalid access to packet, off=0 size=1, R1(id=0,off=0,r=0)
R1 offset is outside of the packet
processed 2 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0
"""
MESSAGES = f"""\
libbpf: prog 'bad': BPF program load failed: Permission denied
libbpf: prog 'bad': -- BEGIN PROG LOAD LOG --
{LOG}-- END PROG LOAD LOG --
libbpf: prog 'bad': failed to load: -13
libbpf: failed to load object 'x.o'
"""


@pytest.fixture
def _no_capabilities(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capabilities, "effective", frozenset)


@pytest.fixture
def _all_capabilities(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capabilities, "missing", lambda _: frozenset())


@pytest.mark.usefixtures("_all_capabilities")
def test_a_verifier_log_is_kept_and_its_end_quoted() -> None:
    error = errors.load_error(errno.EACCES, "x.o", MESSAGES, {})
    assert isinstance(error, errors.VerifierError)
    assert error.program == "bad"
    assert error.log == LOG
    assert error.summary == (
        "; return *(volatile char *)(long)ctx->data; | "
        "invalid access to packet, off=0 size=1, R1(id=0,off=0,r=0) | "
        "R1 offset is outside of the packet (4 lines omitted)"
    )


def test_a_summary_of_short_logs() -> None:
    assert errors.summarise("") == ""
    assert errors.summarise("one\ntwo\n") == "one | two"
    assert errors.summarise("0: (95) exit\n") == "0: (95) exit"
    assert errors.summarise("processed 5 insns (limit 1000000)\n") == ""


@pytest.mark.usefixtures("_no_capabilities")
def test_perfmon_is_named_when_only_it_is_missing() -> None:
    messages = MESSAGES.replace("R1 offset is outside of the packet", "R2 pointer -= prohibited")
    error = errors.load_error(errno.EACCES, "x.o", messages, {})
    assert isinstance(error, errors.PermissionDenied)
    assert error.missing == {"CAP_PERFMON"}
    assert isinstance(error.__cause__, errors.VerifierError)


@pytest.mark.usefixtures("_no_capabilities")
@pytest.mark.parametrize(
    ("kind", "missing"),
    [
        ("xdp", {"CAP_BPF", "CAP_NET_ADMIN"}),
        ("socket_filter", {"CAP_BPF"}),
        ("kprobe", {"CAP_BPF", "CAP_PERFMON"}),
    ],
)
def test_what_a_program_type_needs(kind: str, missing: set[str]) -> None:
    messages = "libbpf: prog 'p': BPF program load failed: Operation not permitted\n"
    error = errors.load_error(errno.EPERM, "x.o", messages, {"p": kind})
    assert isinstance(error, errors.PermissionDenied)
    assert error.missing == missing


@pytest.mark.usefixtures("_no_capabilities")
def test_an_outright_refusal_stays_the_verifier_s() -> None:
    assert isinstance(errors.load_error(errno.EACCES, "x.o", MESSAGES, {}), errors.VerifierError)


@pytest.mark.usefixtures("_no_capabilities")
def test_missing_capabilities_are_named() -> None:
    error = errors.error_from_errno(errno.EPERM, "doing it", ["CAP_BPF", "CAP_NET_ADMIN"])
    assert isinstance(error, errors.PermissionDenied)
    assert str(error) == "doing it: not permitted, CAP_BPF, CAP_NET_ADMIN missing"
    assert error.errno == errno.EPERM
    assert error.hint is not None
    assert "CAP_BPF" in error.hint


@pytest.mark.usefixtures("_all_capabilities")
def test_a_refusal_in_spite_of_all_capabilities_says_so() -> None:
    error = errors.error_from_errno(errno.EPERM, "doing it", ["CAP_BPF"])
    assert isinstance(error, errors.PermissionDenied)
    assert error.missing == frozenset()
    assert "no capability is missing" in str(error)


def test_other_numbers_keep_their_words() -> None:
    error = errors.error_from_errno(errno.ENOSPC, "doing it", ["CAP_BPF"], "libbpf: too big\n")
    assert type(error) is errors.PybpfError
    assert str(error) == "doing it: No space left on device (too big)"


def test_not_supported_names_feature_and_kernel() -> None:
    error = errors.NotSupported("TCX links", "6.6")
    assert (error.feature, error.since_kernel) == ("TCX links", "6.6")
    assert str(error) == "this kernel does not support TCX links (new in Linux 6.6)"


def test_errors_can_be_caught_by_python_s_names() -> None:
    assert issubclass(errors.ObjectClosed, ValueError)
    assert issubclass(errors.SizeError, ValueError)
    assert issubclass(errors.MapTypeError, TypeError)
    assert issubclass(errors.LeaseError, BufferError)
    assert issubclass(errors.NotFound, LookupError)
    assert issubclass(errors.HookBusy, errors.AttachError)


@pytest.mark.parametrize(
    ("mask", "held"),
    [
        ("0000000000000000", set()),
        ("0000000000001000", {"CAP_NET_ADMIN"}),
        ("000000c000003000", {"CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_PERFMON", "CAP_BPF"}),
        ("0000000000200000", {"CAP_SYS_ADMIN", "CAP_PERFMON", "CAP_BPF"}),
    ],
)
def test_the_effective_set(mask: str, held: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    text = f"Name:\tx\nCapPrm:\t000001ffffffffff\nCapEff:\t{mask}\nCapBnd:\t000001ffffffffff\n"
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: text)
    assert capabilities.effective() == held
