# SPDX-License-Identifier: Apache-2.0
"""Fixtures for all tests, by what they start."""

pytest_plugins = [
    "tests.support.bpf_objects",
    "tests.support.clickhouse",
    "tests.support.descriptors",
    "tests.support.elasticsearch",
    "tests.support.kafka",
    "tests.support.logging",
    "tests.support.netns",
    "tests.support.records",
    "tests.support.search",
    "tests.support.wire",
    "tests.support.demo_index",  # it uses the others
]
