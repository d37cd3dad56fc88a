# SPDX-License-Identifier: Apache-2.0
"""Community IDs against the specification's vectors and its authors' Python package."""

from __future__ import annotations

import json
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import communityid
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hotpath.community_id import community_id

VECTORS = json.loads((Path(__file__).parents[2] / "data/community_id.json").read_text())["vectors"]

# Of the specification's README.
README_VECTORS = [
    (6, "1.2.3.4", "5.6.7.8", 1122, 3344, "1:wCb3OG7yAFWelaUydu0D+125CLM="),
    (17, "1.2.3.4", "5.6.7.8", 1122, 3344, "1:0Mu9InQx6z4ZiCZM/7HXi2WMhOg="),
    (132, "1.2.3.4", "5.6.7.8", 1122, 3344, "1:EKt4MsxuyaE6mL+hmrEkQ9csDD8="),
    (1, "1.2.3.4", "5.6.7.8", 8, 0, "1:crodRHL2FEsHjbv3UkRrfbs4bZ0="),
    (1, "5.6.7.8", "1.2.3.4", 0, 0, "1:crodRHL2FEsHjbv3UkRrfbs4bZ0="),
    (1, "1.2.3.4", "5.6.7.8", 11, 0, "1:f/YiSyWqczrTgfUCZlBUnvHRcPk="),
    (46, "1.2.3.4", "5.6.7.8", None, None, "1:ikv3kmf89luf73WPz1jOs49S768="),
    (
        58,
        "fe80:1:203:405:607:809:a0b:c0d",
        "fe80:1011:1213:1415:1617:1819:1a1b:1c1d",
        128,
        0,
        "1:0bf7hyMJUwt3fMED7z8LIfRpBeo=",
    ),
    (
        58,
        "fe80:1:203:405:607:809:a0b:c0d",
        "fe80:1011:1213:1415:1617:1819:1a1b:1c1d",
        146,
        0,
        "1:fYC8+pz24E+EhANP1EZhpX0Dw10=",
    ),
]

ports = st.integers(0, 65535)
ipv4 = st.binary(min_size=4, max_size=4)
ipv6 = st.binary(min_size=16, max_size=16)
addresses = st.tuples(ipv4, ipv4) | st.tuples(ipv6, ipv6) | ipv4.map(lambda ip: (ip, ip))


def packed(address: str) -> bytes:
    return ip_address(address).packed


@pytest.mark.parametrize("vector", VECTORS)
def test_the_baseline_of_the_specification(vector: list[Any]) -> None:
    protocol, source, destination, *ports, seed_0, seed_1 = vector
    flow = (packed(source), packed(destination), protocol, ports[0], ports[1])
    assert community_id(*flow) == seed_0
    assert community_id(*flow, seed=1) == seed_1


@pytest.mark.parametrize("vector", README_VECTORS)
def test_the_readme_of_the_specification(vector: tuple[Any, ...]) -> None:
    protocol, source, destination, *ports, expected = vector
    flow = (packed(source), packed(destination), protocol, ports[0], ports[1])
    assert community_id(*flow) == expected


@given(
    addresses=addresses,
    protocol=st.sampled_from((1, 6, 17, 58, 132)) | st.integers(0, 255),
    source_port=ports | st.integers(0, 255),
    destination_port=ports | st.integers(0, 255),
    seed=ports,
)
@example((b"\x7f\0\0\1", b"\x7f\0\0\1"), 1, 8, 0, 0)
@example((b"\x7f\0\0\1", b"\x7f\0\0\1"), 1, 0, 0, 0)
@example((b"\x7f\0\0\1", b"\x7f\0\0\1"), 6, 2, 1, 0)
def test_the_package_agrees(
    addresses: tuple[bytes, bytes],
    protocol: int,
    source_port: int,
    destination_port: int,
    seed: int,
) -> None:
    flow = communityid.FlowTuple(protocol, *addresses, source_port, destination_port)
    expected = communityid.CommunityID(seed=seed).calc(flow)
    assert community_id(*addresses, protocol, source_port, destination_port, seed) == expected


@given(
    addresses=addresses,
    protocol=st.integers(0, 255).filter(lambda number: number not in (1, 6, 17, 58, 132)),
)
def test_the_package_agrees_without_ports(addresses: tuple[bytes, bytes], protocol: int) -> None:
    expected = communityid.CommunityID().calc(communityid.FlowTuple(protocol, *addresses))
    assert community_id(*addresses, protocol, None, None) == expected


@given(addresses=addresses, source_port=ports, destination_port=ports)
def test_both_directions_have_one_id(
    addresses: tuple[bytes, bytes], source_port: int, destination_port: int
) -> None:
    there = community_id(*addresses, 6, source_port, destination_port)
    assert community_id(addresses[1], addresses[0], 6, destination_port, source_port) == there


@pytest.mark.parametrize(
    ("source", "destination", "source_port", "destination_port"),
    [
        (b"1234", b"1" * 16, 1, 2),
        (b"12345", b"12345", 1, 2),
        (b"1234", b"5678", 1, None),
        (b"1234", b"5678", None, 1),
    ],
)
def test_what_is_no_flow_is_refused(
    source: bytes, destination: bytes, source_port: int | None, destination_port: int | None
) -> None:
    with pytest.raises(ValueError, match=r"addresses|ports"):
        community_id(source, destination, 6, source_port, destination_port)
