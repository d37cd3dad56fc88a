# SPDX-License-Identifier: Apache-2.0
"""What is swept, and signals that cancel and then wait for the cleaning up."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from streamer.demo import stage
from streamer.errors import StreamerError

if TYPE_CHECKING:
    from pathlib import Path

INTERRUPTED = """
import asyncio, os, signal
from streamer.demo.stage import Interrupts

async def main(interrupts):
    try:
        with interrupts.cancelling():
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.sleep(60)
    finally:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.sleep(0.05)
        print("cleaned", flush=True)

interrupts = Interrupts()
interrupts.catch()
try:
    asyncio.run(main(interrupts))
except asyncio.CancelledError:
    print("cancelled", interrupts.happened, flush=True)
"""
BEFORE_THE_TASK = """
import asyncio, os, signal
from streamer.demo.stage import Interrupts

async def main(interrupts):
    with interrupts.cancelling():
        await asyncio.sleep(60)

interrupts = Interrupts()
interrupts.catch()
os.kill(os.getpid(), signal.SIGHUP)
try:
    asyncio.run(main(interrupts))
except asyncio.CancelledError:
    print("cancelled", flush=True)
"""


def test_folders_of_others_are_not_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr("streamer.demo.network.FOLDER", tmp_path / "no namespaces")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/file").touch()
    (tmp_path / "streamer-demo-link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "streamer-demo-old/kafka").mkdir(parents=True)
    (tmp_path / "other").mkdir()
    assert stage.sweep() == [tmp_path / "streamer-demo-old"]
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "elsewhere",
        "other",
        "streamer-demo-link",
    ]
    assert (tmp_path / "elsewhere/file").exists()


@pytest.mark.parametrize(
    ("program", "expected"),
    [(INTERRUPTED, "cleaned\ncancelled True\n"), (BEFORE_THE_TASK, "cancelled\n")],
    ids=["in the task", "before the task"],
)
def test_a_signal_cancels_and_further_ones_wait(program: str, expected: str) -> None:
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=20, check=False
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, expected, "")


async def test_of_jobs_at_once_the_first_error_counts_and_ends_the_others() -> None:
    from streamer.demo.run import _together

    ended = []

    async def fails() -> None:
        await asyncio.sleep(0)
        raise StreamerError("no")

    async def waits() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(True)

    with pytest.raises(StreamerError, match="no"):
        await _together(waits(), fails())
    assert ended == [True]
