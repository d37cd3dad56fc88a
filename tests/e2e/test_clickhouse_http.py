# SPDX-License-Identifier: Apache-2.0
"""The demo's ClickHouse answers over HTTP as ClickHouse does, to a client that is not ours."""

from __future__ import annotations

import base64
import threading
from contextlib import closing
from http.client import HTTPConnection
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest

from streamer.clickhouse.client import Client, ServerError
from streamer.demo.kafka import free_ports
from streamer.errors import UsageError
from streamer.rest import NoAnswer

if TYPE_CHECKING:
    from streamer.demo.clickhouse import ClickHouse


def ask(
    server: ClickHouse,
    body: str | bytes | None = None,
    *,
    headers: dict[str, str] | None = None,
    path: str = "/",
    options: dict[str, str] | None = None,
) -> tuple[int, str, str | None]:
    """Status, text and exception code of a POST, or a GET without a body."""
    connection = HTTPConnection(server.url.removeprefix("http://"), timeout=30)
    with closing(connection):
        data = body.encode() if isinstance(body, str) else body
        method = "GET" if body is None else "POST"
        connection.request(method, f"{path}?{urlencode(options or {})}", data, headers or {})
        answer = connection.getresponse()
        code = answer.headers["X-ClickHouse-Exception-Code"]
        return answer.status, answer.read().decode(), code


def test_ping(clickhouse: ClickHouse) -> None:
    assert ask(clickhouse, path="/ping") == (200, "Ok.\n", None)


@pytest.mark.parametrize(
    ("body", "options", "expected"),
    [
        (None, {"query": "SELECT 1, 'a'"}, "1\ta\n"),
        ("SELECT 1", {}, "1\n"),
        ("SELECT 1;\n", {}, "1\n"),
        ("SELECT 1 AS n", {"default_format": "JSONEachRow"}, '{"n":1}\n'),
        ("SELECT 1 AS n FORMAT CSVWithNames", {"default_format": "JSON"}, '"n"\n1\n'),
        ("+ 1", {"query": "SELECT 1"}, "2\n"),
        ("SELECT currentDatabase()", {"database": "system"}, "system\n"),
        ("SELECT currentDatabase()", {}, "default\n"),
        ("SELECT {n:UInt8} + 1", {"param_n": "41"}, "42\n"),
        ("SELECT hex({s:String})", {"param_s": r"it's \\ \t"}, "69742773205C2009\n"),
        ("SELECT 'größer'", {}, "größer\n"),
    ],
)
def test_answers(
    clickhouse: ClickHouse, body: str | None, options: dict[str, str], expected: str
) -> None:
    assert ask(clickhouse, body, options=options) == (200, expected, None)


@pytest.mark.parametrize(
    ("body", "options", "status", "code"),
    [
        ("SELEKT 1", {}, 400, "62"),
        ("SELECT 1; SELECT 2", {}, 400, "62"),
        ("", {}, 400, "62"),
        ("SELECT * FROM nowhere", {}, 404, "60"),
        ("SELECT 1", {"database": "nowhere"}, 404, "81"),
        ("SELECT {absent:String}", {}, 500, "456"),
        ("SELECT 1", {"max_threads": "1"}, 501, "48"),
        ("SELECT 1", {"user": "default", "password": "wrong"}, 403, "516"),
        (None, {"query": "CREATE DATABASE no"}, 500, "164"),
        (b"SELECT '\xff'", {}, 501, "48"),
    ],
)
def test_refusals(
    clickhouse: ClickHouse,
    body: str | bytes | None,
    options: dict[str, str],
    status: int,
    code: str,
) -> None:
    got, text, got_code = ask(clickhouse, body, options=options)
    assert (got, got_code) == (status, code)
    assert text.startswith(f"Code: {code}. DB::Exception: ")


def test_a_parameter_is_for_one_request(clickhouse: ClickHouse) -> None:
    assert ask(clickhouse, "SELECT {once:String}", options={"param_once": "a"}) == (
        200,
        "a\n",
        None,
    )
    assert ask(clickhouse, "SELECT {once:String}")[2] == "456"


@pytest.mark.parametrize(("password", "status"), [("", 200), ("wrong", 403)])
def test_basic_authorisation(clickhouse: ClickHouse, password: str, status: int) -> None:
    credentials = base64.b64encode(f"default:{password}".encode()).decode()
    headers = {"Authorization": f"Basic {credentials}"}
    assert ask(clickhouse, "SELECT 1", headers=headers)[0] == status


def test_many_at_once(clickhouse: ClickHouse) -> None:
    found: set[str] = set()
    threads = [
        threading.Thread(target=lambda n=n: found.add(ask(clickhouse, f"SELECT {n}")[1]))
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {f"{n}\n" for n in range(8)}


async def test_our_client(clickhouse: ClickHouse) -> None:
    client = Client(clickhouse.url)
    tricky = "tab\there, line\nthere, 'quote' and \\"
    assert await client.query("SELECT {s:String} AS s", {"s": tricky}) == [{"s": tricky}]
    with pytest.raises(ServerError, match=r"ClickHouse: Code: 60\. .*UNKNOWN_TABLE") as refused:
        await client.query("SELECT * FROM nowhere")
    assert refused.value.code == 60
    with pytest.raises(ServerError, match="Authentication failed"):
        await Client(clickhouse.url, password="wrong").query("SELECT 1")  # noqa: S106


async def test_our_client_with_nobody_there() -> None:
    (port,) = free_ports("127.0.0.1", 1)
    with pytest.raises(
        NoAnswer, match=f"no answer from http://127.0.0.1:{port}: Connection refused"
    ):
        await Client(f"http://127.0.0.1:{port}").query("SELECT 1")
    for wrong in ("localhost", "localhost:8123", "http://", "http://:a"):
        with pytest.raises(UsageError, match="is no URL"):
            await Client(wrong).query("SELECT 1")


async def test_stopped_and_started_again_it_has_its_data(mortal_clickhouse: ClickHouse) -> None:
    await mortal_clickhouse.start()
    await mortal_clickhouse.query(
        "CREATE TABLE default.kept (n UInt8) ENGINE = MergeTree ORDER BY n"
    )
    await mortal_clickhouse.query("INSERT INTO default.kept VALUES (7)")
    await mortal_clickhouse.stop()
    await mortal_clickhouse.start()
    assert await mortal_clickhouse.query("SELECT n FROM default.kept") == [{"n": 7}]
