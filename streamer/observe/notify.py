# SPDX-License-Identifier: Apache-2.0
"""Tells the service manager how far we are: the sd_notify protocol (systemd's Type=notify)."""

from __future__ import annotations

import os
import socket

from streamer.observe.logs import get_logger

log = get_logger(__name__)

VARIABLE = "NOTIFY_SOCKET"
TIMEOUT_S = 1.0  # a manager that does not read must not hold the loop for longer


def notify(**state: str) -> None:
    """Send assignments such as READY="1"; nothing without a manager that asked for them."""
    address = os.environ.get(VARIABLE)
    if not address:
        return
    if address.startswith("@"):  # how the variable spells an abstract address
        address = "\0" + address[1:]
    message = "\n".join(f"{name}={' '.join(value.split())}" for name, value in state.items())
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.settimeout(TIMEOUT_S)
            manager.sendto(message.encode(), address)
    except OSError as error:
        log.warning("the service manager was not told", state=message, reason=str(error))
