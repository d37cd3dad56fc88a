# SPDX-License-Identifier: Apache-2.0
"""Texts inside a document: times, addresses, names and constants; and the bound on its length."""

from __future__ import annotations

import socket
from ipaddress import IPv6Address, ip_address
from typing import Any

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hotpath.json_encoder import MAX_DOCUMENT_BYTES, EventEncoder
from streamer.schema import constants
from tests.support import reference_document as reference
from tests.support.reference_document import Record

INT64 = 2**63
ALL_FLAGS = reference.HAS_MAC | reference.HAS_VLAN | reference.HAS_INNER_VLAN | reference.HAS_PORTS


def new_encoder(**changes: Any) -> EventEncoder:
    constant = {"agent_id": "5f0c2a4e", "ephemeral_id": "q3Zx0bTtW1aY", "flow_cache_bytes": 1 << 16}
    return EventEncoder(**{**constant, **changes})


def encode(
    encoder: EventEncoder, record: Record | None = None, utc_offset_ns: int = 0, **fields: Any
) -> dict[str, Any]:
    record = (record or Record())._replace(**fields)
    text = encoder.encode(record.pack(), utc_offset_ns=utc_offset_ns, sequence=7)
    document: dict[str, Any] = orjson.loads(text)
    assert orjson.dumps(document) == text
    return document


# ------------------------------------------------------------------ time
@pytest.mark.parametrize(
    ("utc_ns", "expected"),
    [
        (0, "1970-01-01T00:00:00.000000000Z"),
        (-1, "1969-12-31T23:59:59.999999999Z"),
        (951_782_399 * 10**9, "2000-02-28T23:59:59.000000000Z"),
        (951_782_400 * 10**9, "2000-02-29T00:00:00.000000000Z"),
        (951_868_800 * 10**9 - 1, "2000-02-29T23:59:59.999999999Z"),
        (951_868_800 * 10**9, "2000-03-01T00:00:00.000000000Z"),
        (1_709_164_800 * 10**9, "2024-02-29T00:00:00.000000000Z"),
        (1_735_689_600 * 10**9 - 1, "2024-12-31T23:59:59.999999999Z"),
        (1_735_689_600 * 10**9, "2025-01-01T00:00:00.000000000Z"),
        (4_107_542_400 * 10**9 - 1, "2100-02-28T23:59:59.999999999Z"),
        (4_107_542_400 * 10**9, "2100-03-01T00:00:00.000000000Z"),
        (INT64 - 1, "2262-04-11T23:47:16.854775807Z"),
        (-INT64, "1677-09-21T00:12:43.145224192Z"),
    ],
)
def test_known_times(utc_ns: int, expected: str) -> None:
    assert encode(new_encoder(), utc_offset_ns=utc_ns)["@timestamp"] == expected
    assert reference.time_text(utc_ns) == expected


@settings(deadline=None)
@given(
    times=st.lists(
        st.integers(-INT64, INT64 - 1)
        | st.integers(-3, 3).map(lambda ns: 1_735_689_600 * 10**9 + ns)
        | st.integers(0, 3).map(lambda seconds: seconds * 10**9 - 1),
        max_size=10,
    )
)
def test_times_in_any_order(times: list[int]) -> None:
    encoder = new_encoder()
    for utc_ns in times:
        document = encode(encoder, utc_offset_ns=utc_ns)
        assert document["@timestamp"] == reference.time_text(utc_ns)


@given(
    timestamp_ns=st.integers(0, INT64 - 1),
    utc_ns=st.integers(0, INT64 - 1),
)
def test_the_offset_is_added(timestamp_ns: int, utc_ns: int) -> None:
    document = encode(new_encoder(), timestamp_ns=timestamp_ns, utc_offset_ns=utc_ns - timestamp_ns)
    assert document["@timestamp"] == reference.time_text(utc_ns)


# ------------------------------------------------------------------ addresses
def ipv6_text(packed: bytes) -> str:
    text: str = encode(new_encoder(), network=reference.IPV6, source_ip=packed)["source"]["ip"]
    return text


@pytest.mark.parametrize(
    "text",  # as RFC 5952 gives them
    [
        "2001:db8::1",
        "2001:db8:0:1:1:1:1:1",
        "2001:db8::1:0:0:1",
        "2001:0:0:1::1",
        "2001:db8::aaaa:0:0:1",
        "2001:db8:aaaa:bbbb:cccc:dddd:eeee:aaaa",
        "::ffff:192.0.2.1",
        "::",
        "::1",
        "1::",
        "::2:3:4:5:6:7:8",
        "1:2:3:4:5:6::",
        "0:2:3:4:5:6:7:8",
        "1:2:3:4:5:6:7:0",
    ],
)
def test_rfc_5952(text: str) -> None:
    # Two groups of zeros are shortened, one is not.
    packed = socket.inet_pton(socket.AF_INET6, text)
    expected = text.replace("::2:3", "0:2:3") if text.startswith("::2:3") else text
    assert ipv6_text(packed) == expected


groups = st.sampled_from((b"\0\0", b"\0\1", b"\0\x0f", b"\x0f\0", b"\xff\xff")) | st.binary(
    min_size=2, max_size=2
)


@settings(max_examples=500, deadline=None)
@given(packed=st.lists(groups, min_size=8, max_size=8).map(b"".join))
@example(bytes(16))
def test_ipv6_as_two_libraries_write_it(packed: bytes) -> None:
    text = ipv6_text(packed)
    address = IPv6Address(packed)
    assert IPv6Address(text) == address
    if address.ipv4_mapped is None:
        assert text == str(address)
    if any(packed[:12]):  # glibc writes the forgotten IPv4-compatible form with dots, too
        assert text == socket.inet_ntop(socket.AF_INET6, packed)


@given(address=st.ip_addresses(v=4), network=st.sampled_from((reference.IPV4, reference.ARP)))
def test_ipv4(address: Any, network: int) -> None:
    mapped = bytes(10) + b"\xff\xff" + address.packed
    document = encode(new_encoder(), network=network, destination_ip=mapped)
    assert ip_address(document["destination"]["ip"]) == address
    assert document["destination"]["ip"] == str(address)


# ------------------------------------------------------------------ interfaces
def interface_of(encoder: EventEncoder, ifindex: int = 2) -> str | None:
    document = encode(encoder, ifindex=ifindex, direction=1)
    if "observer" not in document:
        return None
    name: str = document["observer"]["ingress"]["interface"]["name"]
    return name


def test_a_renamed_interface_has_its_new_name_at_once() -> None:
    encoder = new_encoder()
    assert interface_of(encoder) is None
    for name in ("eth0", "lan0", "eth0"):
        encoder.set_interface(2, name)
        assert interface_of(encoder) == name
    encoder.set_interface(2, "")
    assert interface_of(encoder) is None


def test_a_name_that_stays_leaves_the_cache_alone() -> None:
    encoder = new_encoder()
    encoder.set_interface(2, "eth0")
    interface_of(encoder)
    encoder.set_interface(2, "eth0")
    encoder.set_interface(9, "")
    interface_of(encoder)
    assert (encoder.cache_info().misses, encoder.cache_info().hits) == (1, 1)


@given(changes=st.lists(st.tuples(st.integers(0, 60), st.sampled_from(("", "a", "b", "eth0")))))
def test_names_against_a_dict(changes: list[tuple[int, str]]) -> None:
    encoder, names = new_encoder(), dict[int, str]()
    for ifindex, name in changes:
        encoder.set_interface(ifindex, name)
        names[ifindex] = name
    for ifindex in range(61):
        assert interface_of(encoder, ifindex) == (names.get(ifindex) or None)


@given(name=st.binary(min_size=1, max_size=15))
@example(b'"' * 15)
@example(b"\\" * 15)
@example(b"\x01" * 15)
@example(b"\xff" * 15)
@example("größe-äöü".encode())
@example(b"\x7f\xc2\x80\xe2\x80\xa8")
def test_any_bytes_are_a_name(name: bytes) -> None:
    encoder = new_encoder()
    encoder.set_interface(2, name)
    record = Record(ifindex=2, direction=1)
    assert (
        interface_of(encoder)
        == reference.observer_object(record, {2: name})["ingress"]["interface"]["name"]
    )
    encoder.set_interface(2, "x")
    encoder.set_interface(2, name.decode("utf-8", "surrogateescape"))
    assert (
        interface_of(encoder)
        == reference.observer_object(record, {2: name})["ingress"]["interface"]["name"]
    )


def test_names_longer_than_the_kernels_are_refused() -> None:
    with pytest.raises(ValueError, match="15 bytes"):
        new_encoder().set_interface(2, "x" * 16)


# ------------------------------------------------------------------ constants
def test_constants_stand_where_they_belong() -> None:
    encoder = new_encoder(
        host_name='al"pha\n',
        constants=b'"ecs": {"version": "9.0.0"}, "labels": {"site": "M\xc3\xbcnchen"}',
        event_constants=b'"kind": "event", "category": ["network"]',
    )
    document = encode(encoder)
    assert document["event"] == {"sequence": 7, "kind": "event", "category": ["network"]}
    assert document["host"] == {"name": 'al"pha\n'}
    assert document["ecs"] == {"version": "9.0.0"}
    assert document["labels"] == {"site": "München"}


@pytest.mark.parametrize("host_name", [None, ""])
def test_without_a_host_name_there_is_no_host(host_name: str | None) -> None:
    assert "host" not in encode(new_encoder(host_name=host_name))


@pytest.mark.parametrize(
    "changes",
    [
        {"constants": b'"network": {}'},
        {"constants": b'"@timestamp": 1'},
        {"constants": b'"a": 1, "a": 2'},
        {"constants": b'"a": {"b": 1, "b": 2}'},
        {"constants": b'"a": NaN'},
        {"constants": b'"a"'},
        {"constants": b'} {"a": 1'},
        {"constants": b'"a": "\xff"'},
        {"event_constants": b'"sequence": 1'},
        {"event_constants": b"nonsense"},
        {"community_id_seed": -1},
        {"community_id_seed": 65536},
        {"flow_cache_bytes": 1000},
        {"agent_id": "\ud800"},
        {"agent_id": "x" * MAX_DOCUMENT_BYTES},
        {"host_name": "x" * MAX_DOCUMENT_BYTES},
    ],
)
def test_settings_that_cannot_be_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - each has its own sentence
        new_encoder(**changes)


# ------------------------------------------------------------------ length
def longest_record() -> Record:
    return Record(
        timestamp_ns=INT64 - 1,
        wire_length=2**32 - 1,
        payload_length=2**32 - 1,
        source_ip=b"\xff" * 16,
        destination_ip=b"\xff" * 16,
        source_port=65535,
        destination_port=65535,
        source_mac=b"\xff" * 6,
        destination_mac=b"\xff" * 6,
        ifindex=2,
        vlan_id=65535,
        inner_vlan_id=65535,
        ethertype=65535,
        flags=ALL_FLAGS,
        network=reference.IPV6,
        protocol=136,
        hook=3,
        direction=1,
        ttl=255,
        tos=255,
        tcp_flags=511,
        ip_id=2**32 - 1,
        tcp_seq=2**32 - 1,
        tcp_ack=2**32 - 1,
        tcp_window=65535,
        segments=65535,
        fragment=0x1FFF,
        parse=65535,
    )


def test_the_longest_document_stays_inside_its_bound() -> None:
    """With the longest settings that the constructor takes."""
    longest_name = 0
    while True:
        try:
            encoder = new_encoder(host_name="h" * (longest_name + 1))
        except ValueError:
            break
        longest_name += 1
    assert longest_name > 255  # HOST_NAME_MAX is 64, a DNS name has 253 characters
    encoder = new_encoder(host_name="h" * longest_name)
    encoder.set_interface(2, b"\xff" * 15)
    room = bytearray(b"\xaa" * (2 * MAX_DOCUMENT_BYTES))
    written = encoder.encode_lines(
        longest_record().pack(),
        memoryview(room)[: MAX_DOCUMENT_BYTES + 1],
        utc_offset_ns=0,
        first_sequence=2**64 - 1,
    )
    assert MAX_DOCUMENT_BYTES - 200 < written <= MAX_DOCUMENT_BYTES + 1
    assert room[MAX_DOCUMENT_BYTES + 1 :] == b"\xaa" * (MAX_DOCUMENT_BYTES - 1)
    assert orjson.loads(room[:written])["host"]["name"] == "h" * longest_name


def test_the_constants_of_the_schema_leave_room() -> None:
    event_constants, record_constants = constants()
    new_encoder(
        agent_id="x" * 36,
        host_name="h" * 253,
        event_constants=event_constants,
        constants=record_constants,
    )
