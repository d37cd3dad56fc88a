# SPDX-License-Identifier: Apache-2.0
"""`streamer replay --kafka`: the events of the lines, as records; without a broker it ends."""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from streamer.config import load_settings
from streamer.errors import DeliveryError
from streamer.replay import command
from streamer.replay import kafka as replay_kafka
from tests.support import capture_files as make
from tests.support.delivering import read_all
from tests.support.frames import build

if TYPE_CHECKING:
    from pathlib import Path

    from streamer.demo.kafka import EmbeddedKafka

pytestmark = [pytest.mark.kafka, pytest.mark.root]


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    """Three thousand packets, in microseconds."""
    frames = list(build().values())
    chosen = [frames[number % len(frames)] for number in range(3000)]
    path = tmp_path / "capture.pcap"
    path.write_bytes(make.pcap([(10**15 + n, len(f), f) for n, f in enumerate(chosen)]))
    return path


async def replay(*arguments: object) -> tuple[int, bytes, bytes]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "streamer", "replay", *map(str, arguments),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, said = await process.communicate()
    return process.returncode or 0, out, said


async def test_records_are_the_lines(kafka: EmbeddedKafka, capture: Path, tmp_path: Path) -> None:
    topic = f"replay-{uuid.uuid4().hex[:8]}"
    ledger_file = tmp_path / "ledger"
    _, lines, _ = await replay(capture)
    to_kafka = ("--kafka", kafka.bootstrap_servers, "--topic", topic)
    code, out, said = await replay(capture, *to_kafka, "--ledger", ledger_file)
    assert (code, out) == (0, b""), said
    assert b"3,000 packets read, 3,000 events out" in said
    partitions = [
        [json.loads(value) for value in values]
        for values in read_all(kafka.bootstrap_servers, topic)
    ]
    documents: list[dict[str, Any]] = sorted(
        itertools.chain(*partitions), key=lambda document: document["event"]["sequence"]
    )
    assert documents == [json.loads(line) for line in lines.splitlines()]
    flows = [
        {document.get("network", {}).get("community_id") for document in partition} - {None}
        for partition in partitions
    ]
    assert sum(map(len, flows)) == len(set.union(*flows)) > 20  # each in one partition
    ledger = json.loads(ledger_file.read_text())
    assert ledger["records"]["acknowledged"] == 3000


def test_no_broker(capture: Path, monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int) -> None:
    monkeypatch.setattr(replay_kafka, "FIRST_ANSWER_S", 0.5)
    settings = load_settings(None, {"kafka": {"bootstrap_servers": f"127.0.0.1:{unused_tcp_port}"}})
    with pytest.raises(DeliveryError, match="Kafka has not answered"):
        command([capture], settings, None)
