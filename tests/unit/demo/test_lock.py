# SPDX-License-Identifier: Apache-2.0
"""One demo at a time, and what a second one is told of the first."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.demo import lock
from streamer.demo.kept import Kept, Result
from streamer.demo.lock import Occupied, State, exclusive

if TYPE_CHECKING:
    from pathlib import Path

KEPT = Kept(
    folder="/tmp/a demo",  # noqa: S108 - only a name
    client_netns="/run/netns/client",
    server="192.0.2.2",
    broker="127.0.0.1:20001",
    clickhouse="http://127.0.0.1:20002",
    password="fresh",  # noqa: S106
    metrics="http://127.0.0.1:20003/metrics",
)
RESULT = Result(ledger={"lost": 0}, rows=7)


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "lock"
    monkeypatch.setattr(lock, "LOCK", path)
    return path


def test_a_second_one_is_told_who_has_the_stage(file: Path) -> None:
    with exclusive():
        assert file.stat().st_mode & 0o777 == 0o600
        with pytest.raises(Occupied, match="another demo is running") as refused, exclusive():
            pass
        assert refused.value.state == State(os.getpid())
        assert f"(process {os.getpid()})" in refused.value.message
        assert refused.value.hint == "wait until it has ended, or interrupt it"
    assert not file.exists()
    with exclusive():
        pass


def test_of_a_kept_one_it_is_told_how_to_look_at_it() -> None:
    with exclusive() as held:
        held.note(kept=KEPT)
        with pytest.raises(Occupied, match="another demo is kept") as refused, exclusive():
            pass
        assert refused.value.state == State(os.getpid(), KEPT)
        assert refused.value.hint == KEPT.instructions()


def test_a_result_is_there_until_it_was_told(file: Path) -> None:
    with exclusive() as held:
        held.note(kept=KEPT)
        held.note(result=RESULT)
    with exclusive() as held:
        assert held.left == State(os.getpid(), KEPT, RESULT)
    assert not file.exists()


def test_what_a_killed_one_left_is_no_lock(file: Path) -> None:
    file.write_bytes(b'{"process_id":12345,"kept":null,"result":null}')
    with exclusive() as held:
        assert held.left == State(12345)
    assert not file.exists()


@given(st.binary() | st.sampled_from([b"null", b"[]", b"12345\n", b'{"process_id":1,"kept":{}}']))
def test_what_is_no_state_is_none(text: bytes) -> None:
    assert State.parse(text) is None


def test_instructions_can_be_copied_whatever_the_paths_are() -> None:
    lines = KEPT.instructions().splitlines()
    assert "  tail -n 5 '/tmp/a demo'/*.log '/tmp/a demo'/*/*.log" in lines
    assert lines[-1].endswith(" demo --down")
