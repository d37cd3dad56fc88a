# SPDX-License-Identifier: Apache-2.0
"""Requests to a reader's server over TLS, as somebody, and to one that sends elsewhere."""

from __future__ import annotations

import ssl
from base64 import b64decode
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from streamer.errors import StreamerError
from streamer.rest import Server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
async def url(certificate: Path) -> AsyncIterator[str]:
    """A server with the tests' own certificate; it tells whom it takes one for."""

    async def whom(request: web.Request) -> web.Response:
        return web.Response(text=request.headers.get("Authorization", "nobody"))

    async def elsewhere(request: web.Request) -> web.Response:
        raise web.HTTPFound("/whom")

    application = web.Application()
    application.router.add_get("/whom", whom)
    application.router.add_get("/elsewhere", elsewhere)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate / "ca.pem", certificate / "key.pem")
    listening = TestServer(application, host="localhost", scheme="https")
    await listening.start_server(ssl=tls)
    yield str(listening.make_url("/"))
    await listening.close()


def server(url: str, **options: object) -> Server:
    return Server(url, such_as="https://localhost", headers={}, **options)  # type: ignore[arg-type]


async def test_an_authority_of_ones_own(url: str, certificate: Path, tmp_path: Path) -> None:
    with pytest.raises(StreamerError, match="not trusted") as refused:
        await server(url).request("GET", "whom")
    assert "--ca-file" in (refused.value.hint or "")
    trusting = server(url, ca_file=certificate / "ca.pem")
    assert await trusting.request("GET", "whom") == (200, b"nobody")
    with pytest.raises(StreamerError, match="--ca-file /absent: No such file"):
        await server(url, ca_file=Path("/absent")).request("GET", "whom")
    (tmp_path / "no.pem").write_text("no certificate")
    with pytest.raises(StreamerError, match=r"--ca-file .*no.pem: "):
        await server(url, ca_file=tmp_path / "no.pem").request("GET", "whom")


async def test_as_somebody(url: str, certificate: Path) -> None:
    ca_file = certificate / "ca.pem"
    named = server(url, ca_file=ca_file, user="elästic", password="s3:cret")  # noqa: S106
    _, said = await named.request("GET", "whom")
    kind, pair = said.decode().split()
    assert (kind, b64decode(pair).decode()) == ("Basic", "elästic:s3:cret")
    keyed = server(url, ca_file=ca_file, api_key="a2V5")
    assert await keyed.request("GET", "whom") == (200, b"ApiKey a2V5")
    assert not keyed.anonymous
    assert server(url).anonymous


async def test_a_redirect_is_an_answer(url: str, certificate: Path) -> None:
    """Following one could give the password to another server."""
    status, _ = await server(url, ca_file=certificate / "ca.pem").request("GET", "elsewhere")
    assert status == 302
