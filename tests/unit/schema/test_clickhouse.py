# SPDX-License-Identifier: Apache-2.0
"""ClickHouse's statements as text; what they do is tested on the real thing, in e2e."""

from __future__ import annotations

import pytest

from streamer.schema import TOPICS, render
from streamer.schema.clickhouse import statements


@pytest.mark.parametrize("topic", TOPICS)
def test_the_broker_is_the_one_variable(topic: str) -> None:
    default = render("clickhouse", topic)
    other = render("clickhouse", topic, broker="kafka-1:9092,kafka-2:9092")
    assert other == default.replace("localhost:9092", "kafka-1:9092,kafka-2:9092")
    assert default.count("localhost:9092") == 1


def test_a_quote_in_the_broker_stays_inside_its_literal() -> None:
    assert "kafka_broker_list = 'a\\'b\\\\'," in render("clickhouse", broker="a'b\\")


@pytest.mark.parametrize("topic", TOPICS)
def test_statements_are_single_and_whole(topic: str) -> None:
    parts = statements(render("clickhouse", topic))
    assert [part.split()[1] for part in parts] == [
        "DATABASE",
        "TABLE",
        "TABLE",
        "TABLE",
        "MATERIALIZED",
        "MATERIALIZED",
    ]
    assert all(part.startswith("CREATE ") and ";" not in part for part in parts)
