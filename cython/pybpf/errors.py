# SPDX-License-Identifier: Apache-2.0
"""The errors of pybpf: what happened, on what, and, in ``hint``, what to do."""

from __future__ import annotations

import errno as errno_names
import os
import re
from typing import TYPE_CHECKING

from pybpf import capabilities as caps

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SUMMARY_LINES = 3
# Instructions and the state of registers: needed to understand, not to know what is wrong.
_DETAIL = re.compile(r"^(\d+: |from \d+ to \d+|last_idx |parent |regs=|mark_precise)")
_STATISTICS = re.compile(r"^(processed \d+ insns|verification time|stack depth)")
_LOG_BLOCK = re.compile(
    r"prog '(?P<program>[^']*)': -- BEGIN PROG LOAD LOG --\n(?P<log>.*?)-- END PROG LOAD LOG --",
    re.DOTALL,
)
_FAILED_PROGRAM = re.compile(r"prog '(?P<program>[^']*)': BPF program load failed")
# What the verifier says when only a missing CAP_PERFMON stands between it and acceptance.
_PERFMON_HINTS = re.compile(
    r"prohibited|pointer comparison|leaks addr|privileged|not allowed for root|CAP_PERFMON"
)


class PybpfError(Exception):
    """Base of all: ``errno`` is the kernel's number where there was one."""

    def __init__(self, message: str, *, errno: int | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.errno = errno
        self.hint = hint

    def __str__(self) -> str:
        return self.message


class NotSupported(PybpfError):
    """The running kernel lacks a feature."""

    def __init__(self, feature: str, since_kernel: str, *, errno: int | None = None) -> None:
        super().__init__(
            f"this kernel does not support {feature} (new in Linux {since_kernel})", errno=errno
        )
        self.feature = feature
        self.since_kernel = since_kernel


class VerifierError(PybpfError):
    """The kernel refused a program; ``log`` is all it said, ``summary`` its last lines."""

    def __init__(self, program: str, summary: str, log: str, *, errno: int | None = None) -> None:
        super().__init__(f"the kernel refused program {program}: {summary}", errno=errno)
        self.program = program
        self.summary = summary
        self.log = log


class PermissionDenied(PybpfError):
    """A privilege is missing; ``missing`` names the capabilities, empty when none is."""

    def __init__(
        self, operation: str, missing: frozenset[str], *, errno: int | None = None
    ) -> None:
        if missing:
            names = ", ".join(sorted(missing))
            message = f"{operation}: not permitted, {names} missing"
            hint = f"run as root or grant {names}"
        else:
            message = f"{operation}: not permitted, although no capability is missing"
            hint = "a security module, seccomp, lockdown or a user namespace forbids it"
        super().__init__(message, errno=errno, hint=hint)
        self.operation = operation
        self.missing = missing


class ObjectClosed(PybpfError, ValueError):
    """Used after close."""


class StateError(PybpfError):
    """Right call, wrong time: settings after load, descriptors before it."""


class NotFound(PybpfError, LookupError):
    """No such variable, map or program in the object."""


class SizeError(PybpfError, ValueError):
    """A key, a value or a constant of the wrong size."""


class MapTypeError(PybpfError, TypeError):
    """The map's type does not allow the operation."""


class ProgramTypeError(PybpfError, TypeError):
    """The program is not of the type that the hook takes."""


class LeaseError(PybpfError, BufferError):
    """The ring's memory is still lent out."""


class AttachError(PybpfError):
    """Attaching to, or detaching from, an interface failed."""

    def __init__(
        self,
        message: str,
        *,
        ifindex: int,
        errno: int | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, errno=errno, hint=hint)
        self.ifindex = ifindex


class NoSuchInterface(AttachError):
    """No interface with this index in this network namespace."""


class HookBusy(AttachError):
    """Somebody else's program holds the hook; it was left alone."""


def error_from_errno(
    number: int, operation: str, capabilities: Iterable[str] = (), messages: str = ""
) -> PybpfError:
    """The error for the kernel's `number`; `capabilities` is what `operation` needs."""
    if number in (errno_names.EPERM, errno_names.EACCES) and capabilities:
        return PermissionDenied(operation, caps.missing(capabilities), errno=number)
    said = [line.removeprefix("libbpf: ") for line in messages.splitlines() if line.strip()]
    detail = f" ({said[0]})" if said else ""
    return PybpfError(f"{operation}: {os.strerror(number)}{detail}", errno=number)


def load_error(
    number: int, name: str, messages: str, program_types: Mapping[str, str]
) -> PybpfError:
    """The error for an object that would not load, read out of libbpf's `messages`.

    `program_types` has the type of each program, as libbpf names it.
    """
    operation = f"loading {name}"
    block = _LOG_BLOCK.search(messages)
    if block is None or not block["log"].strip():
        failed = _FAILED_PROGRAM.search(messages)
        if failed is None:
            return error_from_errno(number, operation, (caps.CAP_BPF,), messages)
        if number not in (errno_names.EPERM, errno_names.EACCES):
            reason = os.strerror(number)
            return VerifierError(failed["program"], reason, "", errno=number)
        needed = caps.needed_to_load(program_types.get(failed["program"], ""))
        return error_from_errno(number, operation, needed)
    log = block["log"]
    error = VerifierError(block["program"], summarise(log), log, errno=number)
    lacking = caps.missing((caps.CAP_PERFMON,))
    if lacking and _PERFMON_HINTS.search(error.summary):
        denied = PermissionDenied(operation, lacking, errno=number)
        denied.__cause__ = error
        return denied
    return error


def summarise(log: str) -> str:
    """The lines of a verifier log that say why: the last complaints and the source line."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    lines = [line for line in lines if not _STATISTICS.match(line)]
    telling = [line for line in lines if not _DETAIL.match(line)]
    kept = (telling or lines)[-SUMMARY_LINES:]
    omitted = len(lines) - len(kept)
    text = " | ".join(kept)
    return f"{text} ({omitted} lines omitted)" if omitted else text
