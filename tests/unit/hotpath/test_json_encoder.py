# SPDX-License-Identifier: Apache-2.0
"""The encoder against the plain reference, byte for byte, whatever the record holds."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hotpath.json_encoder import MAX_DOCUMENT_BYTES, EventEncoder
from hotpath.partitioner import murmur2
from tests.support import reference_document as reference
from tests.support.reference_document import Agent, Record

AGENT = Agent("5f0c2a4e", "q3Zx0bTtW1aY", "alpha")
INTERFACES: dict[int, str | bytes] = {2: "eth0", 3: "wlan0"}
OFFSET_NS = 1_790_000_000_123_456_789
MAX_SEQUENCE = 2**53 - 1


def new_encoder(
    agent: Agent = AGENT,
    interfaces: dict[int, str | bytes] | None = None,
    flow_cache_bytes: int = 1 << 16,
) -> EventEncoder:
    encoder = EventEncoder(
        agent_id=agent.id,
        ephemeral_id=agent.ephemeral_id,
        host_name=agent.host_name,
        community_id_seed=agent.community_id_seed,
        flow_cache_bytes=flow_cache_bytes,
    )
    for ifindex, name in (INTERFACES if interfaces is None else interfaces).items():
        encoder.set_interface(ifindex, name)
    return encoder


def expected_text(
    record: bytes,
    sequence: int = 0,
    *,
    agent: Agent = AGENT,
    offset_ns: int = OFFSET_NS,
    interfaces: dict[int, str | bytes] = INTERFACES,
) -> bytes:
    return reference.encode(
        record, agent, utc_offset_ns=offset_ns, sequence=sequence, interfaces=interfaces
    )


def check(encoder: EventEncoder, record: bytes, sequence: int = 0) -> None:
    """First built, then from the cache: twice what the reference says."""
    expected = expected_text(record, sequence)
    assert len(expected) <= MAX_DOCUMENT_BYTES
    for _ in range(2):
        text = encoder.encode(record, utc_offset_ns=OFFSET_NS, sequence=sequence)
        assert text == expected
    assert orjson.dumps(orjson.loads(expected)) == expected


u8, u16, u32 = (st.integers(0, (1 << bits) - 1) for bits in (8, 16, 32))
# Bytes of addresses, with the runs of zeros and the prefixes that texts depend on.
address_bytes = st.one_of(
    st.binary(min_size=16, max_size=16),
    st.binary(min_size=4, max_size=4).map(lambda ip: bytes(10) + b"\xff\xff" + ip),
    st.lists(
        st.sampled_from((b"\0\0", b"\0\1", b"\xff\xff", b"\x20\x01")), min_size=8, max_size=8
    ).map(b"".join),
)
numbers32 = st.one_of(u32, st.integers(0, 9).map(lambda power: 10**power), st.just(2**32 - 1))


def record_bytes(fields: dict[str, Any]) -> bytes:
    return Record(**fields).pack()


def records_of(**fields: st.SearchStrategy[int]) -> st.SearchStrategy[bytes]:
    """Records within the contract but for the fields given."""
    plain: dict[str, st.SearchStrategy[Any]] = {
        "timestamp_ns": st.integers(0, 2**62),
        "wire_length": numbers32,
        "payload_length": numbers32,
        "source_ip": address_bytes,
        "destination_ip": address_bytes,
        "source_port": u16 | st.sampled_from((0, 3, 8, 128, 129, 135)),
        "destination_port": u16,
        "source_mac": st.binary(min_size=6, max_size=6),
        "destination_mac": st.binary(min_size=6, max_size=6),
        "ifindex": st.integers(0, 4),
        "vlan_id": st.integers(0, 4095),
        "inner_vlan_id": st.integers(0, 4095),
        "ethertype": st.sampled_from((0, 0x0800, 0x0806, 0x86DD, 0x88CC)),
        "flags": st.integers(0, 31),
        "network": st.integers(0, 3),
        "protocol": st.sampled_from(sorted(reference.KEYWORDS)) | u8,
        "hook": st.integers(1, 3),
        "direction": st.integers(0, 2),
        "ttl": u8,
        "tos": u8,
        "tcp_flags": st.integers(0, 511),
        "ip_id": numbers32,
        "tcp_seq": numbers32,
        "tcp_ack": numbers32,
        "tcp_window": u16,
        "segments": st.just(1) | u16,
        "fragment": st.integers(0, 0x3FFF),
        "parse": u16,
    }
    return st.fixed_dictionaries({**plain, **fields}).map(record_bytes)


@settings(max_examples=1000, deadline=None)
@given(record=records_of(), sequence=st.integers(0, MAX_SEQUENCE))
def test_plausible_records(record: bytes, sequence: int) -> None:
    check(new_encoder(), record, sequence)


@settings(max_examples=1000, deadline=None)
@given(
    record=records_of(
        flags=u16, network=u8, hook=u8, direction=u8, tcp_flags=u16, fragment=u16, vlan_id=u16
    )
)
def test_numbers_outside_the_contract_give_a_valid_document(record: bytes) -> None:
    check(new_encoder(), record)


@settings(max_examples=500, deadline=None)
@given(
    record=st.binary(min_size=120, max_size=120).filter(
        lambda raw: 0 <= int.from_bytes(raw[16:24], "little") + OFFSET_NS < 2**63
    )
)
def test_any_120_bytes_give_a_valid_document(record: bytes) -> None:
    check(new_encoder(), record)


@settings(max_examples=50, deadline=None)
@given(records=st.lists(records_of(), min_size=1, max_size=40), data=st.data())
def test_one_encoder_for_many_flows(records: list[bytes], data: st.DataObject) -> None:
    encoder = new_encoder()
    order = data.draw(st.lists(st.sampled_from(records), max_size=80))
    for sequence, record in enumerate(order):
        text = encoder.encode(record, utc_offset_ns=OFFSET_NS, sequence=sequence)
        assert text == expected_text(record, sequence)


def test_more_flows_than_the_cache_holds() -> None:
    encoder = new_encoder()
    flows = 3 * encoder.cache_info().capacity
    records = [tcp(source_port=port).pack() for port in range(flows)]
    for turn in range(2):
        for sequence, record in enumerate(records):
            text = encoder.encode(record, utc_offset_ns=turn, sequence=sequence)
            assert text == expected_text(record, sequence, offset_ns=turn)
    info = encoder.cache_info()
    assert info.entries == info.capacity
    assert info.hits + info.misses == 2 * flows


def tcp(**fields: Any) -> Record:
    """A usual packet of an HTTPS download."""
    return Record(
        wire_length=1514,
        payload_length=1448,
        source_ip=bytes(10) + b"\xff\xff" + bytes((192, 168, 100, 101)),
        destination_ip=bytes(10) + b"\xff\xff" + bytes((198, 51, 100, 200)),
        source_port=443,
        destination_port=50312,
        ifindex=2,
        ethertype=0x0800,
        flags=reference.HAS_MAC | reference.HAS_PORTS,
        network=reference.IPV4,
        protocol=6,
        direction=1,
        ttl=57,
        tcp_flags=0x10,
        ip_id=54321,
        tcp_seq=4_000_000_000,
        tcp_ack=3_000_000_000,
        tcp_window=501,
        parse=0xF000,
    )._replace(**fields)


def test_the_record_key_is_the_community_id() -> None:
    encoder = new_encoder()
    text = encoder.encode(tcp().pack(), utc_offset_ns=0, sequence=0)
    found = encoder.record_key()
    assert found is not None
    key, key_hash = found
    assert key.decode() == orjson.loads(text)["network"]["community_id"]
    assert key_hash == murmur2(key) & 0xFFFFFFFF


@pytest.mark.parametrize("network", [0, reference.ARP, 9])
def test_without_ip_there_is_no_record_key(network: int) -> None:
    encoder = new_encoder()
    assert encoder.record_key() is None
    encoder.encode(tcp().pack(), utc_offset_ns=0, sequence=0)
    encoder.encode(tcp(network=network).pack(), utc_offset_ns=0, sequence=0)
    assert encoder.record_key() is None


@given(seed=u16)
def test_the_seed_goes_into_the_community_id(seed: int) -> None:
    agent = AGENT._replace(community_id_seed=seed)
    text = new_encoder(agent).encode(tcp().pack(), utc_offset_ns=OFFSET_NS, sequence=0)
    assert text == expected_text(tcp().pack(), agent=agent)


@settings(deadline=None)
@given(records=st.lists(records_of(), max_size=20), first=st.integers(0, MAX_SEQUENCE - 20))
def test_lines_are_the_same_documents(records: list[bytes], first: int) -> None:
    out = bytearray((len(records) + 1) * (MAX_DOCUMENT_BYTES + 1))
    written = new_encoder().encode_lines(
        b"".join(records), out, utc_offset_ns=OFFSET_NS, first_sequence=first
    )
    lines = [expected_text(record, first + number) for number, record in enumerate(records)]
    assert out[:written] == b"".join(line + b"\n" for line in lines)


def test_records_of_another_size_are_refused() -> None:
    with pytest.raises(ValueError, match="120 bytes"):
        new_encoder().encode(bytes(119), utc_offset_ns=0, sequence=0)
    with pytest.raises(ValueError, match="whole number"):
        new_encoder().encode_lines(bytes(121), bytearray(9999), utc_offset_ns=0, first_sequence=0)


@pytest.mark.parametrize("room", [0, MAX_DOCUMENT_BYTES, MAX_DOCUMENT_BYTES + 100])
def test_lines_stay_inside_their_buffer(room: int) -> None:
    with pytest.raises(ValueError, match="too few"):
        new_encoder().encode_lines(
            tcp().pack() * 2, bytearray(room), utc_offset_ns=0, first_sequence=0
        )
