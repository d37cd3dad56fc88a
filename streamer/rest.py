# SPDX-License-Identifier: Apache-2.0
"""Requests to a reader's HTTP server, and what stands in their way, each in a sentence."""

from __future__ import annotations

import base64
import os
import ssl
from typing import TYPE_CHECKING

import aiohttp

from streamer.errors import StreamerError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

TIMEOUT_S = 30.0
CONNECT_S = 10.0


class NoAnswer(StreamerError):
    """Nothing answered, or something that is not what was asked for."""


class Server:
    """One server, as one user. Each request is a connection of its own."""

    def __init__(
        self,
        url: str,
        *,
        such_as: str,
        headers: Mapping[str, str],
        user: str | None = None,
        password: str | None = None,
        api_key: str | None = None,
        ca_file: Path | None = None,
        timeout_s: float | None = TIMEOUT_S,
    ) -> None:
        self._hint = f"its address is such as {such_as}"
        if "@" in url:
            raise UsageError(
                "a URL with a password shows it to every user of the machine",
                "give the user and the password apart from the URL",
            )
        if not url.startswith(("http://", "https://")):
            raise UsageError(f"{url} is no URL", self._hint)
        self.url = url.rstrip("/")
        self._headers = dict(headers)
        if api_key is not None:
            self._headers["Authorization"] = f"ApiKey {api_key}"
        elif user is not None:
            pair = base64.b64encode(f"{user}:{password or ''}".encode()).decode()
            self._headers["Authorization"] = f"Basic {pair}"
        self._ca_file = ca_file
        self._timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=CONNECT_S)

    @property
    def anonymous(self) -> bool:
        """Neither a user nor an API key was given."""
        return "Authorization" not in self._headers

    async def request(
        self,
        method: str,
        path: str,
        body: bytes | aiohttp.FormData | None = None,
        options: Mapping[str, str] | None = None,
    ) -> tuple[int, bytes]:
        """The status and the body of the answer, whatever they are; no redirect is followed.

        `options` are what the URL has behind its path.
        """
        try:
            async with (
                aiohttp.ClientSession(headers=self._headers, timeout=self._timeout) as session,
                session.request(
                    method,
                    f"{self.url}/{path}",
                    data=body,
                    params=options,
                    ssl=self._tls(),
                    allow_redirects=False,
                ) as response,
            ):
                return response.status, await response.read()
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError):
            raise UsageError(f"{self.url} is no URL", self._hint) from None
        except aiohttp.ClientConnectorCertificateError as error:
            raise StreamerError(
                f"the certificate of {self.url} is not trusted: {_told(error)}",
                "give the authority that signed it: --ca-file FILE",
            ) from None
        except TimeoutError:
            raise NoAnswer(f"{self.url} did not answer in time", self._hint) from None
        except (aiohttp.ClientError, OSError) as error:
            raise NoAnswer(f"no answer from {self.url}: {_told(error)}", self._hint) from None

    def stranger(self, what: str, hint: str | None = None) -> NoAnswer:
        """The error that something else listens there."""
        return NoAnswer(f"what answers at {self.url} is not {what}", hint or self._hint)

    def _tls(self) -> ssl.SSLContext | bool:
        if self._ca_file is None:
            return True
        try:
            return ssl.create_default_context(cafile=str(self._ca_file))
        except (OSError, ssl.SSLError) as error:
            raise StreamerError(f"--ca-file {self._ca_file}: {_told(error)}") from None


def _told(error: BaseException) -> str:
    inner = getattr(error, "os_error", None) or getattr(error, "certificate_error", None) or error
    number = getattr(inner, "errno", None) or 0
    if number > 0 and not isinstance(inner, ssl.SSLError):
        return os.strerror(number)
    return getattr(inner, "strerror", None) or str(inner) or type(inner).__name__
