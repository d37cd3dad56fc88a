# SPDX-License-Identifier: Apache-2.0
"""The container image: what is in it, and captures with nothing but each mode's privileges."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from streamer.capture.programs import needed_capabilities
from streamer.errors import ExitCode
from tests.support import traffic
from tests.support.docker import container, docker
from tests.support.netns import host_interface
from tests.support.topics import read_topic

if TYPE_CHECKING:
    from streamer.demo.kafka import EmbeddedKafka

pytestmark = [pytest.mark.root, pytest.mark.kafka]

PACKETS = 200
PORT = 6000
GRACE_S = 20
MODES = {
    "tc": {},
    "xdp": {"STREAMER_CAPTURE__XDP_MODE": "generic"},
    "socket": {},
}
COMPILERS = ("gcc", "cc", "c++", "clang", "ld", "as", "make", "cmake", "pip", "curl")


def confined(hook: str, *, lacking: str | None = None) -> list[str]:
    """The options of docker-compose.yml: a read-only root and the mode's capabilities."""
    granted = [name for name in needed_capabilities(hook) if name != lacking]
    options = ["--network", "host", "--read-only", "--cap-drop", "ALL"]
    options += ["--security-opt", "no-new-privileges", "--memory", "512m"]
    for name in granted:
        options += ["--cap-add", name.removeprefix("CAP_")]
    return options


def test_it_has_what_runs_and_nothing_that_builds(image: str) -> None:
    look = "for name in " + " ".join(COMPILERS) + "; do command -v $name; done; exit 0"
    assert docker("run", "--rm", "--entrypoint", "sh", image, "-c", look).stdout == ""
    said = docker("run", "--rm", "--network", "none", image, "--version").stdout
    assert said.startswith("streamer 0.")


def test_without_an_interface_it_says_so(image: str) -> None:
    done = docker("run", "--rm", "--network", "host", image, check=False)
    assert done.returncode == ExitCode.USAGE
    assert done.stderr.startswith("streamer: which interface?")


@pytest.mark.parametrize("hook", MODES)
def test_a_capture(image: str, kafka: EmbeddedKafka, topic: str, hook: str) -> None:
    with host_interface() as veth:
        settings = {
            "STREAMER_CAPTURE__INTERFACES": veth.interface,
            "STREAMER_CAPTURE__HOOK": hook,
            "STREAMER_KAFKA__BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
            "STREAMER_KAFKA__TOPIC": topic,
            **MODES[hook],
        }
        options = confined(hook)
        for name, value in settings.items():
            options += ["--env", f"{name}={value}"]
        options += ["--health-interval", "1s"]
        with container(image, options) as running:
            running.until_healthy()
            traffic.send_udp(veth, PORT, PACKETS)
            assert running.stop(GRACE_S) == 0, running.said
            assert running.said.rstrip().endswith("unaccounted 0")
    documents = [
        record.document
        for partition in read_topic(kafka.bootstrap_servers, topic)
        for record in partition
    ]
    # The host's stack says a word of its own on a new interface.
    ours = [each for each in documents if each.get("destination", {}).get("port") == PORT]
    assert len(ours) == PACKETS


@pytest.mark.parametrize("hook", MODES)
def test_one_capability_fewer(image: str, hook: str) -> None:
    for lacking in needed_capabilities(hook):
        command = ["run", "-i", "lo", "--hook", hook, "-o", "/dev/null"]
        done = docker("run", "--rm", *confined(hook, lacking=lacking), image, *command, check=False)
        assert done.returncode == ExitCode.MISSING_PRIVILEGE, done.stderr
        assert f"{lacking} is missing" in done.stderr
