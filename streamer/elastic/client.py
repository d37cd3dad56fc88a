# SPDX-License-Identifier: Apache-2.0
"""Requests to one Elasticsearch, and what its answers mean."""

from __future__ import annotations

import base64
import os
import ssl
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson

from streamer.errors import StreamerError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

TIMEOUT_S = 30.0
OK = range(200, 300)
BAD_REQUEST, UNAUTHORIZED, FORBIDDEN, NOT_FOUND = 400, 401, 403, 404
URL_HINT = "such as http://localhost:9200"


class ServerError(StreamerError):
    """Elasticsearch refused a request."""


class Client:
    """One server, as one user. Each request is a connection of its own."""

    def __init__(
        self,
        url: str,
        *,
        user: str | None = None,
        password: str | None = None,
        api_key: str | None = None,
        ca_file: Path | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self._headers = {"Content-Type": "application/json"}
        if api_key is not None:
            self._headers["Authorization"] = f"ApiKey {api_key}"
        elif user is not None:
            pair = base64.b64encode(f"{user}:{password or ''}".encode()).decode()
            self._headers["Authorization"] = f"Basic {pair}"
        self._ca_file = ca_file

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
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        try:
            async with (
                aiohttp.ClientSession(headers=self._headers, timeout=timeout) as session,
                session.request(
                    method, f"{self.url}/{path}", data=data, ssl=self._tls()
                ) as response,
            ):
                status, text = response.status, await response.read()
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError):
            raise UsageError(f"{self.url} is no URL", URL_HINT) from None
        except aiohttp.ClientConnectorCertificateError as error:
            raise StreamerError(
                f"the certificate of {self.url} is not trusted: {_told(error)}",
                "give the authority that signed it: --ca-file FILE",
            ) from None
        except TimeoutError:
            raise StreamerError(
                f"{self.url} did not answer within {TIMEOUT_S:g} s", URL_HINT
            ) from None
        except (aiohttp.ClientError, OSError) as error:
            raise StreamerError(f"no answer from {self.url}: {_told(error)}", URL_HINT) from None
        try:
            return status, orjson.loads(text or b"null")
        except orjson.JSONDecodeError:
            if status in {UNAUTHORIZED, FORBIDDEN}:
                return status, None
            raise self.stranger() from None

    def _tls(self) -> ssl.SSLContext | bool:
        if self._ca_file is None:
            return True
        try:
            return ssl.create_default_context(cafile=str(self._ca_file))
        except (OSError, ssl.SSLError) as error:
            raise StreamerError(f"--ca-file {self._ca_file}: {_told(error)}") from None

    def _expect_success(self, method: str, path: str, status: int, answer: Any) -> Any:
        if status in OK:
            return answer
        if status == UNAUTHORIZED:
            if "Authorization" not in self._headers:
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
        return StreamerError(f"what answers at {self.url} is not Elasticsearch", URL_HINT)


def reason(answer: Any) -> str:
    """The innermost reason that an error's answer gives, in one line."""
    error = answer.get("error") if isinstance(answer, dict) else None
    if not isinstance(error, dict):
        return str(error or "")
    while isinstance(error.get("caused_by"), dict):
        error = error["caused_by"]
    return " ".join(str(error.get("reason", "")).split())


def _told(error: BaseException) -> str:
    inner = getattr(error, "os_error", None) or getattr(error, "certificate_error", None) or error
    number = getattr(inner, "errno", None) or 0
    if number > 0 and not isinstance(inner, ssl.SSLError):
        return os.strerror(number)
    return getattr(inner, "strerror", None) or str(inner) or type(inner).__name__
