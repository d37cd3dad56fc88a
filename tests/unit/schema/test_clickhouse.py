# SPDX-License-Identifier: Apache-2.0
"""ClickHouse's statements as text; what they do is tested on the real thing, in e2e."""

from __future__ import annotations

import pytest

from streamer.schema import PACKETS, TOPICS, clickhouse, render
from streamer.schema.clickhouse import Layout, statements


@pytest.mark.parametrize("topic", TOPICS)
def test_the_broker_is_the_one_variable(topic: str) -> None:
    default = render("clickhouse", topic)
    other = render("clickhouse", topic, broker="kafka-1:9092,kafka-2:9092")
    assert other == default.replace("localhost:9092", "kafka-1:9092,kafka-2:9092")
    assert default.count("localhost:9092") == 1


def test_a_quote_in_the_broker_stays_inside_its_literal() -> None:
    assert "kafka_broker_list = 'a\\'b\\\\'," in render("clickhouse", broker="a'b\\")


@pytest.mark.parametrize("clustered", [False, True])
@pytest.mark.parametrize("topic", TOPICS)
def test_statements_are_single_and_whole(topic: str, clustered: bool) -> None:
    parts = statements(clickhouse.render(TOPICS[topic], Layout(clustered=clustered)))
    assert all(part.startswith("CREATE ") and ";" not in part for part in parts)
    assert all(("ON CLUSTER '{cluster}'" in part) == clustered for part in parts)


@pytest.mark.parametrize("topic", TOPICS)
def test_reading_begins_when_all_else_is_there(topic: str) -> None:
    parts = statements(render("clickhouse", topic))
    readers = [part for part in parts if "_kafka" in part and "ENGINE = Kafka" not in part]
    assert readers == parts[-1:]
    assert "ENGINE = Kafka" in parts[-2]


def test_another_database_reads_for_itself() -> None:
    text = clickhouse.render(PACKETS, Layout(database="other"))
    assert " streamer." not in text
    assert "kafka_group_name = 'clickhouse-other-packets'" in text
    assert "kafka_group_name = 'clickhouse-packets'" in render("clickhouse")
