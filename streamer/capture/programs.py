# SPDX-License-Identifier: Apache-2.0
"""The BPF object: which programs a mode needs, with which privileges, loaded with its settings."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import as_file, files
from typing import TYPE_CHECKING

from pybpf import Object, PermissionDenied, PybpfError, VerifierError, capabilities, features
from streamer.errors import CaptureError, MissingPrivilege, StreamerError

if TYPE_CHECKING:
    from collections.abc import Collection

    from streamer.config import CaptureSettings

_XDP_HAS_FRAGS = 1 << 5  # BPF_F_XDP_HAS_FRAGS: packets in several buffers, as jumbo frames are

_PRIVILEGES = {
    "tc": (capabilities.CAP_BPF, capabilities.CAP_NET_ADMIN, capabilities.CAP_PERFMON),
    "xdp": (capabilities.CAP_BPF, capabilities.CAP_NET_ADMIN, capabilities.CAP_PERFMON),
    "socket": (capabilities.CAP_BPF, capabilities.CAP_NET_RAW, capabilities.CAP_PERFMON),
}


@dataclass(frozen=True, slots=True)
class Switches:
    """The object's read-only data, as bpf/config.h names it; None: the object's own default."""

    wakeup_bytes: int | None = None
    exclude_own: bool = False
    replay: bool = False
    socket_ingress: bool = True
    socket_egress: bool = True


def needed_capabilities(hook: str, *, other_namespace: bool = False) -> tuple[str, ...]:
    """What capturing at a hook needs; replay needs what xdp needs."""
    entering = (capabilities.CAP_SYS_ADMIN,) if other_namespace else ()
    return _PRIVILEGES[hook] + entering


def require_capabilities(needed: Collection[str], activity: str) -> None:
    """Raise MissingPrivilege when the calling thread lacks one: before anything is opened."""
    missing = capabilities.missing(needed)
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        raise MissingPrivilege(
            f"{activity} needs {_enumerate(needed)}: {_enumerate(missing)} {verb} missing",
            hint="run as root, or grant exactly these capabilities",
        )


def capture_programs(settings: CaptureSettings) -> tuple[str, ...]:
    """Names of the programs of a mode, for devices with and without a link layer."""
    if settings.hook == "tc":
        base = tuple(f"tc_{direction}" for direction in settings.directions)
    else:
        base = {"xdp": ("xdp_ingress",), "socket": ("socket_filter",)}[settings.hook]
    return tuple(name + suffix for name in base for suffix in ("", "_l3"))


def load(programs: Collection[str], ring_bytes: int, switches: Switches) -> Object:
    """Open the object and load those programs of it."""
    try:
        with as_file(files("streamer.capture") / "capture.bpf.o") as path:
            if not path.is_file():
                raise CaptureError(
                    "the BPF object is missing from this installation", hint="build it: make setup"
                )
            loading = Object.open(path)
        try:
            _configure(loading, programs, ring_bytes, switches)
            loading.load()
        except BaseException:
            loading.close()
            raise
    except PybpfError as error:
        raise explain(error) from error
    return loading


def explain(error: PybpfError) -> StreamerError:
    """The error for the user."""
    if isinstance(error, PermissionDenied):
        return MissingPrivilege(error.message, hint=error.hint)
    if isinstance(error, VerifierError):
        hint = "this kernel is not known to us: please report it with `uname -r`"
        return CaptureError(error.message, hint=hint)
    return CaptureError(error.message, hint=error.hint)


def _configure(
    loading: Object, programs: Collection[str], ring_bytes: int, switches: Switches
) -> None:
    for name, program in loading.programs.items():
        program.set_autoload(name in programs)
    loading.set_max_entries("events", ring_bytes)
    loading.set_rodata("ring_bytes", ring_bytes)
    if switches.wakeup_bytes is not None:
        loading.set_rodata("wakeup_bytes", switches.wakeup_bytes)
    for name in ("exclude_own", "replay", "socket_ingress", "socket_egress"):
        loading.set_rodata(name, bool(getattr(switches, name)))
    xdp = [name for name in programs if name.startswith("xdp")]
    if xdp:
        loading.set_rodata("use_xdp_load_bytes", features.has_xdp_load_bytes())
        if features.has_xdp_frags():
            for name in xdp:
                loading.programs[name].set_flags(_XDP_HAS_FRAGS)


def _enumerate(names: Collection[str]) -> str:
    *others, last = sorted(names)
    return f"{', '.join(others)} and {last}" if others else last
