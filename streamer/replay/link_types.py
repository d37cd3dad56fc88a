# SPDX-License-Identifier: Apache-2.0
"""Link types of capture files (LINKTYPE_*), and each one's packets as frames for the program.

The program's XDP entry reads a frame: an Ethernet header, or 14 bytes of which only the ethertype
counts (link 1 of `struct replay_meta`). What has another header, or none, gets such 14 bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

ETHERNET = 1
ETHERNET_HEADER_BYTES = 14
CUT = b""  # the packet ends inside its own kind of header: there is no frame to make

_IPV4 = bytes(12) + b"\x08\x00"
_IPV6 = bytes(12) + b"\x86\xdd"
_UNKNOWN = bytes(14)

# The address families that BSDs, Darwin and Linux write in front of a packet.
_FAMILIES = {2: _IPV4, 10: _IPV6, 24: _IPV6, 28: _IPV6, 30: _IPV6}

# Devices whose cooked header has something else than an ethertype in the protocol's place.
_COOKED_WITHOUT_ETHERTYPE = frozenset({770, 801, 802, 803, 824})


def _raw(data: bytes) -> bytes:
    version = data[0] >> 4 if data else 0
    return {4: _IPV4, 6: _IPV6}.get(version, _UNKNOWN) + data


def _raw_ipv4(data: bytes) -> bytes:
    return _IPV4 + data


def _raw_ipv6(data: bytes) -> bytes:
    return _IPV6 + data


def _family(data: bytes) -> bytes:
    """Take off an address family of four bytes, in the byte order of the capturing machine."""
    if len(data) < 4:
        return CUT
    family = min(int.from_bytes(data[:4], "little"), int.from_bytes(data[:4], "big"))
    return _FAMILIES.get(family, _UNKNOWN) + data[4:]


def _cooked(data: bytes) -> bytes:
    if len(data) < 16:
        return CUT
    if int.from_bytes(data[2:4], "big") in _COOKED_WITHOUT_ETHERTYPE:
        return _UNKNOWN + data[16:]
    return bytes(12) + data[14:]


def _cooked2(data: bytes) -> bytes:
    if len(data) < 20:
        return CUT
    if int.from_bytes(data[8:10], "big") in _COOKED_WITHOUT_ETHERTYPE:
        return _UNKNOWN + data[20:]
    return bytes(12) + data[:2] + data[20:]


@dataclass(frozen=True, slots=True)
class LinkType:
    """A link type without an Ethernet header."""

    name: str
    header_bytes: int  # of its own kind, in each packet; counted in the packet's length
    to_frame: Callable[[bytes], bytes]


_OTHER_THAN_ETHERNET = {
    0: LinkType("BSD loopback", 4, _family),
    12: LinkType("raw IP", 0, _raw),
    14: LinkType("raw IP", 0, _raw),
    101: LinkType("raw IP", 0, _raw),
    108: LinkType("OpenBSD loopback", 4, _family),
    113: LinkType("Linux cooked", 16, _cooked),
    228: LinkType("raw IPv4", 0, _raw_ipv4),
    229: LinkType("raw IPv6", 0, _raw_ipv6),
    276: LinkType("Linux cooked v2", 20, _cooked2),
}
SUPPORTED_NAMES = "Ethernet, raw IP, Linux cooked (SLL, SLL2) and BSD loopback"

_OTHER_NAMES = {
    3: "AX.25",
    6: "IEEE 802.5 token ring",
    7: "ARCNET",
    8: "SLIP",
    9: "PPP",
    10: "FDDI",
    50: "PPP in HDLC framing",
    51: "PPPoE",
    100: "LLC-encapsulated ATM",
    104: "Cisco HDLC",
    105: "IEEE 802.11",
    107: "frame relay",
    117: "OpenBSD pflog",
    119: "IEEE 802.11 with Prism header",
    122: "IP over Fibre Channel",
    127: "IEEE 802.11 with radiotap",
    147: "private use 0",
    163: "IEEE 802.11 with AVS header",
    166: "PPP with direction",
    187: "Bluetooth HCI",
    189: "USB, Linux",
    192: "per-packet information",
    195: "IEEE 802.15.4",
    201: "Bluetooth HCI with direction",
    220: "USB, Linux, memory-mapped",
    227: "CAN, SocketCAN",
    239: "NFLOG",
    240: "Hilscher netANALYZER",
    249: "USBPcap",
    251: "Bluetooth LE",
    253: "netlink",
    258: "Apple PKTAP",
    271: "vsock",
    272: "Nordic Bluetooth LE",
}


def is_supported(link_type: int) -> bool:
    """Tell whether packets of this link type can be replayed."""
    return link_type == ETHERNET or link_type in _OTHER_THAN_ETHERNET


def describe(link_type: int) -> str:
    """Name and number, for people: `IEEE 802.11 (105)`."""
    if link_type == ETHERNET:
        return f"Ethernet ({ETHERNET})"
    known = without_ethernet(link_type)
    name = known.name if known else _OTHER_NAMES.get(link_type)
    return f"{name} ({link_type})" if name else f"number {link_type}"


def without_ethernet(link_type: int) -> LinkType | None:
    """How such packets become frames; None when the link type is Ethernet or not supported."""
    return _OTHER_THAN_ETHERNET.get(link_type)
