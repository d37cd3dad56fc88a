# SPDX-License-Identifier: Apache-2.0
"""Every end of the program is a documented exit code, and every user's mistake a sentence."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from pybpf.errors import PermissionDenied, PybpfError
from streamer.cli import main as program
from streamer.errors import MissingPrivilege, StreamerError

COMMANDS = [
    "run",
    "tail",
    "replay",
    "demo",
    "config",
    "doctor",
    "health",
    "schema",
    "clickhouse apply",
    "elasticsearch apply",
    "kibana apply",
]
# (typer itself loads pydantic for a command that has a list of values.)
HEAVY = [
    "aiohttp",
    "aiokafka",
    "streamer.config",
    "structlog",
    "pybpf",
    "hotpath",
    "pyroute2",
    "asyncio",
]


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "streamer", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, **environment},
    )


def refused(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 2) -> str:
    """What a wrong command line says: on standard error only, no traceback, that exit code."""
    assert program.main(arguments) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("streamer: ")
    assert "Traceback" not in err
    assert "internal error" not in err
    return err


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_has_examples_and_exit_codes(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main([*command.split(), "--help"]) == 0
    out = capsys.readouterr().out
    assert "Examples" in out
    assert "streamer " in out.partition("Examples")[2]
    if command:
        for code in ("0", "1", "2", "3", "77", "130"):
            assert f"\n  {code} " in out.partition("Exit codes")[2]


def test_help_and_version_load_nothing_heavy() -> None:
    script = (
        "import sys; from streamer.cli.main import main\n"
        "code = main(sys.argv[1:])\n"
        f"print(code, [name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
    )
    for arguments in (["--help"], ["run", "--help"], ["tail", "--help"], ["--version"]):
        done = subprocess.run(
            [sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True
        )
        assert done.stderr == "0 []\n"


def test_version() -> None:
    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
    done = run("--version")
    assert (done.returncode, done.stdout) == (0, f"streamer {project['version']}\n")


def test_without_a_command_it_helps(capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main([]) == 2
    assert "schema" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("runn", "did you mean"),
        ("run --hok tc", "--hok"),
        ("run -i", "requires an argument"),
        ("run extra", "extra"),
        ("run -i lo --hook tcp", '--hook is "tcp", expected one of tc, xdp, socket'),
        ("run -i lo --hook xdp --direction egress", "--direction"),
        ("run -i lo --xdp-mode fast", "one of auto, native, generic"),
        ("run -i lo --kafka a:b", "HOST:PORT"),
        ("run -i lo --topic a/b", "topic's name"),
        ("run -i lo --kafka a:1 --output -", "contradict"),
        ("run -i lo --config /absent.toml", "/absent.toml is missing"),
        ("run -i lo --ledger /absent/ledger.json", "there is no directory /absent"),
        ("run -i lo --ledger /tmp", "is a directory"),
        ("run", "which interface?"),
        ("run -i absent0", "there is no interface absent0"),
        ("clickhouse", "missing command"),
        ("clickhouse apply", "missing option"),
        ("clickhouse apply --url http://a --yes --dry-run", "contradict"),
        ("clickhouse apply --url http://a:b@c --yes", "shows it to every user"),
        ("clickhouse apply --url a:8123 --yes", "is no URL"),
        ("clickhouse apply --url http://a --database a.b", "letters, digits and _"),
        ("elasticsearch", "missing command"),
        ("kibana", "missing command"),
        ("kibana apply", "missing option '--url'"),
        ("elasticsearch apply --url a --yes --dry-run", "contradict"),
        ("elasticsearch apply --url ftp://a --yes", "is no URL"),
        ("replay", "missing argument"),
        ("replay --kafka a:1 --output b c.pcap", "contradict"),
        ("tail --from yesterday", "can't begin at 'yesterday'"),
        ("tail --from -5y", "can't begin at '-5y'"),
        ("tail --count 0", "greater than or equal to 1"),
        ("tail -w prot==53", "did you mean port?"),
        ("tail stats.v1 -w port==53", "stats.v1 has no field 'port'"),
        ("config --config /", "unreadable"),
        ("schema clickhose", "did you mean clickhouse?"),
        ("schema json-schema --topic packets.v2", "did you mean packets.v1?"),
        ("schema", "missing argument"),
    ],
)
def test_wrong_command_lines(arguments: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert says.lower() in refused(capsys, *arguments.split()).lower()


@pytest.mark.parametrize("arguments", [("run",), ("run", "-i", "lo", "-i", "absent0")])
def test_interfaces_are_listed(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    listed = refused(capsys, *arguments).splitlines()[1].split(": ")[1].split(", ")
    assert set(listed) == {path.parent.name for path in Path("/sys/class/net").glob("*/ifindex")}


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (StreamerError("no luck", "try again\nor not"), 1, "streamer: no luck\n  try again\n  or"),
        (MissingPrivilege("CAP_BPF is missing"), 77, "streamer: CAP_BPF is missing\n"),
        (PybpfError("the kernel said no", hint="ask nicely"), 1, "no\n  ask nicely\n"),
        (PermissionDenied("loading", frozenset({"CAP_BPF"})), 77, "CAP_BPF"),
        (OSError(28, "No space left on device", "out"), 1, "streamer: out: No space left"),
        (KeyboardInterrupt(), 130, ""),
        (BrokenPipeError(), 0, ""),
        (ZeroDivisionError("a\nbug"), 1, "internal error: ZeroDivisionError: a bug (test_main.py:"),
    ],
)
def test_how_errors_end(
    error: BaseException,
    code: int,
    says: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("streamer.config.load", fail)
    assert program.main(["config"]) == code
    err = capsys.readouterr().err
    assert says in err
    assert "Traceback" not in err
    assert says or err == ""

    if isinstance(error, ZeroDivisionError):
        assert program.main(["--debug", "config"]) == code
        assert "Traceback" in capsys.readouterr().err


def test_a_reader_that_leaves_is_no_error() -> None:
    """More than a pipe holds, to a reader that takes one byte."""
    script = (
        "import sys, typer; from streamer.cli import main as program\n"
        "def forever():\n"
        "    while True: typer.echo('x' * 65536)\n"
        "program.app.command('forever')(program._quiet_when_unread(forever))\n"
        "sys.exit(program.main(['forever']))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        assert child.stdout.read(1) == b"x"
        child.stdout.close()
        assert child.stderr.read() == b""
        assert child.wait(30) == 0


def test_interrupt() -> None:
    script = (
        "import sys, signal; from streamer.cli import main as program\n"
        "def pause():\n"
        "    print('ready', flush=True); signal.pause()\n"
        "program.app.command('pause')(pause)\n"
        "sys.exit(program.main(['pause']))"
    )
    # a shell starts what it puts into the background with SIGINT ignored, and so all below it
    command = ["env", "--default-signal=INT", sys.executable, "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        assert child.stdout.readline() == b"ready\n"
        child.send_signal(signal.SIGINT)
        assert child.stderr.read() == b""
        assert child.wait(30) == 130


# ---------------------------------------------------------------- config
def test_config_can_be_read_again(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_text('[capture]\ninterfaces = ["veth*", "eth0"]\n[kafka]\nsasl_username = "a\\"b"\n')
    secret = {"STREAMER_KAFKA__SASL_PASSWORD": "geheim", "STREAMER_HTTP__PORT": "1"}
    done = run("config", "--config", str(file), **secret)
    assert done.returncode == 0
    assert "geheim" not in done.stdout
    tree = tomllib.loads(done.stdout)
    assert tree["capture"]["interfaces"] == ["veth*", "eth0"]
    assert tree["kafka"]["sasl_username"] == 'a"b'
    line = next(line for line in done.stdout.splitlines() if line.startswith("port ="))
    assert line.endswith("# STREAMER_HTTP__PORT")

    copy = tmp_path / "b.toml"
    copy.write_text(done.stdout)
    as_json = [
        json.loads(run("config", "--json", "--config", str(path), **secret).stdout)["settings"]
        for path in (file, copy)
    ]
    assert as_json[0] == as_json[1]
    assert "geheim" not in json.dumps(as_json)


def test_config_check_is_quiet(tmp_path: Path) -> None:
    assert run("config", "--check").stdout == ""
    file = tmp_path / "bad.toml"
    file.write_text("[kafka]\ntopik = 1\npartitions = 'x'\n")
    done = run("config", "--check", "--config", str(file))
    assert done.returncode == 2
    assert done.stdout == ""
    assert "did you mean kafka.topic?" in done.stderr
    assert "kafka.partitions" in done.stderr


# ----------------------------------------------------------- what is called
def test_run_gets_its_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen: list[Any] = []

    def app_run(settings: Any, ledger: Any) -> int:
        seen.append((settings, ledger))
        return 3

    module = type(sys)("streamer.app")
    module.__dict__["run"] = app_run
    monkeypatch.setitem(sys.modules, "streamer.app", module)
    ledger = tmp_path / "ledger.json"
    options = "run -i lo -i veth* --hook socket --direction ingress --kafka a:1,b:2 --topic t"
    monkeypatch.setenv("STREAMER_OUTPUT__FILE", "/tmp/x")  # noqa: S108
    assert program.main([*options.split(), "--ledger", str(ledger)]) == 3
    settings, file = seen[0]
    assert file == ledger
    assert settings.capture.interfaces == ("lo", "veth*")
    assert (settings.capture.hook, settings.capture.direction) == ("socket", "ingress")
    assert settings.kafka.servers == ["a:1", "b:2"]
    assert settings.kafka.topic == "t"
    assert settings.output.file is None  # the flag is over the environment


@pytest.mark.parametrize(
    ("options", "file"), [("", "-"), ("--output x.jsonl", "x.jsonl"), ("--kafka a:1", None)]
)
def test_replay_gets_its_settings(
    options: str, file: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []

    def command(files: Any, settings: Any, ledger: Any) -> int:
        seen.append((files, settings, ledger))
        return 0

    monkeypatch.setattr("streamer.replay.command", command, raising=False)
    monkeypatch.setenv("STREAMER_OUTPUT__FILE", "/tmp/y")  # noqa: S108
    assert program.main(["replay", *options.split(), "a.pcap", "b.pcap"]) == 0
    files, settings, _ = seen[0]
    assert [path.name for path in files] == ["a.pcap", "b.pcap"]
    assert settings.output.file == (Path(file) if file else None)


def test_schema() -> None:
    done = run("schema", "json-schema", "--topic", "stats.v1")
    assert done.returncode == 0
    assert "$schema" in json.loads(done.stdout)
