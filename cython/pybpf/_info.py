# SPDX-License-Identifier: Apache-2.0
"""Plain records that the extension modules hand out."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ProgramInfo:
    """What the kernel says of a loaded program."""

    id: int
    name: str
    """As the kernel keeps it: at most 15 characters."""
    tag: str
    """The kernel's hash of the instructions, as hexadecimal digits."""
    run_time_ns: int
    """Time in the program; grows only while statistics are on."""
    run_count: int
    recursion_misses: int
