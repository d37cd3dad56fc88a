# SPDX-License-Identifier: Apache-2.0
"""Fixtures for all tests, by what they start."""

from hypothesis import settings

# how long an example takes says more about the machine than about what is tested
settings.register_profile("no-deadline", deadline=None)
settings.load_profile("no-deadline")

pytest_plugins = [
    "tests.support.bpf_objects",
    "tests.support.clickhouse",
    "tests.support.descriptors",
    "tests.support.docker",
    "tests.support.elasticsearch",
    "tests.support.kafka",
    "tests.support.logging",
    "tests.support.netns",
    "tests.support.records",
    "tests.support.search",
    "tests.support.wire",
    "tests.support.demo_index",  # it uses the others
]
