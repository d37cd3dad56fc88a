# SPDX-License-Identifier: Apache-2.0
"""Statements over ClickHouse's HTTP interface, and its answers."""

from __future__ import annotations

import errno
import os
import re
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson

from streamer.errors import StreamerError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

OK = 200
AUTHENTICATION_FAILED = 516
CODE = re.compile(r"Code: (\d+)\. DB::Exception: ")
CONNECT_S = 10.0


class ServerError(StreamerError):
    """ClickHouse refused a statement; `code` is its own number for the reason."""

    def __init__(self, code: int, said: str, hint: str | None = None) -> None:
        super().__init__(f"ClickHouse: {said}", hint)
        self.code = code


class NoAnswer(StreamerError):
    """Nothing that speaks ClickHouse's HTTP interface answered."""


class Client:
    """One server. Each statement is a request of its own: nothing is kept between two."""

    def __init__(self, url: str, *, user: str = "default", password: str = "") -> None:
        if "@" in url:
            raise UsageError(
                "a URL with a password shows it to every user of the machine",
                "give the user and the password apart from the URL",
            )
        if not url.startswith(("http://", "https://")):
            raise UsageError(f"{url} is no URL", "such as http://localhost:8123")
        self.url = url.rstrip("/")
        self.user = user
        self._headers = {"X-ClickHouse-User": user, "X-ClickHouse-Key": password}

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
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S)
        try:
            async with (
                aiohttp.ClientSession(headers=self._headers, timeout=timeout) as session,
                session.post(self.url, params=options, data=statement.encode()) as response,
            ):
                body = await response.read()
        except aiohttp.InvalidURL:
            raise UsageError(f"{self.url} is no URL", "such as http://localhost:8123") from None
        except (aiohttp.ClientError, OSError) as error:
            raise NoAnswer(f"no ClickHouse at {self.url}: {_reason(error)}") from None
        if response.status != OK:
            raise self._refusal(body.decode(errors="replace"))
        return body

    def _refusal(self, text: str) -> StreamerError:
        found = CODE.search(text)
        if found is None:
            return self._stranger()
        return ServerError(int(found[1]), text[found.start() :].strip())

    def _stranger(self) -> NoAnswer:
        return NoAnswer(
            f"what answers at {self.url} is not ClickHouse's HTTP interface",
            "it listens on port 8123, 8443 with TLS; 9000 and 9440 are for clickhouse-client",
        )


def escaped(value: str) -> str:
    """A parameter's value as ClickHouse reads it: as a field of a TSV row."""
    return value.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")


def _reason(error: Exception) -> str:
    inner = getattr(error, "os_error", error)
    number = getattr(inner, "errno", None)
    if isinstance(number, int) and number in errno.errorcode:
        return os.strerror(number)  # asyncio's own words name the address again
    return str(inner) or type(inner).__name__
