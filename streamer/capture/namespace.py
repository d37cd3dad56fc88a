# SPDX-License-Identifier: Apache-2.0
"""Another network namespace, entered for synchronous sections."""

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


class NetworkNamespace:
    """The network namespace at a path, held open; for None the one we are in."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._descriptor = -1

    def open(self) -> None:
        """Hold the namespace: it can then be entered even when its name is gone."""
        if self._path is not None and self._descriptor < 0:
            self._descriptor = _open(self._path)

    def close(self) -> None:
        """Let it go; may be called twice."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Run the body inside; sockets made there stay there.

        The calling thread is switched, so the body must not await.
        """
        if self._path is None:
            yield
            return
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _enter(self._descriptor, self._path)
            try:
                yield
            finally:
                if _libc.setns(home, _CLONE_NEWNET) != 0:  # nothing later could be trusted
                    reason = os.strerror(ctypes.get_errno())
                    raise CaptureError(f"cannot leave network namespace {self._path}: {reason}")
        finally:
            os.close(home)


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        named = _NAMED_NAMESPACES / path.name
        hint = f"did you mean {named}?" if named.exists() else "`ip netns` keeps them in /run/netns"
        raise CaptureError(f"there is no network namespace at {path}", hint=hint) from None
    except PermissionError:
        raise MissingPrivilege(f"no permission to open network namespace {path}") from None
    except OSError as error:
        raise CaptureError(f"cannot open network namespace {path}: {error.strerror}") from None


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


@contextmanager
def network_namespace(path: Path | None) -> Iterator[None]:
    """Enter the namespace at a path once; for None stay where we are."""
    namespace = NetworkNamespace(path)
    namespace.open()
    try:
        with namespace.entered():
            yield
    finally:
        namespace.close()
