# SPDX-License-Identifier: Apache-2.0
"""A typed binding of libbpf: objects, programs, maps, links, and a ring buffer read in place.

    with pybpf.Object.open("program.bpf.o") as loaded:
        loaded.set_rodata("threshold", 10)
        loaded.load()
        with (
            pybpf.attach_tcx(loaded.programs["ingress"], ifindex, "ingress"),
            pybpf.RingBuffer(loaded.maps["events"]) as ring,
        ):
            while ring.wait(0.1):
                with ring.lease() as records:
                    for record in records:  # a memoryview of the kernel's memory
                        handle(record)

Everything that holds a descriptor is a context manager, may be closed twice, and warns when it is
forgotten. Errors are PybpfError and say what to do in `hint`. Calls that enter the kernel let other
threads run; each class says what may be called from several threads.
"""

from pybpf import capabilities, features
from pybpf._clsact import ClsactLink, attach_clsact, sweep_clsact
from pybpf._core import possible_cpus, wait_for_running_programs
from pybpf._info import ProgramInfo
from pybpf._link import Link, attach_socket_filter, attach_tcx, attach_xdp, xdp_mode
from pybpf._map import Map
from pybpf._object import Object, Program, TestRunResult
from pybpf._ring import Lease, RingBuffer
from pybpf._statistics import RunStatistics
from pybpf.errors import (
    AttachError,
    HookBusy,
    LeaseError,
    MapTypeError,
    NoSuchInterface,
    NotFound,
    NotSupported,
    ObjectClosed,
    PermissionDenied,
    ProgramTypeError,
    PybpfError,
    SizeError,
    StateError,
    VerifierError,
)
from pybpf.query import Attached, query_attached

__all__ = [
    "AttachError",
    "Attached",
    "ClsactLink",
    "HookBusy",
    "Lease",
    "LeaseError",
    "Link",
    "Map",
    "MapTypeError",
    "NoSuchInterface",
    "NotFound",
    "NotSupported",
    "Object",
    "ObjectClosed",
    "PermissionDenied",
    "Program",
    "ProgramInfo",
    "ProgramTypeError",
    "PybpfError",
    "RingBuffer",
    "RunStatistics",
    "SizeError",
    "StateError",
    "TestRunResult",
    "VerifierError",
    "attach_clsact",
    "attach_socket_filter",
    "attach_tcx",
    "attach_xdp",
    "capabilities",
    "features",
    "possible_cpus",
    "query_attached",
    "sweep_clsact",
    "wait_for_running_programs",
    "xdp_mode",
]
