# SPDX-License-Identifier: Apache-2.0
"""Names and patterns; which link types are taken."""

from __future__ import annotations

import pytest

from streamer.capture.interfaces import Interface, is_pattern, list_interfaces, matches


@pytest.mark.parametrize(
    ("name", "patterns", "expected"),
    [
        ("eth0", ["eth0"], True),
        ("eth0", ["eth"], False),
        ("eth0", ["eth*"], True),
        ("eth10", ["eth?"], False),
        ("ens3", ["eth*", "en[ops]*"], True),
        ("ETH0", ["eth*"], False),
        ("lo", ["*"], True),
        ("lo", [], False),
    ],
)
def test_matches(name: str, patterns: list[str], expected: bool) -> None:
    assert matches(name, patterns) is expected


def test_patterns_are_told_from_names() -> None:
    assert [is_pattern(text) for text in ("eth0", "eth*", "e?h0", "[e]th0", "br-1.2:3")] == [
        False,
        True,
        True,
        True,
        False,
    ]


def test_loopback_is_listed() -> None:
    loopback = next(interface for interface in list_interfaces() if interface.name == "lo")
    assert loopback.ifindex == 1
    assert loopback.has_link_layer
    assert loopback.unsupported is None


@pytest.mark.parametrize(
    ("link_type", "has_link_layer", "supported"),
    [(1, True, True), (772, True, True), (65534, False, True), (519, False, True)],
)
def test_supported_link_types(link_type: int, has_link_layer: bool, supported: bool) -> None:
    interface = Interface(7, "x0", link_type, None, up=True)
    assert interface.has_link_layer is has_link_layer
    assert (interface.unsupported is None) is supported


@pytest.mark.parametrize(
    ("link_type", "name"), [(803, "IEEE 802.11"), (280, "CAN"), (9999, "9999")]
)
def test_other_link_types_say_why(link_type: int, name: str) -> None:
    reason = Interface(7, "x0", link_type, None, up=True).unsupported
    assert reason is not None
    assert name in reason
