# SPDX-License-Identifier: Apache-2.0
"""Every field of every event equals tshark's reading, in every kind of program."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING

import pytest

from tests.support.capture_object import (
    REPLAY_NO_LINK_LAYER,
    UNSEEN_HEADER,
    CaptureObject,
    skb_context,
)
from tests.support.frames import build

if TYPE_CHECKING:
    from tests.support.tshark import Reading

NAMES = sorted(build())
TEST_RUN_MAX_BYTES = 3712 - 512  # of an skb
IP_HEADER_BYTES = {0x0800: 20, 0x86DD: 40}  # an skb's test run wants it whole


@pytest.mark.parametrize("name", NAMES)
def test_replay(
    name: str,
    frames: dict[str, bytes],
    readings: dict[str, Reading],
    replaying: CaptureObject,
) -> None:
    event = replaying.replay(frames[name], timestamp_ns=1_700_000_000_123_456_789)
    assert readings[name].differences(event.fields) == {}
    assert event.timestamp_ns == 1_700_000_000_123_456_789
    assert (event.hook, event.direction, event.ifindex) == ("xdp", None, 0)
    assert event.segments == 1


@pytest.mark.parametrize("name", NAMES)
def test_xdp(
    name: str,
    frames: dict[str, bytes],
    readings: dict[str, Reading],
    capturing: CaptureObject,
) -> None:
    before = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    event = capturing.event("xdp_ingress", frames[name])
    after = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    assert readings[name].differences(event.fields) == {}
    assert before <= event.timestamp_ns <= after
    assert (event.hook, event.direction) == ("xdp", "ingress")


@pytest.mark.parametrize("program", ["tc_ingress", "tc_egress", "socket_filter"])
@pytest.mark.parametrize("name", NAMES)
def test_skb(
    name: str,
    program: str,
    frames: dict[str, bytes],
    readings: dict[str, Reading],
    capturing: CaptureObject,
) -> None:
    frame = frames[name]
    if len(frame) > TEST_RUN_MAX_BYTES:
        pytest.skip("longer than a test run's skb")
    ip_bytes = IP_HEADER_BYTES.get(int.from_bytes(frame[12:14]), 0)
    if program == "socket_filter":
        frame = UNSEEN_HEADER + frame
    elif len(frame) < 14 + ip_bytes:
        pytest.skip("shorter than a test run's IP header")
    # at egress the kernel has counted the bytes; a test run needs a context for that
    context = skb_context() if program == "tc_egress" else None
    event = capturing.event(program, frame, context)
    assert readings[name].differences(event.fields) == {}
    hook = "socket" if program == "socket_filter" else "tc"
    direction = "egress" if program == "tc_egress" else "ingress"
    assert (event.hook, event.direction, event.segments) == (hook, direction, 1)


@pytest.mark.parametrize("name", ["tcp", "udp6", "ip options", "all extension headers"])
@pytest.mark.parametrize(
    "program",
    ["xdp_ingress_l3", "socket_filter_l3", "replay"],  # TC: see test_skb.py
)
def test_devices_without_link_layer(  # noqa: PLR0917
    name: str,
    program: str,
    frames: dict[str, bytes],
    readings: dict[str, Reading],
    capturing: CaptureObject,
    replaying: CaptureObject,
) -> None:
    frame = frames[name]
    ethernet, packet = frame[:14], frame[14:]
    if program == "replay":  # the filler is not looked at, apart from the ethertype
        event = replaying.replay(
            b"filler bytes" + ethernet[12:] + packet,
            wire_length=len(packet),
            link=REPLAY_NO_LINK_LAYER,
        )
    elif program.startswith("xdp"):
        event = capturing.event(program, packet)
    else:
        event = capturing.event(program, frame)  # the test run takes the header off
    wanted = dataclasses.replace(
        readings[name].fields, length=len(packet), source_mac=None, destination_mac=None
    )
    assert event.fields.differences(wanted) == {}


def test_ethertype_after_the_tags(frames: dict[str, bytes], replaying: CaptureObject) -> None:
    ethertypes = {name: replaying.replay(frames[name]).ethertype for name in NAMES}
    assert ethertypes["qinq"] == ethertypes["tcp"] == 0x0800
    assert ethertypes["tagged arp"] == 0x0806
    assert ethertypes["tagged, unknown type"] == 0x88B5
    assert ethertypes["three tags"] == 0x8100
    assert ethertypes["llc"] == ethertypes["tagged llc"] == 0
    assert ethertypes["neither length nor type"] == 0
