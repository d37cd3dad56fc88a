# SPDX-License-Identifier: Apache-2.0
"""Statements over ClickHouse's HTTP interface, and its answers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import orjson

from streamer.errors import StreamerError
from streamer.rest import NoAnswer, Server

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

OK = 200
AUTHENTICATION_FAILED = 516
CODE = re.compile(r"Code: (\d+)\. DB::Exception: ")


class ServerError(StreamerError):
    """ClickHouse refused a statement; `code` is its own number for the reason."""

    def __init__(self, code: int, said: str, hint: str | None = None) -> None:
        super().__init__(f"ClickHouse: {said}", hint)
        self.code = code


class Client:
    """One server. Each statement is a request of its own: nothing is kept between two."""

    def __init__(
        self, url: str, *, user: str = "default", password: str = "", ca_file: Path | None = None
    ) -> None:
        self._server = Server(
            url,
            such_as="http://localhost:8123",
            headers={},
            user=user,
            password=password,
            ca_file=ca_file,
            timeout_s=None,  # a statement may copy a table
        )
        self.user = user

    @property
    def url(self) -> str:
        return self._server.url

    async def query(
        self, statement: str, parameters: Mapping[str, str] | None = None
    ) -> list[dict[str, Any]]:
        """The rows of one statement; `parameters` are the values of its {name:Type}."""
        options = {"default_format": "JSON"}
        for name, value in (parameters or {}).items():
            options[f"param_{name}"] = escaped(value)
        body = await self._post(statement, options)
        if not body.strip():
            return []
        try:
            rows: list[dict[str, Any]] = orjson.loads(body)["data"]
        except (ValueError, KeyError, TypeError):
            raise self._stranger() from None
        return rows

    async def _post(self, statement: str, options: Mapping[str, str]) -> bytes:
        status, body = await self._server.request("POST", "", statement.encode(), options)
        if status != OK:
            raise self._refusal(body.decode(errors="replace"))
        return body

    def _refusal(self, text: str) -> StreamerError:
        found = CODE.search(text)
        if found is None:
            return self._stranger()
        return ServerError(int(found[1]), text[found.start() :].strip())

    def _stranger(self) -> NoAnswer:
        return self._server.stranger(
            "ClickHouse's HTTP interface",
            "it listens on port 8123, 8443 with TLS; 9000 and 9440 are for clickhouse-client",
        )


def escaped(value: str) -> str:
    """A parameter's value as ClickHouse reads it: as a field of a TSV row."""
    return value.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")
