# SPDX-License-Identifier: Apache-2.0
"""The doctor finds what is wrong, says the cure, and is never long about it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pybpf import capabilities, features
from pybpf.errors import PermissionDenied
from streamer.cli import main as program
from streamer.cli.checks import kafka as kafka_checks
from streamer.cli.checks import machine, network
from streamer.cli.checks.check import Check, run_checks
from streamer.config import Settings
from streamer.config.load import load
from streamer.errors import CaptureError
from tests.support.requirements import require, skip_unless_others_can_read

if TYPE_CHECKING:
    from collections.abc import Iterator


def settings(**sections: dict[str, Any]) -> Settings:
    return load(None, sections, {}, Path("/absent")).settings


def found(checks: Any, of: Settings) -> dict[str, Check]:
    return {each.name: each for each in run_checks(of, [checks])}


@pytest.fixture
def unprivileged(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the process had no capability."""
    monkeypatch.setattr(capabilities, "effective", frozenset)


def test_a_check_that_breaks_is_a_finding() -> None:
    def broken(_: Settings) -> Iterator[Check]:
        yield Check("first", "ok", "fine")
        raise ZeroDivisionError("by zero")

    def impossible(_: Settings) -> Iterator[Check]:
        raise CaptureError("no", "try another")

    results = list(run_checks(Settings(), [broken, impossible]))
    assert [(each.name, each.status) for each in results] == [
        ("first", "ok"),
        ("broken", "fail"),
        ("impossible", "fail"),
    ]
    assert results[2].cure == "try another"


# --------------------------------------------------------------- the machine
@pytest.mark.parametrize("hook", ["tc", "xdp", "socket"])
@pytest.mark.usefixtures("unprivileged")
def test_missing_privileges_are_named(hook: str) -> None:
    check = found(machine.privileges, settings(capture={"hook": hook}))[
        f"privileges for --hook {hook}"
    ]
    assert check.status == "fail"
    special = "CAP_NET_RAW" if hook == "socket" else "CAP_NET_ADMIN"
    for text in (check.detail, str(check.cure)):
        assert {"CAP_BPF", "CAP_PERFMON", special} <= set(text.replace(",", "").split())


@pytest.mark.parametrize(
    ("hook", "attach", "absent", "status"),
    [
        ("tc", "auto", "ringbuf", "fail"),
        ("tc", "auto", "tcx", "ok"),
        ("tc", "tcx", "tcx", "fail"),
        ("xdp", "auto", "xdp_load_bytes", "warn"),
        ("tc", "auto", "xdp_load_bytes", "ok"),
    ],
)
def test_kernel_features(
    hook: str, attach: str, absent: str, status: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fakes = {
        name: features.Feature(name, name, feature.since_kernel, partial(absent.__ne__, name))
        for name, feature in features.FEATURES.items()
    }
    monkeypatch.setattr(features, "FEATURES", fakes)
    checks = found(machine.kernel, settings(capture={"hook": hook, "tc_attach": attach}))
    assert checks[f"kernel: {absent}"].status == status
    others = [each for name, each in checks.items() if name != f"kernel: {absent}"]
    assert {each.status for each in others} == {"ok"}


def test_features_that_may_not_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def denied() -> bool:
        raise PermissionDenied("asking", frozenset({"CAP_BPF"}))

    fake = features.Feature("ringbuf", "rings", "5.8", denied)
    monkeypatch.setattr(features, "FEATURES", {"ringbuf": fake, "other": fake})
    checks = found(machine.kernel, Settings())
    assert [each.status for each in checks.values()] == ["ok", "warn"]
    assert "CAP_BPF" in checks["kernel features"].detail


def test_memory() -> None:
    assert found(machine.memory, Settings())["memory"].status in {"ok", "warn"}
    huge = found(machine.memory, settings(batch={"memory_bytes": 1 << 50}))["memory"]
    assert huge.status == "fail"
    assert "batch.memory_bytes" in str(huge.cure)


def test_identity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "MACHINE_ID", tmp_path / "machine-id")
    assert found(machine.identity, Settings())["agent.id"].status == "warn"
    assert found(machine.identity, settings(agent={"id": "a"}))["agent.id"].status == "ok"
    (tmp_path / "machine-id").write_text("")  # as in images before their first start
    assert found(machine.identity, Settings())["agent.id"].status == "warn"
    (tmp_path / "machine-id").write_text("7f8a\n")
    assert found(machine.identity, Settings())["agent.id"].status == "ok"


def test_status_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        check = found(machine.status_page, settings(http={"port": port}))[
            f"status page 127.0.0.1:{port}"
        ]
        assert check.status == "warn"
        assert "in use" in check.detail
    assert [
        each.status for each in found(machine.status_page, settings(http={"port": port})).values()
    ] == ["ok"]


# -------------------------------------------------------------- interfaces
def test_interfaces_that_are_not_there() -> None:
    checks = found(network.interfaces, settings(capture={"interfaces": ["lo", "no0", "no*"]}))
    assert checks["interface no0"].status == "fail"
    assert "lo" in str(checks["interface no0"].cure)
    assert checks["interface no*"].status == "warn"
    assert checks["interface lo"].status in {"ok", "warn"}
    assert found(network.interfaces, Settings())["interfaces"].status == "warn"


def test_loopback_has_no_native_xdp() -> None:
    capture = {"interfaces": ["lo"], "hook": "xdp", "xdp_mode": "native"}
    checks = found(network.interfaces, settings(capture=capture))
    assert checks["interface lo"].status in {"fail", "warn"}  # warn: it is down here


@pytest.fixture
def veth() -> Iterator[str]:
    """A namespace with a pair of interfaces, one of them down, one with a foreign filter."""
    require(os.geteuid() == 0, "root, to make a network namespace")
    name = f"clidoc{os.getpid()}"
    enter = f"nsenter --net=/run/netns/{name} --"  # `ip -n` fails where / is no mount (a chroot)
    commands = (
        f"{enter} ip link add cli0 type veth peer name cli1",
        f"{enter} ip link set cli0 up",
        f"{enter} tc qdisc add dev cli0 clsact",
        f"{enter} tc filter add dev cli0 ingress prio 7 protocol all u32 match u32 0 0 classid 1:1",
    )
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        for command in commands:
            subprocess.run(command.split(), check=True, capture_output=True)
        yield f"/run/netns/{name}"
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True)


def test_another_namespace(veth: str) -> None:
    def capture(**more: Any) -> Settings:
        return settings(capture={"netns": Path(veth), "interfaces": ["cli*"], **more})

    checks = found(network.interfaces, capture())
    assert checks["interface cli1"].status == "warn"
    assert checks["interface cli1"].cure == "ip link set cli1 up"
    assert checks["interface cli0"].status == "ok"
    native = found(network.interfaces, capture(hook="xdp"))["interface cli0"]
    assert native.status == "warn"
    assert "--xdp-mode generic" in str(native.cure)
    others = found(network.neighbours, capture())
    assert others["other programs at cli1"].detail == "none"
    told = others["other programs at cli0"]
    assert told.status == "ok"
    assert "clsact ingress" in told.detail
    assert "u32 priority 7" in told.detail


# -------------------------------------------------------------------- Kafka
@contextmanager
def server(answer: bytes | None) -> Iterator[int]:
    """Something that listens: it answers everything with `answer`, or never (None)."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        held = []

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                held.append(connection)
                if answer is not None:
                    connection.recv(1000)
                    connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(10)
        for connection in held:
            connection.close()


def kafka_at(*servers: str, **more: Any) -> dict[str, Check]:
    began = time.monotonic()
    of = settings(kafka={"bootstrap_servers": ",".join(servers), **more})
    checks = found(kafka_checks.kafka, of)
    assert time.monotonic() - began < 8
    return checks


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    check = kafka_at(f"127.0.0.1:{port}")[f"kafka 127.0.0.1:{port}"]
    assert (check.status, check.detail) == ("fail", "connection refused")


def test_not_kafka_and_silence() -> None:
    with server(b"HTTP/1.1 400 Bad Request\r\n\r\n") as web, server(None) as silent:
        checks = kafka_at(f"127.0.0.1:{web}", f"127.0.0.1:{silent}")
    assert {each.status for each in checks.values()} == {"fail"}
    assert "Kafka" in checks[f"kafka 127.0.0.1:{web}"].detail
    assert "no answer" in checks[f"kafka 127.0.0.1:{silent}"].detail


def test_a_name_that_does_not_exist() -> None:
    check = kafka_at("no-such-host.invalid:9092")["kafka no-such-host.invalid:9092"]
    assert check.status == "fail"


def test_kafka_is_not_asked_when_not_used() -> None:
    checks = found(kafka_checks.kafka, settings(output={"file": "-"}))
    assert [each.status for each in checks.values()] == ["ok"]


@pytest.mark.kafka
def test_a_real_broker(kafka: Any) -> None:
    address = kafka.bootstrap_servers
    topic = f"doctor-{os.getpid()}"
    names: dict[str, Any] = {"topic": topic, "stats_topic": "doctor-stats", "partitions": 2}

    checks = kafka_at(address, **names)
    assert {each.status for each in checks.values()} == {"ok"}
    assert "a run creates it with 2 partitions" in checks[f"topic {topic}"].detail
    checks = kafka_at(address, **names)
    assert "absent" in checks[f"topic {topic}"].detail  # asking did not make it

    checks = kafka_at(address, **names, create_topics=False)
    assert checks[f"topic {topic}"].status == "fail"
    checks = kafka_at(address, **names, replication_factor=9)
    assert checks[f"topic {topic}"].status == "fail"
    assert "replication factor of 9" in checks[f"topic {topic}"].detail

    made = ["--create", "--topic", topic, "--partitions", "5"]
    kafka.tool("org.apache.kafka.tools.TopicCommand", "--bootstrap-server", address, *made)
    checks = kafka_at(address, **names)
    assert (checks[f"topic {topic}"].status, checks[f"topic {topic}"].detail) == (
        "ok",
        "5 partitions",
    )
    # One server that does not answer is no failure while another does.
    checks = kafka_at("127.0.0.1:1", address, **names)
    assert checks["kafka 127.0.0.1:1"].status == "warn"
    assert checks[f"topic {topic}"].status == "ok"


# ------------------------------------------------------------- the command
def test_json_and_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    code = program.main(["doctor", "-i", "absent0", "--kafka", "127.0.0.1:1", "--json"])
    answer = json.loads(capsys.readouterr().out)
    assert code == 1
    assert answer["ok"] is False
    assert all(set(each) == {"name", "status", "detail", "cure"} for each in answer["checks"])
    failed = {each["name"] for each in answer["checks"] if each["status"] == "fail"}
    assert {"interface absent0", "kafka 127.0.0.1:1"} <= failed
    for each in answer["checks"]:
        assert each["status"] == "ok" or each["cure"], each


def test_lines(capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["doctor", "-i", "absent0", "--kafka", "127.0.0.1:1"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert all(line.split()[0] in {"ok", "warn", "fail", "->"} for line in lines[:-2] if line)
    assert lines[-1].endswith(" failed")


def test_without_any_privilege() -> None:
    require(os.geteuid() == 0, "root, to drop privileges")
    skip_unless_others_can_read()
    drop = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
    doctor = ["doctor", "-i", "lo", "--kafka", "127.0.0.1:1", "--json"]
    began = time.monotonic()
    done = subprocess.run(
        [*drop, sys.executable, "-B", "-m", "streamer", *doctor],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, "")
    checks = {each["name"]: each for each in json.loads(done.stdout)["checks"]}
    assert checks["privileges for --hook tc"]["status"] == "fail"
    assert "programs" not in checks
    assert time.monotonic() - began < 20
