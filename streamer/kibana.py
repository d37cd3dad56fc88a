# SPDX-License-Identifier: Apache-2.0
"""Saved objects into Kibana, over its HTTP interface."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import aiohttp
import orjson

from streamer.errors import StreamerError
from streamer.rest import Server

if TYPE_CHECKING:
    from pathlib import Path

Json = dict[str, Any]

OLDEST = (8, 9)  # an older Kibana refuses the objects' versions
CREDENTIALS = "give --user and a password, or an API key"
BASE_PATH = "it listens on port 5601; if it has a base path, that is part of the URL"


@dataclass(frozen=True, slots=True)
class Refusal:
    """One object that Kibana did not import, and why."""

    kind: str
    identity: str
    reason: str


class Kibana:
    """One Kibana, and one of its spaces."""

    def __init__(
        self,
        url: str,
        *,
        space: str = "",
        user: str | None = None,
        password: str | None = None,
        api_key: str | None = None,
        ca_file: Path | None = None,
    ) -> None:
        self._server = Server(
            url,
            such_as="http://localhost:5601",
            # without it Kibana refuses what changes something
            headers={"kbn-xsrf": "streamer"},
            user=user,
            password=password,
            api_key=api_key,
            ca_file=ca_file,
        )
        self._space = space

    async def version(self) -> str:
        """Its version; refuses what is no Kibana, and one that is too old."""
        answer = await self._request("GET", "api/status")
        found = answer.get("version")
        number = found.get("number") if isinstance(found, dict) else None
        if not isinstance(number, str):
            if "status" in answer:  # all that it tells to strangers
                raise self._unusable("wants to know who asks", CREDENTIALS)
            raise self._stranger()
        if tuple(int(part) for part in number.split(".")[:2]) < OLDEST:
            oldest = ".".join(map(str, OLDEST))
            raise self._unusable(
                f"is version {number}", f"the saved objects are for {oldest} and newer"
            )
        return number

    async def import_objects(self, ndjson: str) -> tuple[int, list[Refusal]]:
        """How many it took, and what it refused. Objects with the same ids are replaced."""
        form = aiohttp.FormData()
        form.add_field(
            "file",
            ndjson.encode(),
            filename="streamer.ndjson",
            content_type="application/ndjson",
        )
        space = f"s/{quote(self._space, safe='')}/" if self._space else ""
        path = f"{space}api/saved_objects/_import?overwrite=true"
        answer = await self._request("POST", path, form)
        if not isinstance(answer.get("successCount"), int):
            raise self._stranger()
        return answer["successCount"], [_refusal(error) for error in answer.get("errors", [])]

    async def _request(self, method: str, path: str, body: aiohttp.FormData | None = None) -> Json:
        status, text = await self._server.request(method, path, body)
        try:
            answer = orjson.loads(text)
        except orjson.JSONDecodeError:
            answer = None
        said = answer.get("message", "") if isinstance(answer, dict) else ""
        match status:
            case HTTPStatus.OK if isinstance(answer, dict):
                return answer
            case HTTPStatus.UNAUTHORIZED:
                raise self._unusable("does not accept the credentials", CREDENTIALS)
            case HTTPStatus.FORBIDDEN:
                raise self._unusable(
                    f"does not let this user in: {said}",
                    "importing needs the privilege Saved Objects Management in this space",
                )
            case HTTPStatus.NOT_FOUND if said and self._space:
                raise self._unusable(f"has no space {self._space}: {said}")
            case HTTPStatus.SERVICE_UNAVAILABLE:
                raise self._unusable("is not ready", "it says so while it starts: try again")
        if said:
            raise self._unusable(f"answered {status}: {said}")
        raise self._stranger()

    def _unusable(self, what: str, hint: str | None = None) -> StreamerError:
        return StreamerError(f"Kibana at {self._server.url} {what}", hint)

    def _stranger(self) -> StreamerError:
        return self._server.stranger("Kibana", BASE_PATH)


def _refusal(error: Json) -> Refusal:
    """Why one object was not imported, in a sentence."""
    what = error.get("error", {})
    match what.get("type"):
        case "missing_references":
            absent = ", ".join(f"{one['type']} {one['id']}" for one in what.get("references", []))
            reason = f"it refers to what is not there: {absent}"
        case "conflict" | "ambiguous_conflict":
            reason = "another object has taken its place"
        case "unsupported_type":
            reason = "this Kibana does not know this kind of object"
        case kind:
            reason = str(what.get("message") or kind or "no reason was given")
    return Refusal(str(error.get("type")), str(error.get("id")), reason)
