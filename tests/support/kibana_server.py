# SPDX-License-Identifier: Apache-2.0
"""A server that answers as the documentation of Kibana's saved objects API says Kibana does."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

Json = dict[str, Any]
IMPORT = "/api/saved_objects/_import"
POLL_S = 0.01
KINDS = {"index-pattern", "search", "dashboard", "visualization", "lens"}


@dataclass
class FakeKibana:
    """What it is like, and what was imported."""

    version: str = "8.19.4"
    authorization: str = ""
    """The header that it wants; empty: it asks nobody."""
    spaces: tuple[str, ...] = ("default",)
    kinds: set[str] = field(default_factory=lambda: set(KINDS))
    conflicts: set[str] = field(default_factory=set)
    """Ids that other objects have taken."""
    answer: tuple[int, bytes] | None = None
    """The same answer to everything."""
    url: str = ""
    imported: dict[tuple[str, str], Json] = field(default_factory=dict)

    def status(self) -> Json:
        return {"name": "kibana", "version": {"number": self.version, "build_snapshot": False}}

    def take(self, objects: list[Json], *, overwrite: bool) -> Json:
        """The documented answer: nothing is created while there is something to resolve."""
        known = self.imported.keys() | {(one["type"], one["id"]) for one in objects}
        errors, results = [], []
        for one in objects:
            links = [{key: link[key] for key in ("type", "id")} for link in one["references"]]
            missing = [link for link in links if (link["type"], link["id"]) not in known]
            error: Json | None = None
            if one["type"] not in self.kinds:
                error = {"type": "unsupported_type"}
            elif missing:
                error = {"type": "missing_references", "references": missing}
            elif one["id"] in self.conflicts or (
                not overwrite and (one["type"], one["id"]) in self.imported
            ):
                error = {"type": "conflict"}
            about = {"type": one["type"], "id": one["id"], "meta": {}}
            if error is None:
                results.append(about)
            else:
                errors.append(about | {"title": one["attributes"]["title"], "error": error})
        if not errors:
            self.imported |= {(one["type"], one["id"]): one for one in objects}
        answer = {"success": not errors, "successCount": len(results), "successResults": results}
        return answer | ({"errors": errors} if errors else {})


@contextmanager
def kibana_server(kibana: FakeKibana) -> Iterator[FakeKibana]:
    """Answers on a loopback port until the end."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._serve(b"")

        def do_POST(self) -> None:
            self._serve(self.rfile.read(int(self.headers["Content-Length"])))

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the library's name
            """Say nothing."""

        def _serve(self, body: bytes) -> None:
            if kibana.answer is not None:
                self._send(*kibana.answer)
                return
            if kibana.authorization not in {"", self.headers["Authorization"]}:
                self._refuse(401, "Unauthorized", "unable to authenticate")
                return
            url = urlsplit(self.path)
            space, path = "default", url.path
            if path.startswith("/s/"):
                _, _, space, path = path.split("/", 3)
                path = "/" + path
            if space not in kibana.spaces:
                self._refuse(404, "Not Found", f"Saved object [space/{space}] not found")
            elif (self.command, path) == ("GET", "/api/status"):
                self._send(200, json.dumps(kibana.status()).encode())
            elif (self.command, path) == ("POST", IMPORT):
                self._import(body, overwrite=parse_qs(url.query).get("overwrite") == ["true"])
            else:
                self._refuse(404, "Not Found", "Not Found")

        def _import(self, body: bytes, *, overwrite: bool) -> None:
            if "kbn-xsrf" not in self.headers:
                self._refuse(400, "Bad Request", "Request must contain a kbn-xsrf header.")
                return
            head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
            (part,) = message_from_bytes(head + body, policy=default).iter_parts()
            if not str(part.get_filename()).endswith(".ndjson"):
                self._refuse(400, "Bad Request", "Invalid file extension")
                return
            assert part.get_param("name", header="Content-Disposition") == "file"
            objects = [json.loads(line) for line in part.get_content().splitlines()]
            answer = kibana.take(objects, overwrite=overwrite)
            self._send(200, json.dumps(answer).encode())

        def _refuse(self, status: int, error: str, message: str) -> None:
            body = {"statusCode": status, "error": error, "message": message}
            self._send(status, json.dumps(body).encode())

        def _send(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    kibana.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, args=(POLL_S,), daemon=True)
    thread.start()
    try:
        yield kibana
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
