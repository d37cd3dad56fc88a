# SPDX-License-Identifier: Apache-2.0
"""Who sent an event: the two agent identifiers of the identity triple."""

import secrets
import uuid
from pathlib import Path

_MACHINE_ID = Path("/etc/machine-id")
# A fixed namespace of our own, so that the machine's id itself never leaves it (machine-id(5)).
_NAMESPACE = uuid.UUID("5b0c1f5e-52a5-4d0e-9c62-3f8d1b1f7a11")
# 12 characters of 5 bits: enough that two starts of one agent never share an id.
_EPHEMERAL_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_EPHEMERAL_LENGTH = 12


def agent_id(configured: str | None) -> str:
    """Return the id that is stable per installation.

    The configured one, or one derived from /etc/machine-id. A machine without either gets a
    random one: its events are still told apart, but not across restarts.
    """
    if configured:
        return configured
    try:
        machine_id = _MACHINE_ID.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        machine_id = ""
    return str(uuid.uuid5(_NAMESPACE, machine_id) if machine_id else uuid.uuid4())


def new_ephemeral_id() -> str:
    """Return a new 12-character id, one for each pump and start."""
    return "".join(secrets.choice(_EPHEMERAL_ALPHABET) for _ in range(_EPHEMERAL_LENGTH))
