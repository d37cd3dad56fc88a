# SPDX-License-Identifier: Apache-2.0
"""A real Elasticsearch for the whole run, and a small client of it."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from streamer.demo.kafka import find_java, free_ports
from streamer.demo.processes import Process
from streamer.errors import StreamerError
from tests.support.requirements import others_can_read, require

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

Json = dict[str, Any]

ARTEFACTS = Path(__file__).resolve().parents[2] / "var" / "elasticsearch"
ADDRESS = "127.0.0.1"
START_TIMEOUT_S = 90.0
REQUEST_TIMEOUT_S = 60.0
POLL_S = 0.1
# A server that lives for minutes: no second compiler and no collector threads on the few cores.
JVM_OPTIONS = """\
-Xms1g
-Xmx1g
-XX:+UseSerialGC
-XX:TieredStopAtLevel=1
-Djava.io.tmpdir=${ES_TMPDIR}
"""
# It refuses to run as root: then it runs as nobody, in a folder of nobody's.
NOBODY = 65534
AS_NOBODY = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--")


class Elasticsearch:
    """A client: each method is one request, and what is not a success fails the test."""

    def __init__(self, url: str, headers: Mapping[str, str] | None = None) -> None:
        self.url = url
        self._headers = dict(headers or {})
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def request(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """The status and the answer, whatever they are; a body of bytes is sent as it is."""
        headers = dict(self._headers)
        data: bytes | None = None
        if isinstance(body, bytes):
            data, headers["Content-Type"] = body, "application/x-ndjson"
        elif body is not None:
            data, headers["Content-Type"] = json.dumps(body).encode(), "application/json"
        request = urllib.request.Request(  # noqa: S310 - of the server that the test started
            f"{self.url}/{path.lstrip('/')}", data=data, headers=headers, method=method
        )
        try:
            with self._opener.open(request, timeout=REQUEST_TIMEOUT_S) as answer:
                return answer.status, json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read() or b"null")

    def get(self, path: str) -> Any:
        return self._expect("GET", path, None)

    def put(self, path: str, body: object = None) -> Any:
        return self._expect("PUT", path, body)

    def post(self, path: str, body: object = None) -> Any:
        return self._expect("POST", path, body)

    def delete(self, path: str) -> Any:
        return self._expect("DELETE", path, None)

    def bulk(self, index: str, documents: Iterable[tuple[str | None, Json]]) -> list[Json]:
        """Creates each (id, document); what became of each, in order."""
        lines: list[Json] = []
        for identity, document in documents:
            lines += [{"create": {} if identity is None else {"_id": identity}}, document]
        body = "".join(json.dumps(line) + "\n" for line in lines).encode()
        return [item["create"] for item in self.post(f"{index}/_bulk", body)["items"]]

    def refresh(self, index: str) -> None:
        """Makes what was written visible to searches."""
        self.post(f"{index}/_refresh")

    def search(self, index: str, query: Json | None = None, **body: Any) -> Json:
        """The whole answer; `body` is what else goes beside the query (size, aggs, fields …)."""
        found: Json = self.post(
            f"{index}/_search",
            {"query": query or {"match_all": {}}, "track_total_hits": True, **body},
        )
        assert found["_shards"]["failed"] == 0, found["_shards"]
        return found

    def count(self, index: str, query: Json | None = None) -> int:
        """How many documents match."""
        total: int = self.search(index, query, size=0)["hits"]["total"]["value"]
        return total

    def documents(self, index: str, query: Json | None = None, **body: Any) -> list[Json]:
        """The sources of what matches, the first 1,000 unless `size` says otherwise."""
        hits = self.search(index, query, **{"size": 1000, **body})["hits"]["hits"]
        return [hit["_source"] for hit in hits]

    def _expect(self, method: str, path: str, body: object) -> Any:
        status, answer = self.request(method, path, body)
        assert status < 300, f"{method} {path}: {status} {json.dumps(answer)}"
        return answer


class ElasticsearchServer:
    """Starts and kills one server on a loopback port that was free."""

    def __init__(
        self,
        settings: Mapping[str, object] | None = None,
        files: Mapping[str, str] | None = None,
    ) -> None:
        self._settings = dict(settings or {})
        self._files = dict(files or {})  # beside its configuration
        self._process: Process | None = None
        self._ports: list[int] = []
        self._folder: Path | None = None

    @property
    def url(self) -> str:
        return f"http://{ADDRESS}:{self._ports[0]}"

    @property
    def client(self) -> Elasticsearch:
        return Elasticsearch(self.url)

    def start(self) -> None:
        """Returns when it answers."""
        homes = sorted(ARTEFACTS.glob("elasticsearch-*/"))
        if not homes:
            raise StreamerError(
                f"Elasticsearch is not in {ARTEFACTS}",
                hint="fetch it with: make var/elasticsearch/.complete",
            )
        self._ports = free_ports(ADDRESS, 2)
        # not below pytest's folder, which is closed to other users
        self._folder = folder = Path(tempfile.mkdtemp(prefix="streamer-elasticsearch-"))
        is_root = os.geteuid() == 0
        home = homes[-1]
        if is_root and not others_can_read(home):
            home = shutil.copytree(home, folder / "home")
        configuration, temporary = folder / "config", folder / "tmp"
        configuration.mkdir()
        temporary.mkdir()
        (configuration / "jvm.options").write_text(JVM_OPTIONS)
        log4j = home / "config" / "log4j2.properties"
        (configuration / "log4j2.properties").write_bytes(log4j.read_bytes())
        (configuration / "elasticsearch.yml").write_text(self._configuration(folder))
        for name, text in self._files.items():
            (configuration / name).write_text(text)
        if is_root:
            for path in (folder, *folder.rglob("*")):
                os.chown(path, NOBODY, NOBODY)
        self._process = Process(
            "Elasticsearch",
            [*(AS_NOBODY if is_root else ()), str(home / "bin" / "elasticsearch")],
            log=folder / "elasticsearch.log",
            environment={
                "PATH": os.environ["PATH"],
                "ES_JAVA_HOME": str(find_java().resolve().parents[1]),
                "ES_PATH_CONF": str(configuration),
                "ES_TMPDIR": str(temporary),
            },
        )
        self._wait_until_ready(self._process)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process = None
        if self._folder is not None:
            shutil.rmtree(self._folder)
            self._folder = None

    def _configuration(self, folder: Path) -> str:
        settings: dict[str, object] = {
            "discovery.type": "single-node",
            "network.host": ADDRESS,
            "http.port": self._ports[0],
            "transport.port": self._ports[1],
            "path.data": str(folder / "data"),
            "path.logs": str(folder / "logs"),
            "xpack.security.enabled": False,
            # a disk that is nearly full is no reason for a test to fail
            "cluster.routing.allocation.disk.threshold_enabled": False,
            **self._settings,
        }
        return "".join(f"{key}: {json.dumps(value)}\n" for key, value in settings.items())

    def _wait_until_ready(self, process: Process) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            if process.returncode is not None:
                raise process.failure(f"ended at its start (status {process.returncode})")
            try:
                self.client.request("GET", "_cluster/health")
            except OSError:
                time.sleep(POLL_S)
            else:
                return
        raise process.failure("did not become ready in time")


def start_or_skip(server: ElasticsearchServer) -> None:
    """Starts the server; without Java or the artefacts the test cannot run."""
    try:
        server.start()
    except StreamerError as error:
        server.kill()
        require(False, f"no Elasticsearch: {error} ({error.hint})")


@pytest.fixture(scope="session")
def elasticsearch() -> Iterator[Elasticsearch]:
    """One server for the whole run, without security; use indices of your own."""
    server = ElasticsearchServer()
    start_or_skip(server)
    yield server.client
    server.kill()
