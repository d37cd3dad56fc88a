# SPDX-License-Identifier: Apache-2.0
"""The demo's name server and its client, read by another implementation of DNS."""

from __future__ import annotations

import pytest
from scapy.layers.dns import DNS, DNSQR

from streamer.demo.lookups import query
from streamer.demo.peer import answer

A, AAAA = 1, 28
NAME_ERROR = 3


@pytest.mark.parametrize("kind", [A, AAAA])
@pytest.mark.parametrize("name", ["server.example", "a.b.c.example"])
def test_a_query_is_what_scapy_would_ask(name: str, kind: int) -> None:
    assert query(77, name, kind) == bytes(DNS(id=77, rd=1, qd=DNSQR(qname=name, qtype=kind)))


@pytest.mark.parametrize(
    ("name", "kind", "addresses", "code"),
    [
        ("server.example", A, ["192.0.2.2"], 0),
        ("SERVER.example", AAAA, ["2001:db8::2"], 0),
        ("client.example", AAAA, [], 0),
        ("nobody.example", A, [], NAME_ERROR),
    ],
)
def test_an_answer_is_one_to_scapy(name: str, kind: int, addresses: list[str], code: int) -> None:
    reply = DNS(answer(query(4711, name, kind)))
    assert (reply.id, reply.qr, reply.rcode) == (4711, 1, code)
    assert reply.qd[0].qname.decode() == f"{name}."
    assert [record.rdata for record in reply.an] == addresses
    assert all(record.rrname.decode() == f"{name}." for record in reply.an)
