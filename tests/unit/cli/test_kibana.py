# SPDX-License-Identifier: Apache-2.0
"""`streamer kibana apply` against a server that follows the documented API, and against others.

No real Kibana is to be had here: what it makes of the objects is not tested.
"""

from __future__ import annotations

import base64
import io
import json
from typing import TYPE_CHECKING

import pytest

from streamer.cli import main as program
from streamer.cli.kibana import API_KEY_VARIABLE, PASSWORD_VARIABLE
from streamer.demo.kafka import free_ports
from streamer.schema.kibana.objects import saved_objects
from tests.support.kibana_server import FakeKibana, kibana_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OBJECTS = saved_objects()
KEYS = {(one["type"], one["id"]) for one in OBJECTS}


@pytest.fixture
def kibana() -> Iterator[FakeKibana]:
    with kibana_server(FakeKibana()) as server:
        yield server


class Terminal(io.StringIO):
    """Somebody who types this, or nobody."""

    def __init__(self, typed: str = "", *, tty: bool = True) -> None:
        super().__init__(typed)
        self.isatty = lambda: tty  # type: ignore[method-assign]


def apply(kibana: FakeKibana, *arguments: str, url: str = "") -> int:
    return program.main(["kibana", "apply", "--url", url or kibana.url, *arguments])


def failed(capsys: pytest.CaptureFixture[str], code: int, expected: int = 1) -> str:
    """What is said of a failure: on standard error, without a traceback."""
    assert code == expected
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("streamer: ")
    assert "internal error" not in err
    return err


def test_it_imports_all_objects(kibana: FakeKibana, capsys: pytest.CaptureFixture[str]) -> None:
    assert apply(kibana, "--yes") == 0
    assert list(kibana.imported.values()) == OBJECTS
    out, err = capsys.readouterr()
    assert out == f"{len(OBJECTS)} objects imported into Kibana 8.19.4\n"
    assert err == ""


def test_a_second_time_it_replaces_them(kibana: FakeKibana) -> None:
    assert apply(kibana, "--yes") == 0
    kibana.imported["dashboard", "streamer-tcp"]["attributes"]["title"] = "changed by somebody"
    kibana.imported["dashboard", "of-somebody"] = {"attributes": {"title": "not ours"}}
    assert apply(kibana, "--yes") == 0
    assert kibana.imported.pop(("dashboard", "of-somebody"))
    assert list(kibana.imported.values()) == OBJECTS


def test_a_dry_run_changes_nothing(kibana: FakeKibana, capsys: pytest.CaptureFixture[str]) -> None:
    assert apply(kibana, "--dry-run") == 0
    assert kibana.imported == {}
    lines = capsys.readouterr().out.splitlines()
    assert {tuple(line.split()[:2]) for line in lines[:-1]} == KEYS
    assert lines[-1] == "to be imported into Kibana 8.19.4"


def test_without_either_it_asks(
    kibana: FakeKibana, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "contradict" in failed(capsys, apply(kibana, "--yes", "--dry-run"), 2)
    monkeypatch.setattr("sys.stdin", Terminal(tty=False))
    assert "nobody is here to be asked" in failed(capsys, apply(kibana), 2)
    monkeypatch.setattr("sys.stdin", Terminal("n\n"))
    assert apply(kibana) == 130
    assert kibana.imported == {}
    monkeypatch.setattr("sys.stdin", Terminal("y\n"))
    assert apply(kibana) == 0
    assert kibana.imported.keys() == KEYS


def test_a_space(kibana: FakeKibana, capsys: pytest.CaptureFixture[str]) -> None:
    kibana.spaces = ("default", "net work")
    assert apply(kibana, "--space", "network", "--yes") == 1
    assert "has no space network" in capsys.readouterr().err
    kibana.spaces = ("default", "network")
    assert apply(kibana, "--space", "network", "--yes") == 0
    assert kibana.imported.keys() == KEYS


def test_a_password(
    kibana: FakeKibana,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    kibana.authorization = "Basic " + base64.b64encode("elästic:s3:cret".encode()).decode()
    assert "credentials" in failed(capsys, apply(kibana, "--yes"))
    assert "credentials" in failed(capsys, apply(kibana, "--user", "elästic", "--yes"))
    file = tmp_path / "password"
    file.write_text("s3:cret\n")
    assert apply(kibana, "--user", "elästic", "--password-file", str(file), "--yes") == 0
    monkeypatch.setenv(PASSWORD_VARIABLE, "s3:cret")
    assert apply(kibana, "--user", "elästic", "--yes") == 0
    capsys.readouterr()
    monkeypatch.setenv(PASSWORD_VARIABLE, "wrong")
    err = failed(capsys, apply(kibana, "--user", "elästic", "--yes"))
    assert "credentials" in err
    assert "wrong" not in err


def test_an_api_key(
    kibana: FakeKibana,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    kibana.authorization = "ApiKey a2V5"
    file = tmp_path / "key"
    file.write_text("a2V5\n")
    assert apply(kibana, "--api-key-file", str(file), "--yes") == 0
    monkeypatch.setenv(API_KEY_VARIABLE, "a2V5")
    assert apply(kibana, "--yes") == 0
    capsys.readouterr()
    both = apply(kibana, "--api-key-file", str(file), "--user", "elastic", "--yes")
    assert "contradict" in failed(capsys, both, 2)
    absent = apply(kibana, "--api-key-file", "/absent", "--yes")
    assert "/absent: No such file" in failed(capsys, absent, 2)


def test_each_refused_object_is_named(
    kibana: FakeKibana, capsys: pytest.CaptureFixture[str]
) -> None:
    kibana.kinds -= {"dashboard"}
    kibana.conflicts = {"streamer-packets"}
    assert apply(kibana, "--yes") == 1
    out, err = capsys.readouterr()
    assert f"{len(OBJECTS) - 5} objects imported" in out
    told = err.splitlines()
    assert len(told) == 5
    assert "index-pattern streamer-packets: another object has taken its place" in told[0]
    assert all("dashboard streamer-" in line and "does not know" in line for line in told[1:])


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (
            {"type": "missing_references", "references": [{"type": "search", "id": "x"}]},
            "it refers to what is not there: search x",
        ),
        ({"type": "unknown", "message": "mapping says no", "statusCode": 400}, "mapping says no"),
        ({"type": "of-the-future"}, "of-the-future"),
        ({}, "no reason was given"),
    ],
)
def test_the_reason_of_a_refusal(
    error: dict[str, object],
    says: str,
    kibana: FakeKibana,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answer = {
        "success": False,
        "successCount": 0,
        "errors": [{"type": "dashboard", "id": "d", "error": error}],
    }
    monkeypatch.setattr(kibana, "take", lambda _objects, overwrite: answer)
    assert apply(kibana, "--yes") == 1
    assert capsys.readouterr().err == f"not imported: dashboard d: {says}\n"


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ((200, b"<html>It works!</html>"), "is not Kibana"),
        ((200, b'{"cluster_name":"elasticsearch","version":{"number":"8.19.4"}}'), "is not Kibana"),
        ((200, b'{"version":17}'), "is not Kibana"),
        ((200, b"[]"), "is not Kibana"),
        ((200, b'{"status":{"overall":{"level":"available"}}}'), "who asks"),
        ((200, b'{"version":{"number":"8.8.2"}}'), "8.9 and newer"),
        ((302, b""), "base path"),
        ((403, b'{"message":"no such privilege"}'), "no such privilege"),
        ((404, b"no page here"), "is not Kibana"),
        ((413, b'{"message":"Payload content length greater than maximum"}'), "413: Payload"),
        ((500, b"oops"), "is not Kibana"),
        ((503, b"Kibana server is not ready yet"), "is not ready"),
    ],
)
def test_other_answers(
    answer: tuple[int, bytes],
    says: str,
    kibana: FakeKibana,
    capsys: pytest.CaptureFixture[str],
) -> None:
    kibana.answer = answer
    assert says in failed(capsys, apply(kibana, "--yes"))
    assert kibana.imported == {}


def test_nobody_answers(capsys: pytest.CaptureFixture[str]) -> None:
    (port,) = free_ports("127.0.0.1", 1)
    for url, says, code in (
        (f"http://127.0.0.1:{port}", "Connection refused", 1),
        ("kibana:5601", "no URL", 2),
        ("localhost", "no URL", 2),
        ("ftp://localhost", "no URL", 2),
        ("", "no URL", 2),
    ):
        done = program.main(["kibana", "apply", "--url", url, "--yes"])
        assert says in failed(capsys, done, code)


def test_the_file_is_what_is_imported(kibana: FakeKibana) -> None:
    from tests.support.kibana_objects import read

    assert apply(kibana, "--yes") == 0
    assert json.dumps(list(kibana.imported.values())) == json.dumps(read())
