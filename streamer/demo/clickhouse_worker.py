# SPDX-License-Identifier: Apache-2.0
"""ClickHouse in a process of its own: `python -m streamer.demo.clickhouse_worker FOLDER PORT`.

chDB behind the part of ClickHouse's HTTP interface that clients use: POST and GET with `query`,
`default_format`, `database` and `param_NAME`, errors as ClickHouse words them, and /ping. One
user, `default`, with the password of the variable CLICKHOUSE_PASSWORD. Settings in the URL are
refused: chDB would keep them for the next request. Ends on SIGTERM, with the consumers having left
their group.
"""

from __future__ import annotations

import base64
import os
import re
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from chdb import session

if TYPE_CHECKING:
    from types import FrameType

HOST = "127.0.0.1"
CODE = re.compile(r"Code: (\d+)\. ")
SUBSTITUTION = re.compile(r"\{\s*(\w+)\s*:")
READS = ("SELECT", "WITH", "SHOW", "DESCRIBE", "DESC", "EXISTS", "EXPLAIN")
SYNTAX_ERROR, UNKNOWN_TABLE, UNKNOWN_DATABASE, NOT_IMPLEMENTED = 62, 60, 81, 48
READONLY, UNKNOWN_PARAMETER, AUTHENTICATION_FAILED = 164, 456, 516
STATUS = {
    SYNTAX_ERROR: 400,
    AUTHENTICATION_FAILED: 403,
    UNKNOWN_TABLE: 404,
    UNKNOWN_DATABASE: 404,
    NOT_IMPLEMENTED: 501,
}


class Refused(Exception):
    """An answer in ClickHouse's form: its code, and its words."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        found = CODE.match(text)
        self.code = int(found[1]) if found else 0


class Database:
    """One chDB session. Its statements run one after the other, in a thread of their own."""

    def __init__(self, folder: Path) -> None:
        self._thread = ThreadPoolExecutor(1)
        self._session = self._thread.submit(session.Session, str(folder)).result()
        self._given: set[str] = set()

    def ask(self, statement: str, options: dict[str, str]) -> bytes:
        """The answer to one request."""
        return self._thread.submit(self._ask, statement, options).result()

    def close(self) -> None:
        """End what runs, and leave the consumer groups."""
        self._thread.submit(self._session.close).result()
        self._thread.shutdown()

    def _ask(self, statement: str, options: dict[str, str]) -> bytes:
        self._query(f"SELECT formatQuerySingleLine({_literal(statement)})")  # one, and whole
        self._query(f"USE `{options.get('database', 'default')}`")
        self._substitute(statement, options)
        return self._query(statement, options.get("default_format", "TabSeparated"))

    def _substitute(self, statement: str, options: dict[str, str]) -> None:
        """Set the parameters; what an earlier request set can't be unset, but is not for this."""
        given = {name: v for name, v in options.items() if name.startswith("param_")}
        for name, value in given.items():
            self._query(f"SET {name} = {_literal(value)}")
        self._given.update(given)
        for name in SUBSTITUTION.findall(statement):
            if f"param_{name}" in self._given - given.keys():
                raise Refused(_error(UNKNOWN_PARAMETER, f"Substitution `{name}` is not set."))

    def _query(self, statement: str, form: str = "TabSeparated") -> bytes:
        try:
            return bytes(self._session.query(statement, form).bytes())
        except RuntimeError as error:
            raise Refused(str(error)) from None


class Server(ThreadingHTTPServer):
    """Takes any number of connections for the one database."""

    daemon_threads = True

    def __init__(self, port: int, database: Database) -> None:
        super().__init__((HOST, port), Requests)
        self.database = database


class Requests(BaseHTTPRequestHandler):
    """Requests of one connection."""

    protocol_version = "HTTP/1.1"
    server: Server  # pyright: ignore[reportIncompatibleVariableOverride] # what it is here

    def do_GET(self) -> None:
        if urlsplit(self.path).path == "/ping":
            self._answer(200, b"Ok.\n")
        else:
            self._run(b"", writes=False)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._run(body, writes=True)

    def _run(self, body: bytes, *, writes: bool) -> None:
        options = dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))
        try:
            statement = "\n".join(filter(None, (options.pop("query", ""), _text(body))))
            self._check(statement, options, writes=writes)
            self._answer(200, self.server.database.ask(statement, options))
        except Refused as refused:
            self._answer(STATUS.get(refused.code, 500), f"{refused}\n".encode(), refused.code)

    def _check(self, statement: str, options: dict[str, str], *, writes: bool) -> None:
        user, password = self._credentials(options)
        if (user, password) != ("default", os.environ.get("CLICKHOUSE_PASSWORD", "")):
            said = "Authentication failed: password is incorrect, or there is no user with such"
            raise Refused(_error(AUTHENTICATION_FAILED, f"{user}: {said} name."))
        if not writes and not statement.lstrip(" \n(").upper().startswith(READS):
            raise Refused(_error(READONLY, "Cannot execute query in readonly mode."))
        for name in options:
            if name not in {"database", "default_format"} and not name.startswith("param_"):
                raise Refused(_error(NOT_IMPLEMENTED, f"{name} in the URL: not in this ClickHouse"))

    def _credentials(self, options: dict[str, str]) -> tuple[str, str]:
        kind, _, encoded = self.headers.get("Authorization", "").partition(" ")
        if kind.lower() == "basic":
            user, _, password = base64.b64decode(encoded).decode().partition(":")
            return user, password
        user = options.pop("user", self.headers.get("X-ClickHouse-User", "default"))
        return user, options.pop("password", self.headers.get("X-ClickHouse-Key", ""))

    def _answer(self, status: int, body: bytes, code: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=UTF-8")
        self.send_header("Content-Length", str(len(body)))
        if code is not None:
            self.send_header("X-ClickHouse-Exception-Code", str(code))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the library's name
        """Say nothing."""


def main() -> None:
    """Answer until SIGTERM."""
    folder, port = Path(sys.argv[1]), int(sys.argv[2])
    signal.signal(signal.SIGTERM, _end)
    database = Database(folder)
    try:
        with Server(port, database) as server:
            server.serve_forever()
    finally:
        database.close()


def _end(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise SystemExit(0)


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise Refused(_error(NOT_IMPLEMENTED, "a body that is not UTF-8")) from None


def _error(code: int, said: str) -> str:
    return f"Code: {code}. DB::Exception: {said}"


def _literal(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


if __name__ == "__main__":
    main()
