# SPDX-License-Identifier: Apache-2.0
"""The shipped ingests name the topics, the data streams and the identity that the table gives.

rsyslog's is run for real in tests/e2e; here the others, as far as that goes without them.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from logstash_pipeline_parser import Pipeline

from streamer.schema import TOPICS
from streamer.schema.elastic import stream_name
from streamer.schema.elastic.resources import IDENTITY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamer.schema import Topic

FOLDER = Path(__file__).parents[3] / "deploy" / "elastic"
LOGSTASH = sorted((FOLDER / "logstash").glob("*.conf"))


def settings(tree: Any, plugin: str) -> dict[str, Any]:
    """The settings of the one plug-in of this name, wherever it stands."""
    found: list[dict[str, Any]] = list(plugins(tree, plugin))
    assert len(found) == 1, plugin
    return found[0]


def plugins(tree: Any, plugin: str) -> Iterator[dict[str, Any]]:
    if isinstance(tree, list):
        if len(tree) == 2 and tree[0] == plugin:
            yield {name: value for name, (value,) in tree[1]}
            return
        for node in tree:
            yield from plugins(node, plugin)


@pytest.mark.parametrize("file", LOGSTASH, ids=lambda file: file.name)
def test_logstash_reads_its_pipelines(file: Path) -> None:
    sections = [section for section, _ in Pipeline.from_file(file).parse()]
    assert sections == ["input", "filter", "output"]


def test_what_is_wrong_would_be_found() -> None:
    text = (FOLDER / "logstash" / "events.conf").read_text()
    with pytest.raises(Exception, match="Expected"):
        Pipeline(text.replace("kafka {", "kafka", 1)).parse()


def test_logstash_writes_events_by_their_identity() -> None:
    text = (FOLDER / "logstash" / "events.conf").read_text()
    tree = Pipeline(text).parse()
    assert settings(tree, "kafka")["topics"] == list(TOPICS)
    output = settings(tree, "elasticsearch")
    assert output["action"] == "create"
    assert output["data_stream"] == "false"
    as_logstash = re.sub(
        r"{{{([\w.]+)}}}", lambda m: "%{" + re.sub(r"(\w+)\.?", r"[\1]", m[1]) + "}", IDENTITY
    )
    assert output["document_id"] == as_logstash
    for topic in TOPICS.values():
        assert f'"[@metadata][stream]" => "{stream_name(topic)}"' in text


def test_the_pipelines_file_names_the_pipelines() -> None:
    text = (FOLDER / "logstash" / "pipelines.yml").read_text()
    assert sorted(re.findall(r"/([\w-]+\.conf)$", text, re.M)) == [file.name for file in LOGSTASH]
    refused = Pipeline.from_file(FOLDER / "logstash" / "refused.conf").parse()
    assert f"pipeline.id: {settings(refused, 'dead_letter_queue')['pipeline_id']}\n" in text


@pytest.mark.parametrize("topic", TOPICS.values(), ids=TOPICS)
def test_kafka_connect_writes_each_topic_into_its_data_stream(topic: Topic) -> None:
    text = (FOLDER / "kafka-connect" / f"{topic.table}.json").read_text()
    config = json.loads(text)["config"]
    assert config["topics"] == topic.name
    parts = [config[f"data.stream.{part}"] for part in ("type", "dataset", "namespace")]
    assert "-".join(parts).lower() == stream_name(topic)
    assert config["errors.tolerance"] == "all"
    assert config["errors.deadletterqueue.topic.name"] == f"{topic.name}.aside"
    assert all(isinstance(value, str) for value in config.values())  # Connect takes only texts
