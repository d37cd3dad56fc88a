# SPDX-License-Identifier: Apache-2.0
"""The capture: programs loaded, attached to the interfaces that match, followed, counted."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from pybpf import PybpfError, RingBuffer, wait_for_running_programs
from streamer.capture.attach import Attacher, Attachment
from streamer.capture.counters import read_counters
from streamer.capture.interfaces import InterfaceMonitor, is_pattern, matches
from streamer.capture.namespace import NetworkNamespace
from streamer.capture.own_connections import Connection, OwnConnections
from streamer.capture.programs import (
    Switches,
    capture_programs,
    explain,
    load,
    needed_capabilities,
    require_capabilities,
)
from streamer.errors import StreamerError, UsageError
from streamer.observe.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pybpf import Link, Object
    from streamer.capture.interfaces import Interface
    from streamer.config import CaptureSettings
    from streamer.observe.counters import KernelCounters

_log = get_logger("streamer.capture")
_HOOK_NAMES = {"tc": "the TC hook", "xdp": "the XDP hook", "socket": "a socket filter"}


class Capture:
    """Packets of the chosen interfaces, as records in `ring`.

    open() checks and loads, start() attaches and follows, detach() stops new records, close()
    gives everything back.
    """

    def __init__(self, settings: CaptureSettings) -> None:
        self._settings = settings
        self._namespace = NetworkNamespace(settings.netns)
        self._monitor = InterfaceMonitor()
        self._object: Object | None = None
        self._ring: RingBuffer | None = None
        self._own: OwnConnections | None = None
        self._attacher: Attacher | None = None
        self._attached: dict[int, tuple[Attachment, list[Link]]] = {}
        self._on_interface: Callable[[int, str], None] = lambda _ifindex, _name: None

    @property
    def ring(self) -> RingBuffer:
        """Where the records come from; one consumer only."""
        if self._ring is None:
            raise RuntimeError("the capture is not open")
        return self._ring

    @property
    def attached(self) -> tuple[Attachment, ...]:
        """What is attached now."""
        return tuple(attachment for attachment, _ in self._attached.values())

    def open(self) -> None:
        """Check interfaces and privileges, load the programs; nothing is attached yet."""
        settings = self._settings
        try:
            self._namespace.open()
            with self._namespace.entered():
                self._monitor.open()
            self._check_interfaces()
            needed = needed_capabilities(settings.hook, other_namespace=settings.netns is not None)
            require_capabilities(needed, f"capturing with {_HOOK_NAMES[settings.hook]}")
            switches = Switches(
                wakeup_bytes=settings.wakeup_bytes,
                exclude_own=settings.exclude_own,
                socket_ingress="ingress" in settings.directions,
                socket_egress="egress" in settings.directions,
            )
            self._object = load(capture_programs(settings), settings.ring_bytes, switches)
            self._ring = RingBuffer(self._object.maps["events"])
            self._own = OwnConnections(self._object.maps["own_connections"])
            self._attacher = Attacher(settings, self._object)
        except PybpfError as error:
            self.close()
            raise explain(error) from error
        except BaseException:
            self.close()
            raise

    async def start(self, on_interface: Callable[[int, str], None]) -> None:
        """Attach to the interfaces that match, and to those that will.

        `on_interface` is called with index and name before the first packet of an interface can
        be seen, and again when its name changes. An interface that was asked for by its name must
        work; of those that match a pattern at least one.
        """
        self._on_interface = on_interface
        try:
            failures = self._attach_matching()
        except BaseException:
            await self.detach()
            raise
        for failure in failures:
            _log.warning(failure.message)
        if not self._attached:
            _log.warning(
                "no interface matches yet: waiting for one",
                patterns=", ".join(self._settings.interfaces),
            )
        self._monitor.follow(self._changed, self._gone)

    def set_own_connections(self, connections: Iterable[Connection]) -> None:
        """Leave out exactly these connections of our own from now on."""
        if self._own is not None and self._settings.exclude_own:
            self._own.set(connections)

    def counters(self) -> KernelCounters:
        """What the programs have counted since they were loaded; also after detach()."""
        if self._object is None or self._ring is None:
            raise RuntimeError("the capture is not open")
        return read_counters(self._object, self._ring)

    async def detach(self) -> None:
        """Stop capturing: when it returns, no program runs any more and no record is added."""
        self._monitor.close()
        if self._own is not None:
            self._own.close()
        if self._attached:
            with self._namespace.entered():
                for ifindex in list(self._attached):
                    self._release(ifindex)
            await asyncio.to_thread(wait_for_running_programs)

    def close(self) -> None:
        """Give back ring and programs; may be called twice, and without detach()."""
        self._monitor.close()
        if self._attached:
            with self._namespace.entered():
                for ifindex in list(self._attached):
                    self._release(ifindex)
        if self._own is not None:
            self._own.close()
        if self._ring is not None:
            self._ring.close()
            self._ring = None
        if self._object is not None:
            self._object.close()
            self._object = None
        self._namespace.close()

    # ---------------------------------------------------------- interfaces
    def _check_interfaces(self) -> None:
        """Every plain name must exist; a pattern may match later."""
        names = sorted(interface.name for interface in self._monitor.interfaces.values())
        there = f"there are {', '.join(names)}" if names else "there are none here"
        if not self._settings.interfaces:
            raise UsageError("no interface to capture: name one with -i", hint=there)
        for wanted in self._settings.interfaces:
            if not is_pattern(wanted) and wanted not in names:
                raise UsageError(f"there is no interface {wanted}", hint=there)

    def _attach_matching(self) -> list[StreamerError]:
        """Attach to what matches now; give what is forgiven because others work."""
        failures: list[StreamerError] = []
        with self._namespace.entered():
            for interface in list(self._monitor.interfaces.values()):
                if not matches(interface.name, self._settings.interfaces):
                    continue
                try:
                    self._attach(interface)
                except StreamerError as error:
                    if interface.name in self._settings.interfaces:
                        raise
                    failures.append(error)
        if failures and not self._attached:
            raise failures[0]
        return failures

    def _changed(self, interface: Interface) -> None:
        """Join an interface that is new or has a new name; pass a new name on.

        One that is captured stays so under whatever name.
        """
        known = self._attached.get(interface.ifindex)
        if known is not None:
            attachment, links = known
            if attachment.interface != interface.name:
                _log.info("interface renamed", old=attachment.interface, new=interface.name)
                self._on_interface(interface.ifindex, interface.name)
                renamed = replace(attachment, interface=interface.name)
                self._attached[interface.ifindex] = (renamed, links)
            return
        if not matches(interface.name, self._settings.interfaces):
            return
        try:
            with self._namespace.entered():
                self._attach(interface)
        except StreamerError as error:
            _log.warning("an interface cannot join", interface=interface.name, error=error.message)
        else:
            _log.info("interface joined", interface=interface.name)

    def _gone(self, interface: Interface) -> None:
        if interface.ifindex in self._attached:
            _log.info("interface disappeared", interface=interface.name)
            with self._namespace.entered():
                self._release(interface.ifindex)

    def _attach(self, interface: Interface) -> None:
        if self._attacher is None:
            raise RuntimeError("the capture is not open")
        self._on_interface(interface.ifindex, interface.name)
        self._attached[interface.ifindex] = self._attacher.attach(interface)

    def _release(self, ifindex: int) -> None:
        _, links = self._attached.pop(ifindex)
        for link in links:
            try:
                link.close()
            except PybpfError as error:  # as with a device that is gone: nothing is left there
                _log.debug("closing an attachment", ifindex=ifindex, error=str(error))
