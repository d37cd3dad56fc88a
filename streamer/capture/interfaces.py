# SPDX-License-Identifier: Apache-2.0
"""Network interfaces: what there is, what a pattern matches, what joins and leaves."""

from __future__ import annotations

import asyncio
import fnmatch
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from streamer.capture import netlink
from streamer.errors import CaptureError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_IFF_UP = 1
_ETHERNET, _LOOPBACK = 1, 772  # both carry an Ethernet header
_WITHOUT_LINK_LAYER = frozenset({65534, 519})  # ARPHRD_NONE (tun), ARPHRD_RAWIP
_OTHER_LINK_TYPES = {
    32: "InfiniBand",
    280: "CAN",
    512: "PPP",
    768: "IPIP tunnel",
    769: "IPv6 tunnel",
    776: "SIT tunnel",
    778: "GRE tunnel",
    801: "IEEE 802.11",
    803: "IEEE 802.11 with radiotap",
    823: "IPv6 GRE tunnel",
    824: "netlink",
    826: "vsock monitor",
}


@dataclass(frozen=True, slots=True)
class Interface:
    """One network interface, as the kernel last described it."""

    ifindex: int
    name: str
    link_type: int  # ARPHRD_*
    kind: str | None  # veth, bridge, tun ...; None for hardware
    up: bool

    @property
    def has_link_layer(self) -> bool:
        """Frames begin with an Ethernet header."""
        return self.link_type in (_ETHERNET, _LOOPBACK)

    @property
    def unsupported(self) -> str | None:
        """Why it cannot be captured, or None."""
        if self.has_link_layer or self.link_type in _WITHOUT_LINK_LAYER:
            return None
        name = _OTHER_LINK_TYPES.get(self.link_type, "of an unknown kind")
        return f"its link type is {name} ({self.link_type}), not Ethernet or raw IP"


def is_pattern(text: str) -> bool:
    """Tell a shell pattern from a plain name."""
    return any(character in text for character in "*?[")


def matches(name: str, patterns: Iterable[str]) -> bool:
    """Tell whether `name` is one of the names, or matches one of the shell patterns."""
    return any(fnmatch.fnmatchcase(name, p) if is_pattern(p) else name == p for p in patterns)


def list_interfaces() -> list[Interface]:
    """All interfaces of the current network namespace, by index."""
    with InterfaceMonitor() as monitor:
        return sorted(monitor.interfaces.values(), key=lambda interface: interface.ifindex)


class InterfaceMonitor:
    """The interfaces of one network namespace, kept up to date.

    Open it inside the namespace; `follow` may be called outside.
    """

    def __init__(self) -> None:
        self.interfaces: dict[int, Interface] = {}
        self._sockets: netlink.LinkSockets | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._changed: Callable[[Interface], None] = _ignore
        self._gone: Callable[[Interface], None] = _ignore

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open(self) -> None:
        """Subscribe first, then list: nothing falls between."""
        try:
            self._sockets = netlink.LinkSockets()
            self.interfaces = _by_index(self._sockets.links())
        except OSError as error:
            self.close()
            raise CaptureError(f"cannot list the interfaces: {error.strerror or error}") from error

    def close(self) -> None:
        """Stop following and close the sockets; may be called twice."""
        if self._sockets is None:
            return
        if self._loop is not None:
            self._loop.remove_reader(self._sockets.fileno())
            self._loop = None
        self._sockets.close()
        self._sockets = None

    def follow(
        self, changed: Callable[[Interface], None], gone: Callable[[Interface], None]
    ) -> None:
        """Call `changed` for interfaces that are new or differ, `gone` for those that are lost."""
        if self._sockets is None:
            raise RuntimeError("the monitor is not open")
        self._changed, self._gone = changed, gone
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._sockets.fileno(), self._read)

    def _read(self) -> None:
        """Take all waiting news; when the kernel had to drop some, list again and compare."""
        if self._sockets is None:
            return
        try:
            for message_type, link in self._sockets.news():
                interface = _interface(link)
                if message_type == netlink.NEW_LINK:
                    self._note(interface)
                else:
                    self._forget(interface.ifindex)
                if self._sockets is None:  # closed by a callback
                    return
        except OSError as error:
            if not netlink.news_were_dropped(error):
                raise
            self._compare(_by_index(self._sockets.links()))

    def _note(self, interface: Interface) -> None:
        if self.interfaces.get(interface.ifindex) != interface:
            self.interfaces[interface.ifindex] = interface
            self._changed(interface)

    def _forget(self, ifindex: int) -> None:
        known = self.interfaces.pop(ifindex, None)
        if known is not None:
            self._gone(known)

    def _compare(self, now: dict[int, Interface]) -> None:
        for ifindex in [i for i in self.interfaces if i not in now]:
            self._forget(ifindex)
        for interface in now.values():
            self._note(interface)


def _ignore(_: Interface) -> None:
    pass


def _by_index(links: Iterable[Any]) -> dict[int, Interface]:
    return {interface.ifindex: interface for interface in map(_interface, links)}


def _interface(link: Any) -> Interface:
    information = link.get_attr("IFLA_LINKINFO")
    return Interface(
        ifindex=link["index"],
        name=link.get_attr("IFLA_IFNAME") or f"if{link['index']}",
        link_type=link["ifi_type"],
        kind=information.get_attr("IFLA_INFO_KIND") if information is not None else None,
        up=bool(link["flags"] & _IFF_UP),
    )
