# SPDX-License-Identifier: Apache-2.0
"""Who sent an event: the two agent identifiers of the identity triple."""

import hashlib
import secrets
from pathlib import Path

_MACHINE_ID = Path("/etc/machine-id")
# Of our own, so that the machine's id itself never leaves it (machine-id(5)).
_APPLICATION = b"streamer agent.id"
# 12 characters of 5 bits: unique among any number of agents one will ever have, and short, since
# both ids are in every event.
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_LENGTH = 12


def agent_id(configured: str | None) -> str:
    """Return the id that is stable per installation.

    The configured one, or one derived from /etc/machine-id. A machine without either gets a
    random one: its events are still told apart, but not across restarts.
    """
    if configured:
        return configured
    try:
        machine_id = _MACHINE_ID.read_bytes().strip()
    except OSError:
        machine_id = b""
    if not machine_id:
        return new_ephemeral_id()
    return short_id(hashlib.blake2b(machine_id, key=_APPLICATION).digest())


def new_ephemeral_id() -> str:
    """Return a new id, one for each pump and start."""
    return short_id(secrets.token_bytes(_LENGTH))


def short_id(digest: bytes) -> str:
    """Return 12 characters that stand for the first 12 bytes of a digest."""
    return "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in digest[:_LENGTH])
