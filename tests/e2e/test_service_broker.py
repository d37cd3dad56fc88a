# SPDX-License-Identifier: Apache-2.0
"""`streamer run` while the broker is absent, killed, frozen, or something else: capture goes on."""

from __future__ import annotations

import asyncio
import itertools
import socketserver
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from streamer.demo.kafka import free_ports
from tests.support import traffic
from tests.support.kafka import start_or_skip
from tests.support.service import Service, service
from tests.support.topics import assert_gapless, read_topic

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from streamer.demo.kafka import EmbeddedKafka
    from tests.support.netns import VethPair

pytestmark = [pytest.mark.root, pytest.mark.kafka]

BURST = 200


def capture(veth: VethPair) -> list[str]:
    return ["-i", "veth0", "--netns", str(veth.near.path)]


def send_and_see(veth: VethPair, running: Service) -> None:
    """Capture works, whatever the broker does."""
    before = running.seen()
    traffic.send_udp(veth, 6000, BURST)
    assert running.seen() == before + BURST


def until_red(running: Service, reason: str) -> None:
    """Delivery is not ready, and says why; capture is."""
    running.until(
        lambda: reason in running.readiness()[1]["delivery"], f"/readyz to say {reason!r}"
    )
    ready, checks = running.readiness()
    assert not ready
    assert checks["capture"] == "ok"
    assert ("streamer_kafka_up",) in running.metrics()
    assert running.metrics()["streamer_kafka_up",] == 0


@pytest.mark.slow
def test_a_broker_that_is_late_dies_and_freezes(
    veth: VethPair, mortal_kafka: EmbeddedKafka, topic: str, tmp_path: Path
) -> None:
    start_or_skip(mortal_kafka)  # to have an address
    mortal_kafka.kill()
    settings = {"kafka.request_timeout_ms": "1500", "stats.interval_s": "0.5"}
    arguments = ["--kafka", mortal_kafka.bootstrap_servers, "--topic", topic]
    with service(tmp_path, *capture(veth), *arguments, settings=settings) as running:
        running.started()
        until_red(running, "connection refused")
        send_and_see(veth, running)

        asyncio.run(mortal_kafka.start())
        running.until_ready(10)
        send_and_see(veth, running)
        running.until(lambda: running.acknowledged() == 2 * BURST, "both bursts to arrive")

        mortal_kafka.kill()
        send_and_see(veth, running)
        until_red(running, "connection refused")
        send_and_see(veth, running)
        asyncio.run(mortal_kafka.start())
        running.until_ready(10)
        running.until(lambda: running.acknowledged() == 4 * BURST, "the bursts to arrive")

        mortal_kafka.pause()
        send_and_see(veth, running)
        until_red(running, "no answer in time")
        send_and_see(veth, running)
        mortal_kafka.resume()
        running.until_ready(10)
        send_and_see(veth, running)
        assert running.end() == 0, running.text
        ledger = running.ledger()
    assert ledger["records"]["acknowledged"] == ledger["packets"]["seen"] == 7 * BURST
    records = list(itertools.chain(*read_topic(mortal_kafka.bootstrap_servers, topic)))
    assert len(records) == 7 * BURST
    assert_gapless(records)
    said = [(message["log.level"], message["message"]) for message in running.logged()]
    address = f"Kafka at {mortal_kafka.bootstrap_servers} can't be used:"
    refused = ("warning", f"{address} connection refused; retrying")
    no_answer = ("warning", f"{address} no answer in time; retrying")
    bad = [message for message in said if message[0] != "info"]
    assert bad == [refused, refused, no_answer], running.text
    good = [text for level, text in said if level == "info"]
    assert len(good) == 3
    assert all(text.startswith("Kafka can be used again after ") for text in good)


@contextmanager
def not_kafka() -> Iterator[str]:
    """A web server's answer to what is no HTTP."""

    class Refuse(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(1 << 16)
            self.request.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Refuse) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_a_port_that_is_not_kafka(veth: VethPair, tmp_path: Path) -> None:
    settings = {"shutdown.deadline_s": "1"}
    with (
        not_kafka() as address,
        service(tmp_path, *capture(veth), "--kafka", address, settings=settings) as running,
    ):
        running.started()
        until_red(running, "an HTTP server answers there, not Kafka")
        send_and_see(veth, running)
        assert running.end() == 3, running.text
    (warning,) = running.logged()
    assert warning["message"] == (
        f"Kafka at {address} can't be used: an HTTP server answers there, not Kafka; retrying"
    )
    assert running.ledger()["undelivered"] == BURST


def test_a_broker_that_stays_away_leaves_events_undelivered_in_time(
    veth: VethPair, tmp_path: Path
) -> None:
    (port,) = free_ports("127.0.0.1", 1)
    with service(tmp_path, *capture(veth), "--kafka", f"127.0.0.1:{port}") as running:
        running.started()
        send_and_see(veth, running)
        began = time.monotonic()
        assert running.end() == 3, running.text
        assert 5 < time.monotonic() - began < 10  # shutdown.deadline_s
    ledger = running.ledger()
    assert ledger["lost"] == 0
    assert ledger["undelivered"] == ledger["records"]["encoded"] == BURST
    assert f"0 lost, {BURST} left undelivered" in running.said[-1]
    assert "stopping; up to 10 s to deliver what is left (Kafka at" in running.text


@pytest.mark.slow
def test_a_broker_that_freezes_at_the_end(
    veth: VethPair, mortal_kafka: EmbeddedKafka, topic: str, tmp_path: Path
) -> None:
    start_or_skip(mortal_kafka)
    settings = {"shutdown.deadline_s": "2"}
    arguments = ["--kafka", mortal_kafka.bootstrap_servers, "--topic", topic]
    with service(tmp_path, *capture(veth), *arguments, settings=settings) as running:
        running.started()
        send_and_see(veth, running)
        running.until(lambda: running.acknowledged() == BURST, "the burst to arrive")
        mortal_kafka.pause()
        send_and_see(veth, running)
        began = time.monotonic()
        assert running.end() == 3, running.text
        assert time.monotonic() - began < 3
    ledger = running.ledger()
    assert ledger["records"]["acknowledged"] == ledger["undelivered"] == BURST
    mortal_kafka.resume()
