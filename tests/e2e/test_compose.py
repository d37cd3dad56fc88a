# SPDX-License-Identifier: Apache-2.0
"""docker-compose.yml: as docker compose reads it, its broker's settings on a real broker, and the
service streamer as it is there. Other images than ours are not pulled.
"""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from streamer.demo.kafka import EmbeddedKafka, free_ports
from tests.support import traffic
from tests.support.compose import FILE, interpolated, services
from tests.support.docker import Container, require_engine
from tests.support.kafka import start_or_skip
from tests.support.netns import host_interface
from tests.support.topics import read_topic

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PACKETS = 100


def compose(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {"PATH", "HOME", "DOCKER_HOST", "DOCKER_CONFIG"}
    clean = {name: value for name, value in os.environ.items() if name in kept}
    return subprocess.run(
        ["docker", "compose", "--file", str(FILE), *arguments],
        env=clean | environment, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip


def test_compose_reads_it_as_we_do() -> None:
    require_engine(plugin="compose")
    done = compose("--profile", "*", "config", "--format", "json", STREAMER_INTERFACE="eth0")
    assert (done.returncode, done.stderr) == (0, "")
    read: Mapping[str, dict[str, Any]] = json.loads(done.stdout)["services"]
    ours = interpolated(services())
    assert read.keys() == ours.keys()
    for name, service in read.items():
        assert service["image"] == ours[name]["image"]
        assert all(port["host_ip"] == "127.0.0.1" for port in service.get("ports", []))
    assert read["streamer"]["environment"]["STREAMER_CAPTURE__INTERFACES"] == "eth0"
    done = compose("config", "--services", STREAMER_INTERFACE="eth0")
    always = {name for name, service in ours.items() if "profiles" not in service}
    assert set(done.stdout.split()) == always


def test_without_an_interface_nothing_starts() -> None:
    require_engine(plugin="compose")
    done = compose("up", "--detach", "--no-deps", "streamer")
    assert done.returncode != 0
    assert "STREAMER_INTERFACE" in done.stderr
    assert "ip link lists them" in done.stderr


@pytest.fixture
def broker(tmp_path: Path) -> EmbeddedKafka:
    """With the settings of the compose file, at ports that are free; not started."""
    host, network, controller = free_ports("127.0.0.1", 3)
    places = {
        "HOST://:9092": f"HOST://127.0.0.1:{host}",
        "127.0.0.1:9092": f"127.0.0.1:{host}",
        "kafka:29092": f"127.0.0.1:{network}",
        "NETWORK://:29092": f"NETWORK://127.0.0.1:{network}",
        "kafka:9093": f"127.0.0.1:{controller}",
        "CONTROLLER://:9093": f"CONTROLLER://127.0.0.1:{controller}",
        "/var/lib/kafka/data": str(tmp_path / "kafka" / "data"),
    }
    properties = {}
    for name, value in interpolated(services())["kafka"]["environment"].items():
        if name not in ("CLUSTER_ID", "KAFKA_HEAP_OPTS"):
            text = str(value)
            for written, here in places.items():
                text = text.replace(written, here)
            # how the image's start script names properties
            properties[name.removeprefix("KAFKA_").lower().replace("_", ".")] = text
    broker = EmbeddedKafka(tmp_path / "kafka", properties=properties)
    broker.folder.mkdir()
    broker._ports = [host, controller]
    return broker


@pytest.mark.kafka
@pytest.mark.root
@pytest.mark.usefixtures("image")
def test_streamer_to_the_broker_of_the_file(broker: EmbeddedKafka) -> None:
    require_engine(plugin="compose")
    start_or_skip(broker)
    port = broker.bootstrap_servers.partition(":")[2]
    with host_interface() as veth:
        environment = {
            "STREAMER_INTERFACE": veth.interface,
            "KAFKA_PORT": port,
            "COMPOSE_PROJECT_NAME": f"streamer-test-{os.getpid()}",
        }
        try:
            done = compose("up", "--detach", "--no-build", "--no-deps", "streamer", **environment)
            assert done.returncode == 0, done.stderr
            running = Container(compose("ps", "--quiet", "streamer", **environment).stdout.strip())
            running.until_healthy()
            traffic.send_udp(veth, 6000, PACKETS)
            compose("stop", "streamer", **environment)
            records = [
                each for part in read_topic(broker.bootstrap_servers, "packets.v1") for each in part
            ]
            assert len(records) >= PACKETS
            assert running.state()["ExitCode"] == 0, running.said
            assert running.said.rstrip().endswith("unaccounted 0")
        finally:
            compose("down", "--volumes", **environment)
            broker.kill()
