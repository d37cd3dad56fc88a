# SPDX-License-Identifier: Apache-2.0
"""One finding, and how a list of checks is run."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from pybpf.errors import PybpfError
from streamer.config import Settings
from streamer.errors import StreamerError

Status = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Check:
    """What was looked at, how it is, and what to do about it."""

    name: str
    status: Status
    detail: str
    cure: str | None = None


Checks = Callable[[Settings], Iterable[Check]]


def run_checks(settings: Settings, checks: Iterable[Checks]) -> Iterator[Check]:
    """Every finding as it is made; a check that can't be made is a finding too."""
    for check in checks:
        name = check.__name__.replace("_", " ")
        try:
            yield from check(settings)
        except (StreamerError, PybpfError) as error:
            yield Check(name, "fail", error.message, error.hint)
        except Exception as error:  # noqa: BLE001 - a doctor must not fall ill
            yield Check(name, "fail", f"{type(error).__name__}: {error}", "please report this")
