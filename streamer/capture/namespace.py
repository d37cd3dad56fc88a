# SPDX-License-Identifier: Apache-2.0
"""Enter another network namespace for one synchronous section."""

from __future__ import annotations

import ctypes
import errno
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from streamer.errors import CaptureError, MissingPrivilege

if TYPE_CHECKING:
    from collections.abc import Iterator

_CLONE_NEWNET = 0x40000000
_NAMED_NAMESPACES = Path("/run/netns")  # where `ip netns` keeps them
_libc = ctypes.CDLL(None, use_errno=True)


@contextmanager
def network_namespace(path: Path | None) -> Iterator[None]:
    """Run the body in the network namespace at `path`; None stays where we are.

    A thread's namespace is switched, so the body must not await. Sockets made inside stay there.
    """
    if path is None:
        yield
        return
    target = _open(path)
    try:
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        os.close(target)
        raise
    try:
        _enter(target, path)
        try:
            yield
        finally:
            if _libc.setns(home, _CLONE_NEWNET) != 0:  # nothing after this could be trusted
                code = ctypes.get_errno()
                raise CaptureError(f"cannot leave network namespace {path}: {os.strerror(code)}")
    finally:
        os.close(home)
        os.close(target)


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        named = _NAMED_NAMESPACES / path.name
        hint = (
            f"did you mean {named}?" if named.exists() else "`ip netns` keeps its own in /run/netns"
        )
        raise CaptureError(f"there is no network namespace at {path}", hint=hint) from None
    except PermissionError:
        raise MissingPrivilege(f"no permission to open network namespace {path}") from None
    except OSError as error:
        raise CaptureError(
            f"cannot open network namespace {path}: {os.strerror(error.errno or 0)}"
        ) from None


def _enter(descriptor: int, path: Path) -> None:
    if _libc.setns(descriptor, _CLONE_NEWNET) == 0:
        return
    code = ctypes.get_errno()
    if code == errno.EPERM:
        raise MissingPrivilege(
            f"entering network namespace {path} needs CAP_SYS_ADMIN",
            hint="or start streamer inside it: ip netns exec NAME streamer run ...",
        )
    if code == errno.EINVAL:
        raise CaptureError(f"{path} is not a network namespace")
    raise CaptureError(f"cannot enter network namespace {path}: {os.strerror(code)}")
