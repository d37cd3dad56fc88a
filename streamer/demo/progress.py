# SPDX-License-Identifier: Apache-2.0
"""What the demo is doing: a line per step, with a spinner while it lasts on a terminal."""

from __future__ import annotations

import contextlib
import io
import sys
import time
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

if TYPE_CHECKING:
    from collections.abc import Iterator


class Screen(Console):
    """Standard output; when its reader is gone, an error as any other, which cleans up."""

    def __init__(self) -> None:
        super().__init__()
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="replace")  # a terminal without bars shows question marks

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


class Steps:
    """The steps of a demo, some at the same time."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )

    @contextlib.contextmanager
    def shown(self) -> Iterator[None]:
        """Show steps while in here."""
        with self._progress:
            yield

    @contextlib.contextmanager
    def step(self, doing: str, done: str) -> Iterator[None]:
        """One step: a spinner while it lasts, a line when it is done."""
        start = time.monotonic()
        task = self._progress.add_task(doing)
        try:
            yield
        finally:
            self._progress.remove_task(task)
        seconds = time.monotonic() - start
        self._console.print(f"[green]✓[/green] {done} [dim]{seconds:.1f} s[/dim]", highlight=False)
