# SPDX-License-Identifier: Apache-2.0
"""The interfaces, and the programs that others have attached to them."""

import array
import fcntl
import socket
import struct
from collections.abc import Iterator

from pybpf import Attached, PermissionDenied, query_attached
from streamer.capture.interfaces import Interface, is_pattern, list_interfaces, matches
from streamer.capture.namespace import network_namespace
from streamer.cli.checks.check import Check
from streamer.config import Settings

SIOCETHTOOL = 0x8946
# ETHTOOL_GTSO, ETHTOOL_GGSO, ETHTOOL_GGRO of linux/ethtool.h: these let one skb stand for several
# packets.
OFFLOADS = {"TSO": 0x1E, "GSO": 0x23, "GRO": 0x2B}


def interfaces(settings: Settings) -> Iterator[Check]:
    """Those that are chosen exist, are up, and can be captured."""
    capture = settings.capture
    with network_namespace(capture.netns):
        present = list_interfaces()
        names = ", ".join(interface.name for interface in present)
        if not capture.interfaces:
            yield Check("interfaces", "warn", f"none chosen; there are {names}", "-i NAME")
        for wanted in capture.interfaces:
            if any(matches(interface.name, [wanted]) for interface in present):
                continue
            if is_pattern(wanted):
                detail = "nothing matches yet; what comes later joins"
                yield Check(f"interface {wanted}", "warn", detail, f"there are {names}")
            else:
                yield Check(f"interface {wanted}", "fail", "does not exist", f"there are {names}")
        for interface in _chosen(settings, present):
            yield _interface(settings, interface)


def neighbours(settings: Settings) -> Iterator[Check]:
    """Programs already attached where ours would go, or before them."""
    with network_namespace(settings.capture.netns):
        for interface in _chosen(settings, list_interfaces()):
            title = f"other programs at {interface.name}"
            try:
                found = query_attached(interface.ifindex)
            except PermissionDenied as error:
                yield Check(title, "warn", f"not known: {error.message}", error.hint)
                continue
            yield _neighbours(settings, title, found)


def _chosen(settings: Settings, present: list[Interface]) -> list[Interface]:
    return [each for each in present if matches(each.name, settings.capture.interfaces)]


def _interface(settings: Settings, interface: Interface) -> Check:
    title = f"interface {interface.name}"
    capture = settings.capture
    if interface.unsupported is not None:
        return Check(title, "fail", interface.unsupported, "choose another interface")
    if not interface.up:
        return Check(title, "warn", "down: no packets", f"ip link set {interface.name} up")
    if capture.hook == "xdp" and interface.kind == "veth" and capture.xdp_mode != "generic":
        return Check(
            title,
            "warn",
            "native XDP on veth turns the other end's segmentation offload off: slower traffic",
            "--hook tc, or --xdp-mode generic",
        )
    if capture.hook == "xdp" and interface.name == "lo" and capture.xdp_mode == "native":
        return Check(title, "fail", "loopback has no native XDP", "--xdp-mode generic")
    offloads = _offloads(interface.name)
    detail = "up"
    if offloads:
        detail += f"; {', '.join(offloads)} on: an event may be several wire packets"
        detail += " (packet.segments)"
    return Check(title, "ok", detail)


def _offloads(name: str) -> list[str]:
    """The offloads that are on; none where the driver does not tell."""
    found = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        for title, command in OFFLOADS.items():
            value = array.array("B", struct.pack("=II", command, 0))
            address, _ = value.buffer_info()
            request = struct.pack("16sP", name.encode(), address).ljust(40, b"\0")
            try:
                fcntl.ioctl(any_socket, SIOCETHTOOL, request)
            except OSError:
                continue
            if struct.unpack("=II", value)[1]:
                found.append(title)
    return found


def _neighbours(settings: Settings, title: str, found: list[Attached]) -> Check:
    if not found:
        return Check(title, "ok", "none")
    told = "; ".join(
        f"{each.hook} {each.direction}: {each.name or 'a program'}"
        + (f" (id {each.program_id})" if each.program_id else "")
        + (f", {each.detail}" if each.detail else "")
        for each in found
    )
    if settings.capture.hook == "xdp" and any(each.hook == "xdp" for each in found):
        cure = "--hook tc, which runs beside it; foreign programs are never replaced"
        return Check(title, "fail", told, cure)
    if any(each.hook == "xdp" for each in found):
        return Check(title, "warn", told, "what the XDP program drops or redirects is not seen")
    return Check(title, "ok", f"{told}; ours runs beside them")
