# SPDX-License-Identifier: Apache-2.0
"""Every test of pybpf is also a test for leaked descriptors."""

import pytest


@pytest.fixture(autouse=True)
def _leaves_no_descriptor(no_leaked_descriptors: None) -> None:
    """Nothing stays open."""
