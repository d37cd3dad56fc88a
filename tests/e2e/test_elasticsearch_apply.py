# SPDX-License-Identifier: Apache-2.0
"""`streamer elasticsearch apply` on a real server, and what may be there already."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.elasticsearch import ElasticsearchServer, start_or_skip

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.elasticsearch import Elasticsearch

STREAM = "logs-streamer.packet-default"
TEMPLATE = "_index_template/logs-streamer.packet"


@pytest.fixture
def bare() -> Iterator[Elasticsearch]:
    """A server that nothing was applied to."""
    server = ElasticsearchServer()
    start_or_skip(server)
    yield server.client
    server.kill()


# of `elasticsearch-users`, for PASSWORD
PASSWORD = "secret-1"  # noqa: S105 - of servers that live for one test
HASH = "$2a$10$Q.UJLBQTvUQws6ncCI1Ox./iXjV4M5uKwVP4uz.nNq.T5kOwI.HAe"
SECURITY = {
    "xpack.security.enabled": True,
    "xpack.security.http.ssl.enabled": False,
    "xpack.security.transport.ssl.enabled": False,
}
USERS = {
    "users": f"lead:{HASH}\nguest:{HASH}\n",
    "users_roles": "superuser:lead\nviewer:guest\n",
}


def streamer(*arguments: str, password: str | None = None) -> tuple[int, str]:
    secret = {} if password is None else {"STREAMER_ELASTICSEARCH_PASSWORD": password}
    done = subprocess.run(
        [sys.executable, "-m", "streamer", "elasticsearch", *arguments],
        env=os.environ | secret, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def put_together(server: Elasticsearch) -> Any:
    return (
        server.get("_index_template")["index_templates"],
        server.get("_component_template")["component_templates"],
    )


def assert_refused(server: Elasticsearch, *told: str) -> None:
    before = put_together(server)
    code, said = streamer("apply", "--url", server.url, "--yes")
    assert code == 1
    for words in told:
        assert words in said
    assert put_together(server) == before


def test_a_server_is_made_ready(bare: Elasticsearch) -> None:
    at = ("--url", bare.url)
    code, said = streamer("apply", *at, "--dry-run")
    assert (code, put_together(bare)) == (0, ([], []))
    assert f"create     {TEMPLATE}" in said
    assert streamer("apply", *at)[0] == 2  # nobody to ask

    code, said = streamer("apply", *at, "--yes")
    assert code == 0, said
    assert "no constant_keyword" in said
    assert "no lifecycle policies" in said
    mine = {"template": {"settings": {"index": {"number_of_replicas": "0"}}}}
    bare.put("_component_template/logs-streamer.packet@custom", mine)

    before = put_together(bare)
    code, said = streamer("apply", *at, "--yes")
    assert (code, put_together(bare)) == (0, before)
    assert "create" not in said
    assert "update" not in said

    (made,) = bare.bulk(STREAM, [("1", {"@timestamp": "2026-11-23T10:00:00.123456789Z"})])
    assert made["status"] == 201
    assert made["_index"].startswith(f".ds-{STREAM}-")
    index = bare.get(made["_index"])[made["_index"]]
    assert index["settings"]["index"]["number_of_replicas"] == "0"
    assert index["mappings"]["dynamic"] == "false"
    assert index["mappings"]["properties"]["@timestamp"]["type"] == "date_nanos"

    changed = bare.get("_component_template/logs-streamer.packet@settings")
    (found,) = changed["component_templates"]
    found["component_template"]["template"]["settings"]["index"]["refresh_interval"] = "1h"
    bare.put("_component_template/logs-streamer.packet@settings", found["component_template"])
    code, said = streamer("apply", *at, "--yes")
    assert code == 0
    assert f"POST {STREAM}/_rollover" in said
    assert put_together(bare) == before


def test_what_stands_in_the_way(bare: Elasticsearch) -> None:
    bare.put(STREAM, {"mappings": {"properties": {"source": {"type": "text"}}}})
    assert_refused(bare, f"{STREAM} is an index, not a data stream", "_reindex")
    bare.delete(STREAM)

    bare.put("kept-elsewhere")
    bare.put(f"kept-elsewhere/_alias/{STREAM}")
    assert_refused(bare, f"{STREAM} is an alias, not a data stream")
    bare.delete(f"kept-elsewhere/_alias/{STREAM}")

    bare.put(TEMPLATE, {"index_patterns": ["mine-*"]})
    assert_refused(bare, f"{TEMPLATE} is there, and not ours")
    bare.delete(TEMPLATE)

    # a data stream cannot be deleted on this server, so this comes last
    wrong = {
        "@timestamp": {"type": "date"},
        "source": {"properties": {"ip": {"type": "text"}, "port": {"type": "long"}}},
        "packet": {"type": "keyword"},
    }
    foreign = {
        "index_patterns": ["logs-*"],
        "priority": 300,
        "data_stream": {},
        "template": {"mappings": {"properties": wrong}},
    }
    bare.put("_index_template/theirs", foreign)
    bare.bulk(STREAM, [(None, {"@timestamp": "2026-11-23T10:00:00Z"})])
    assert_refused(
        bare,
        "the index template theirs (priority 300, logs-*) wins over ours (priority 200)",
        f"the data stream {STREAM} has another mapping: @timestamp is date, expected date_nanos;"
        " source.ip is text, expected ip",
        "packet is keyword, expected object",
    )
    bare.put("_index_template/theirs", foreign | {"priority": 100})
    assert_refused(bare, f"the data stream {STREAM} has another mapping")


def test_users_and_passwords(tmp_path: Path) -> None:
    server = ElasticsearchServer(SECURITY, USERS)
    start_or_skip(server)
    try:
        at = ("apply", "--url", server.url, "--dry-run")
        code, said = streamer(*at, "--user", "lead", password=PASSWORD)
        assert (code, f"create     {TEMPLATE}" in said) == (0, True), said
        secret = tmp_path / "secret"
        secret.write_text(f"{PASSWORD}\n")
        assert streamer(*at, "--user", "lead", "--password-file", str(secret))[0] == 0
        refusals = {
            "wants a user or an API key": streamer(*at),
            "does not know this user, password": streamer(*at, "--user", "lead", password=""),
            "does not let this user GET _index_template": streamer(
                *at, "--user", "guest", password=PASSWORD
            ),
        }
        for told, (code, said) in refusals.items():
            assert (code, told in said) == (1, True), said
    finally:
        server.kill()


def test_no_server(unused_tcp_port: int) -> None:
    url = f"http://127.0.0.1:{unused_tcp_port}"
    code, said = streamer("apply", "--url", url, "--yes")
    assert (code, said.splitlines()[0]) == (
        1,
        f"streamer: no answer from {url}: Connection refused",
    )
