# SPDX-License-Identifier: Apache-2.0
"""`streamer health` says what the status listener says, and exits with it."""

from __future__ import annotations

import json
import socket
import threading
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from streamer.cli import main as program

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGES = {
    "/healthz": (200, {"ok": True, "checks": {"pump": "ok"}}),
    "/readyz": (503, {"ok": False, "checks": {"capture": "ok", "delivery": "no broker answers"}}),
}


class Handler(BaseHTTPRequestHandler):
    def __init__(self, pages: dict[str, tuple[int, object]], *arguments: object) -> None:
        self.pages = pages
        super().__init__(*arguments)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        status, body = self.pages[self.path]
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - its name there
        del format, arguments


@contextmanager
def answering(
    monkeypatch: pytest.MonkeyPatch, pages: dict[str, tuple[int, object]]
) -> Iterator[None]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, pages)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("STREAMER_HTTP__PORT", str(server.server_port))
        yield
        server.shutdown()


def test_each_page(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with answering(monkeypatch, dict(PAGES)):
        assert program.main(["health"]) == 0
        assert capsys.readouterr() == ("pump: ok\n", "")
        assert program.main(["health", "--ready"]) == 1
        assert capsys.readouterr() == ("capture: ok\ndelivery: no broker answers\n", "")
        assert program.main(["health", "--ready", "--json"]) == 1
        assert json.loads(capsys.readouterr().out) == PAGES["/readyz"][1]


def test_nobody_answers(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    monkeypatch.setenv("STREAMER_HTTP__PORT", str(port))
    assert program.main(["health"]) == 1
    assert f"no streamer answers at 127.0.0.1:{port}" in capsys.readouterr().err


@pytest.mark.parametrize("body", [[], {"status": "up"}, {"ok": True, "checks": 1}])
def test_another_program_answers(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], body: object
) -> None:
    with answering(monkeypatch, {"/healthz": (200, body)}):
        assert program.main(["health"]) == 1
    assert "no streamer answers" in capsys.readouterr().err


def test_no_listener(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("STREAMER_HTTP__ENABLED", "false")
    assert program.main(["health"]) == 2
    assert "http.enabled is false" in capsys.readouterr().err
