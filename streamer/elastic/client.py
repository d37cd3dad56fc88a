# SPDX-License-Identifier: Apache-2.0
"""Requests to one Elasticsearch, and what its answers mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from streamer.errors import StreamerError
from streamer.rest import Server

if TYPE_CHECKING:
    from pathlib import Path

OK = range(200, 300)
BAD_REQUEST, UNAUTHORIZED, FORBIDDEN, NOT_FOUND = 400, 401, 403, 404


class ServerError(StreamerError):
    """Elasticsearch refused a request."""


class Client:
    """One server, as one user."""

    def __init__(
        self,
        url: str,
        *,
        user: str | None = None,
        password: str | None = None,
        api_key: str | None = None,
        ca_file: Path | None = None,
    ) -> None:
        self._server = Server(
            url,
            such_as="http://localhost:9200",
            headers={"Content-Type": "application/json"},
            user=user,
            password=password,
            api_key=api_key,
            ca_file=ca_file,
        )

    @property
    def url(self) -> str:
        return self._server.url

    async def get(self, path: str) -> Any:
        """The answer, or None where there is nothing."""
        status, answer = await self._request("GET", path, None)
        return None if status == NOT_FOUND else self._expect_success("GET", path, status, answer)

    async def put(self, path: str, body: object) -> None:
        """Make it so."""
        self._expect_success("PUT", path, *await self._request("PUT", path, body))

    async def try_post(self, path: str, body: object) -> tuple[bool, Any]:
        """Whether the request was found right; a server that can't do what it asks says no."""
        status, answer = await self._request("POST", path, body)
        if status == BAD_REQUEST:
            return False, answer
        return True, self._expect_success("POST", path, status, answer)

    async def _request(self, method: str, path: str, body: object) -> tuple[int, Any]:
        data = None if body is None else orjson.dumps(body)
        status, text = await self._server.request(method, path, data)
        try:
            return status, orjson.loads(text or b"null")
        except orjson.JSONDecodeError:
            if status in {UNAUTHORIZED, FORBIDDEN}:
                return status, None
            raise self.stranger() from None

    def _expect_success(self, method: str, path: str, status: int, answer: Any) -> Any:
        if status in OK:
            return answer
        if status == UNAUTHORIZED:
            if self._server.anonymous:
                raise StreamerError(
                    f"{self.url} wants a user or an API key",
                    "--user NAME with STREAMER_ELASTICSEARCH_PASSWORD, or"
                    " STREAMER_ELASTICSEARCH_API_KEY, in the environment",
                )
            raise StreamerError(f"{self.url} does not know this user, password or API key")
        if status == FORBIDDEN:
            raise StreamerError(
                f"{self.url} does not let this user {method} {path}",
                "it needs the cluster privileges manage_index_templates, manage_ilm and"
                " manage_ingest_pipelines, and view_index_metadata on the data streams",
            )
        raise ServerError(f"{self.url} refused {method} {path}: {reason(answer) or status}")

    def stranger(self) -> StreamerError:
        """The error that something else listens there."""
        return self._server.stranger("Elasticsearch")


def reason(answer: Any) -> str:
    """The innermost reason that an error's answer gives, in one line."""
    error = answer.get("error") if isinstance(answer, dict) else None
    if not isinstance(error, dict):
        return str(error or "")
    while isinstance(error.get("caused_by"), dict):
        error = error["caused_by"]
    return " ".join(str(error.get("reason", "")).split())
