# SPDX-License-Identifier: Apache-2.0
"""rsyslog as a reader: bad records go aside and are counted; it may stop, go on and start twice."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from streamer.schema import STATS
from tests.support.search import Ingest, into_search, until

if TYPE_CHECKING:
    from pathlib import Path

    from streamer.demo.kafka import EmbeddedKafka
    from tests.support.elasticsearch import Elasticsearch

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


def event(number: int, **fields: Any) -> dict[str, Any]:
    return {
        "@timestamp": f"2026-11-23T10:00:00.{number:09}Z",
        "event": {"sequence": number},
        "agent": {"id": "q3Zx0bTtW1aY", "ephemeral_id": "tests"},
        "source": {"ip": "192.0.2.1", "port": number % 65536},
        "packet": {"hook": "tc", "length": 60},
        **fields,
    }


UNREADABLE = [
    b"not json",
    b"\x00\x01\x02",
    b"[1,2]",
    b'"text"',
    json.dumps(event(1)).encode() + b" junk",
    json.dumps(event(1)).encode()[:-1],
    json.dumps(event(1), indent=1).encode(),
    json.dumps(event(1, note="x" * 200_000)).encode(),
]
WITHOUT_IDENTITY = [
    b"{}",
    b'{"user":"alice","action":"login"}',
    json.dumps(event(1, event={})).encode(),
    json.dumps(event(1, agent={"id": "q3Zx0bTtW1aY"})).encode(),
]
REFUSED = {
    "[@timestamp]": event(1, **{"@timestamp": "yesterday"}),
    "[source.port]": event(2, source={"port": "https"}),
    "[source.ip]": event(3, source={"ip": "300.1.1.1"}),
    "[packet]": event(4, packet="a text"),
    "[packet.length]": event(5, packet={"length": 2**63}),
    "timestamp field [@timestamp] is missing": {
        name: value for name, value in event(6).items() if name != "@timestamp"
    },
}


def test_what_is_good_arrives_and_what_is_bad_goes_aside(
    kafka: EmbeddedKafka, search_server: Elasticsearch, tmp_path: Path
) -> None:
    good = [event(number) for number in range(1000, 1100)]
    odd = event(1100, later={"field": [{"that": "nobody knows yet"}], "text": 'é\n"\U0001f600'})
    invalid_utf8 = json.dumps(event(7, note="?")).encode().replace(b"?", b"\xff\xfe")
    ingest = Ingest(kafka, search_server, tmp_path)
    bad: list[bytes | dict[str, Any]] = [*UNREADABLE, *WITHOUT_IDENTITY, invalid_utf8]
    bad += REFUSED.values()
    ingest.send([*good[:50], *bad, *good[50:], odd])
    with ingest.running() as rsyslog:
        ingest.wait_for(len(good) + 1)
        until(lambda: len(rsyslog.aside()) >= len(bad))
        until(lambda: sum(rsyslog.aside_by_kind().values()) >= len(bad))
        aside, counted = rsyslog.aside(), rsyslog.aside_by_kind()
    assert counted == {
        "no_json_object": len(UNREADABLE),
        "no_identity": len(WITHOUT_IDENTITY),
        "document_parsing_exception": len(REFUSED) + 1,
    }
    assert ingest.found() == len(good) + 1
    found = search_server.documents(ingest.stream, {"term": {"event.sequence": 1100}})
    assert found == [odd]
    assert {record["stream"] for record in aside} == {ingest.stream}
    reasons = {record["record"]: record["reason"] for record in aside}
    for expected, document in REFUSED.items():
        assert expected in reasons[json.dumps(document)]
    assert "not json" in reasons
    assert any("UTF-8" in reason for reason in reasons.values())


def test_a_reader_that_stops_goes_on_where_it_was(
    kafka: EmbeddedKafka, search_server: Elasticsearch, tmp_path: Path
) -> None:
    ingest = Ingest(kafka, search_server, tmp_path)
    ingest.send(event(number) for number in range(1000))
    with ingest.running() as rsyslog:
        ingest.wait_for(1000)
        rsyslog.stop()
    ingest.send(event(number) for number in range(1000, 1100))
    with ingest.running() as rsyslog:
        ingest.wait_for(1100)
        assert rsyslog.aside() == []
    assert ingest.found() == 1100


def test_a_reader_that_stops_in_a_backlog_goes_back(
    kafka: EmbeddedKafka, search_server: Elasticsearch, tmp_path: Path
) -> None:
    """As docs/elasticsearch.md says, with Kafka's own tool."""
    ingest = Ingest(kafka, search_server, tmp_path)
    total, began = 60_000, datetime.now(UTC)
    ingest.send(event(number) for number in range(total))
    with ingest.running() as rsyslog:
        ingest.wait_for(1)
        rsyslog.stop()  # how much of the backlog that loses depends on the machine's speed
    ingest.go_back(to=began)
    with ingest.running() as rsyslog:
        ingest.wait_for(total)
        assert rsyslog.aside() == []
    assert ingest.found() == total


def test_one_document_an_event_within_a_backing_index(
    kafka: EmbeddedKafka, search_server: Elasticsearch, tmp_path: Path
) -> None:
    ingest = Ingest(kafka, search_server, tmp_path)
    ingest.send([event(1), event(1), event(2)])
    with ingest.running() as rsyslog:
        until(lambda: rsyslog.count("omelasticsearch", "response.duplicate") == 1)
        assert ingest.found() == 2
        search_server.post(f"{ingest.stream}/_rollover")
        ingest.send([event(1), event(3)])
        ingest.wait_for(4)  # as docs/elasticsearch.md says: event 1 is there twice now
    twice = search_server.search(ingest.stream, {"term": {"event.sequence": 1}})["hits"]["hits"]
    assert len({hit["_id"] for hit in twice}) == 1
    assert len({hit["_index"] for hit in twice}) == 2


def test_two_readers_share_the_topic(
    kafka: EmbeddedKafka, search_server: Elasticsearch, tmp_path: Path
) -> None:
    ingest = Ingest(kafka, search_server, tmp_path)
    with (
        ingest.running(folder="one") as one,
        ingest.running(folder="two") as two,
    ):
        ingest.send(event(number) for number in range(5000))
        ingest.wait_for(5000)
        assert one.aside() == two.aside() == []
    assert ingest.found() == 5000


def test_the_ledger_is_found(
    kafka: EmbeddedKafka, search_server: Elasticsearch, tmp_path: Path
) -> None:
    ledger: dict[str, Any] = {
        "records": {"rejected": {"bad_length": 3}, "acknowledged": 2**63 - 1},
        "packets": {"dropped": {"ring_full": 7}},
    }
    document = event(0, host={"name": "alpha"}, ledger=ledger)
    stream = into_search(kafka, search_server, tmp_path, [document], STATS.name)
    for name, value in {
        "ledger.records.rejected.bad_length": 3,
        "ledger.records.acknowledged": 2**63 - 1,
        "ledger.packets.dropped.ring_full": 7,
        "host.name": "alpha",
    }.items():
        assert search_server.count(stream, {"term": {name: value}}) == 1, name
