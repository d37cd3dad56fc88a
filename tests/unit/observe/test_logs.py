# SPDX-License-Identifier: Apache-2.0
"""Logs: readable or JSON, one path for every library, and never a flood."""

from __future__ import annotations

import io
import json
import logging
import warnings
from typing import Any

import pytest

from streamer.config import LogSettings
from streamer.observe import logs


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


pytestmark = pytest.mark.usefixtures("restored_logging")


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_json_where_there_is_no_terminal() -> None:
    stream = io.StringIO()
    logs.configure(LogSettings(), stream=stream)
    logs.get_logger("streamer.delivery").warning("broker is away", server="a:9092", attempt=3)
    (line,) = lines(stream)
    assert line.pop("@timestamp").endswith("Z")
    assert line == {
        "log.level": "warning",
        "message": "broker is away",
        "log.logger": "streamer.delivery",
        "server": "a:9092",
        "attempt": 3,
    }


def test_lines_for_people_on_a_terminal() -> None:
    stream = Terminal()
    logs.configure(LogSettings(), stream=stream)
    logs.get_logger("streamer.app").info("capturing", interface="eth0")
    logging.getLogger("aiokafka.conn").error("no route to %s", "a")
    first, second = stream.getvalue().splitlines()
    assert "capturing" in first
    assert "eth0" in first
    assert "streamer.app" not in first
    assert "no route to a" in second
    assert "aiokafka.conn" in second


@pytest.mark.parametrize(("form", "is_json"), [("json", True), ("console", False)])
def test_format_can_be_forced(form: Any, is_json: bool) -> None:
    stream = Terminal() if is_json else io.StringIO()
    logs.configure(LogSettings(format=form), stream=stream)
    logs.get_logger("streamer").info("hello")
    assert stream.getvalue().startswith("{") is is_json
    if not is_json:
        assert "\x1b" not in stream.getvalue()  # no colours but on a terminal


def test_level() -> None:
    stream = io.StringIO()
    logs.configure(LogSettings(level="error"), stream=stream)
    logs.get_logger("streamer").warning("hidden")
    logging.getLogger("aiokafka").warning("hidden")
    logs.get_logger("streamer").error("shown")
    assert [line["message"] for line in lines(stream)] == ["shown"]


def test_exceptions_and_odd_values_stay_on_one_line() -> None:
    stream = io.StringIO()
    logs.configure(LogSettings(), stream=stream)
    try:
        int("broken\nbadly")
    except ValueError:
        logs.get_logger("streamer").exception("failed", what={1: b"x"}, who=object)
    (line,) = lines(stream)
    assert "ValueError: invalid literal" in line["error.stack_trace"]


def test_warnings_are_logged() -> None:
    stream = io.StringIO()
    logs.configure(LogSettings(), stream=stream)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=True)
        warnings.warn("beware", stacklevel=1)
    assert "beware" in lines(stream)[0]["message"]


@pytest.mark.parametrize("library", [True, False])
def test_a_flood_is_cut_and_counted(library: bool) -> None:
    stream, clock = io.StringIO(), Clock()
    logs.configure(LogSettings(), stream=stream, clock=clock)

    def say(number: int) -> None:
        if library:
            logging.getLogger("aiokafka").error("cannot connect to %s", f"broker {number}")
        else:
            logs.get_logger("streamer").error("cannot connect to", broker=number)

    for number in range(100):
        say(number)
        clock.now += 0.01
    assert len(lines(stream)) == logs.BURST
    logs.get_logger("streamer").info("another kind is let through")
    assert len(lines(stream)) == logs.BURST + 1

    clock.now += logs.PERIOD_S
    say(100)
    summary, last = lines(stream)[logs.BURST + 1 :]
    assert summary["message"].startswith("95 more messages like this one in 11 s: cannot connect")
    assert summary["log.level"] == "error"
    assert "100" in json.dumps(last)


def test_the_count_is_told_at_the_end() -> None:
    stream, clock = io.StringIO(), Clock()
    logs.configure(LogSettings(), stream=stream, clock=clock)
    for _ in range(logs.BURST + 2):
        logs.get_logger("streamer").warning("again")
    (handler,) = (h for h in logging.getLogger().handlers if isinstance(h, logs.RateLimitedHandler))
    handler.close()
    assert lines(stream)[-1]["message"].startswith("2 more messages like this one")


def test_memory_is_bounded() -> None:
    stream, clock = io.StringIO(), Clock()
    logs.configure(LogSettings(), stream=stream, clock=clock)
    (handler,) = (h for h in logging.getLogger().handlers if isinstance(h, logs.RateLimitedHandler))
    for number in range(3 * logs.MAX_KINDS):
        logging.getLogger("library").error(f"formatted by itself: {number}")  # noqa: G004
    assert len(handler._kinds) <= logs.MAX_KINDS


def test_configured_twice_speaks_once() -> None:
    first, second = io.StringIO(), io.StringIO()
    logs.configure(LogSettings(), stream=first)
    logs.configure(LogSettings(), stream=second)
    logs.get_logger("streamer").info("once")
    assert first.getvalue() == ""
    assert len(lines(second)) == 1
