# SPDX-License-Identifier: Apache-2.0
"""What a test must leave as it found it: open descriptors."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


def open_descriptors() -> dict[int, str]:
    """Each descriptor of this process, with what it leads to."""
    found = {}
    for entry in Path("/proc/self/fd").iterdir():
        try:
            found[int(entry.name)] = str(entry.readlink())
        except FileNotFoundError:
            continue  # the one that lists the directory
    return found


@pytest.fixture
def no_leaked_descriptors() -> Iterator[None]:
    """Fails the test when descriptors are open at its end that were not at its start."""
    before = open_descriptors()
    yield
    gc.collect()
    leaked = {fd: leads_to for fd, leads_to in open_descriptors().items() if fd not in before}
    assert not leaked
