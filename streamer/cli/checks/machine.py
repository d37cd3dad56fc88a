# SPDX-License-Identifier: Apache-2.0
"""The machine: our own parts, the kernel, privileges, memory, our name, the port."""

import os
import socket
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from pybpf import capabilities, features
from pybpf.errors import PermissionDenied
from streamer.capture.programs import Switches, capture_programs, load, needed_capabilities
from streamer.cli.checks.check import Check, Status
from streamer.config import Settings

REQUIRED_FEATURES = {"ringbuf", "boot_clock"}
FALLBACKS = {
    "tcx": "clsact filters are used",
    "xdp_load_bytes": "XDP reads the first part of a packet only",
    "xdp_frags": "XDP on jumbo frames may be refused by the driver",
}
MIB = 1 << 20
MACHINE_ID = Path("/etc/machine-id")


def libraries(_: Settings) -> Iterator[Check]:
    """The compiled parts can be loaded."""
    for module in ("hotpath.pump", "hotpath.json_encoder", "hotpath.record_batch"):
        try:
            import_module(module)
        except ImportError as error:
            yield Check("installation", "fail", str(error), "make setup")
            return
    yield Check("installation", "ok", "the compiled parts load")


def kernel(settings: Settings) -> Iterator[Check]:
    """What the kernel can do, asked of the kernel itself."""
    release = os.uname().release
    yield Check("kernel", "ok", f"Linux {release}")
    for name, feature in features.FEATURES.items():
        title = f"kernel: {feature.description}"
        try:
            present = feature.probe()
        except PermissionDenied as error:
            yield Check("kernel features", "warn", f"not known: {error.message}", error.hint)
            return
        if present:
            yield Check(title, "ok", "yes")
        elif name in REQUIRED_FEATURES or (name == "tcx" and settings.capture.tc_attach == "tcx"):
            cure = f"Linux {feature.since_kernel}"
            cure += " or newer, or capture.tc_attach = auto" if name == "tcx" else " or newer"
            yield Check(title, "fail", "no", cure)
        else:
            wanted = name == "tcx" or settings.capture.hook != "xdp"
            detail = f"no (new in Linux {feature.since_kernel}): {FALLBACKS.get(name, '')}"
            yield Check(title, "ok" if wanted else "warn", detail.rstrip(": "), "--hook tc")


def privileges(settings: Settings) -> Iterator[Check]:
    """The capabilities of the chosen mode; then whether the kernel takes our programs."""
    capture = settings.capture
    needed = needed_capabilities(capture.hook, other_namespace=capture.netns is not None)
    missing = sorted(capabilities.missing(needed))
    title = f"privileges for --hook {capture.hook}"
    if missing:
        yield Check(
            title,
            "fail",
            f"{', '.join(missing)} missing",
            f"run as root, or grant exactly {', '.join(sorted(needed))}",
        )
    else:
        yield Check(title, "ok", ", ".join(sorted(needed)))
    if capture.netns is None and capabilities.missing({capabilities.CAP_SYS_ADMIN}):
        yield Check(
            "privileges beyond",
            "warn",
            "without CAP_SYS_ADMIN: no --netns, no names of other programs, no run-time statistics",
            "run as root if these are wanted",
        )
    if not missing:
        with load(capture_programs(capture), capture.ring_bytes, Switches()):
            yield Check("programs", "ok", "the kernel's verifier accepts them")


def memory(settings: Settings) -> Iterator[Check]:
    """Room for the ring, sealed batches and the flow cache."""
    ring, batches = settings.capture.ring_bytes, settings.batch.memory_bytes
    needed = ring + batches + settings.encode.flow_cache_bytes
    available = _available_bytes()
    detail = (
        f"{needed / MIB:.0f} MiB needed (ring {ring / MIB:g}, batches {batches / MIB:g}, "
        f"flow cache {settings.encode.flow_cache_bytes / MIB:g}), {available / MIB:.0f} available"
    )
    if needed * 2 <= available:
        yield Check("memory", "ok", detail)
    else:
        status: Status = "fail" if needed > available else "warn"
        yield Check("memory", status, detail, "lower capture.ring_bytes or batch.memory_bytes")


def _available_bytes() -> int:
    """What the kernel thinks is free for use, within the container's limit."""
    lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    values = [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
    limit = Path("/sys/fs/cgroup/memory.max")
    if limit.exists() and (text := limit.read_text(encoding="ascii").strip()).isdigit():
        values.append(int(text))
    return min(values)


def identity(settings: Settings) -> Iterator[Check]:
    """agent.id is the same at each start."""
    if settings.agent.id is not None:
        yield Check("agent.id", "ok", f"{settings.agent.id}, as configured")
    elif MACHINE_ID.exists() and MACHINE_ID.stat().st_size > 0:
        yield Check("agent.id", "ok", f"derived from {MACHINE_ID}")
    else:
        detail = f"{MACHINE_ID} is absent: another id at each start"
        yield Check("agent.id", "warn", detail, "set agent.id")


def status_page(settings: Settings) -> Iterator[Check]:
    """The port of /metrics is free (or ours already)."""
    http = settings.http
    title = f"status page {http.host}:{http.port}"
    if not http.enabled:
        yield Check(title, "ok", "off")
        return
    try:
        family, _, _, _, address = socket.getaddrinfo(
            http.host, http.port, type=socket.SOCK_STREAM
        )[0]
        with socket.create_server(address[:2], family=family):
            yield Check(title, "ok", "the port is free")
    except OSError as error:
        yield Check(
            title,
            "warn",
            f"{error.strerror}: a run goes on without it",
            "set http.port, or http.enabled = false; another streamer may be running",
        )
