# SPDX-License-Identifier: Apache-2.0
"""Programs onto one interface, by the hook and the way the settings and the kernel choose."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pybpf import (
    PybpfError,
    attach_clsact,
    attach_socket_filter,
    attach_tcx,
    attach_xdp,
    features,
    sweep_clsact,
    xdp_mode,
)
from streamer.capture.programs import explain
from streamer.errors import CaptureError
from streamer.observe.logs import get_logger

if TYPE_CHECKING:
    from pybpf import Link, Object
    from streamer.capture.interfaces import Interface
    from streamer.config import CaptureSettings

_log = get_logger("streamer.capture")
_TC_PROGRAMS = "tc_"  # how their names begin


@dataclass(frozen=True, slots=True)
class Attachment:
    """What was attached where."""

    interface: str
    ifindex: int
    hook: str  # tc, xdp, socket
    mechanism: str  # tcx, clsact, native, generic, packet socket
    directions: tuple[str, ...]


class Attacher:
    """Attaches the programs of one loaded object; call it in the interface's namespace."""

    def __init__(self, settings: CaptureSettings, loaded: Object) -> None:
        self._settings = settings
        self._programs = loaded.programs

    def attach(self, interface: Interface) -> tuple[Attachment, list[Link]]:
        """Attach all programs the mode needs on this interface, or none."""
        if interface.unsupported:
            raise CaptureError(f"{interface.name} cannot be captured: {interface.unsupported}")
        with ExitStack() as attached:
            try:
                mechanism, links = self._attach(interface, attached)
            except PybpfError as error:
                raise explain(error) from error
            attached.pop_all()
        attachment = Attachment(
            interface=interface.name,
            ifindex=interface.ifindex,
            hook=self._settings.hook,
            mechanism=mechanism,
            directions=self._settings.directions,
        )
        return attachment, links

    def _attach(self, interface: Interface, attached: ExitStack) -> tuple[str, list[Link]]:
        suffix = "" if interface.has_link_layer else "_l3"
        if self._settings.hook == "xdp":
            return self._attach_xdp(interface, f"xdp_ingress{suffix}", attached)
        if self._settings.hook == "socket":
            program = self._programs[f"socket_filter{suffix}"]
            link = attach_socket_filter(program, interface.ifindex)
            return "packet socket", [attached.enter_context(link)]
        return self._attach_tc(interface, suffix, attached)

    def _attach_xdp(
        self, interface: Interface, program: str, attached: ExitStack
    ) -> tuple[str, list[Link]]:
        mode: Literal["auto", "native", "generic"] = self._settings.xdp_mode
        if interface.kind == "veth":
            if mode == "native":
                _log.warning(
                    "native XDP turns off the segmentation offload of a veth's peer: its "
                    "throughput can fall to a quarter",
                    interface=interface.name,
                )
            elif mode == "auto":
                mode = "generic"  # for that reason
        link = attach_xdp(self._programs[program], interface.ifindex, mode)
        attached.enter_context(link)
        return xdp_mode(interface.ifindex) or mode, [link]

    def _attach_tc(
        self, interface: Interface, suffix: str, attached: ExitStack
    ) -> tuple[str, list[Link]]:
        mechanism = self.tc_mechanism()
        removed = sweep_clsact(interface.ifindex, _TC_PROGRAMS)
        if removed:
            _log.info(
                "filters that a dead process had left are removed",
                interface=interface.name,
                filters=removed,
            )
        links: list[Link] = []
        for direction in self._settings.directions:
            program = self._programs[f"tc_{direction}{suffix}"]
            if mechanism == "tcx":
                link = attach_tcx(program, interface.ifindex, direction)
            else:
                link = attach_clsact(program, interface.ifindex, direction)
            links.append(attached.enter_context(link))
        return mechanism, links

    def tc_mechanism(self) -> Literal["tcx", "clsact"]:
        """What TC programs are attached by; an error when the kernel lacks what was forced."""
        if self._settings.tc_attach == "clsact":
            return "clsact"
        if self._settings.tc_attach == "tcx":
            features.require("tcx")
            return "tcx"
        return "tcx" if features.has_tcx() else "clsact"
