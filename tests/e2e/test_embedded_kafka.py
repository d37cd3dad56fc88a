# SPDX-License-Identifier: Apache-2.0
"""The broker of the demo and the tests: ready when it says so, gone when it is told."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer

from streamer.demo.kafka import EmbeddedKafka, answers
from streamer.errors import StreamerError

pytestmark = pytest.mark.kafka

PARENT = """
import asyncio, sys, pathlib
from streamer.demo.kafka import EmbeddedKafka
broker = EmbeddedKafka(pathlib.Path(sys.argv[1]))
asyncio.run(broker.start())
print(broker.process_id, flush=True)
sys.stdin.read()
"""


async def test_records_survive_kill_and_restart(mortal_kafka: EmbeddedKafka, topic: str) -> None:
    await mortal_kafka.start()
    servers = mortal_kafka.bootstrap_servers
    mortal_kafka.tool(
        "org.apache.kafka.tools.TopicCommand",
        *("--bootstrap-server", servers, "--create", "--topic", topic),
    )
    producer = Producer({"bootstrap.servers": servers})
    producer.produce(topic, b"before")
    assert producer.flush(20) == 0

    mortal_kafka.kill()
    assert mortal_kafka.process_id is None
    address, port = servers.split(":")
    assert not answers(address, int(port))
    await mortal_kafka.start()

    assert mortal_kafka.bootstrap_servers == servers
    consumer = Consumer(
        {"bootstrap.servers": servers, "group.id": "t", "auto.offset.reset": "earliest"}
    )
    try:
        consumer.subscribe([topic])
        message = consumer.poll(30)
        assert message is not None
        assert message.value() == b"before"
    finally:
        consumer.close()
    await mortal_kafka.stop()
    assert mortal_kafka.process_id is None


@pytest.mark.usefixtures("kafka")  # skips where there is no broker to be had
def test_broker_dies_with_a_killed_parent(tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with parent:
        assert parent.stdout is not None
        broker = int(parent.stdout.readline())
        parent.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 10
    status = Path(f"/proc/{broker}/stat")
    while status.exists() and status.read_text().split(") ")[1][0] != "Z":
        assert time.monotonic() < deadline, "the broker outlived its parent"
        time.sleep(0.05)


async def test_missing_artefacts_are_explained(tmp_path: Path) -> None:
    broker = EmbeddedKafka(tmp_path / "data", artefacts=tmp_path / "nowhere")
    with pytest.raises(StreamerError, match="artefacts are not in") as error:
        await broker.start()
    assert error.value.hint == "fetch them with: make var/kafka/.complete"


async def test_missing_java_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StreamerError, match="Java was not found"):
        await EmbeddedKafka(tmp_path / "data").start()


async def test_a_broker_that_cannot_start_says_why(mortal_kafka: EmbeddedKafka) -> None:
    await mortal_kafka.start()
    port = mortal_kafka.bootstrap_servers
    other = EmbeddedKafka(
        mortal_kafka.folder.parent / "other", properties={"listeners": f"PLAINTEXT://{port}"}
    )
    with pytest.raises(StreamerError, match=r"Kafka.*(status|format)"):
        await asyncio.wait_for(other.start(), 60)
    assert other.process_id is None
