# SPDX-License-Identifier: Apache-2.0
"""The program: its commands, and how each kind of error ends it."""

import contextlib
import functools
import inspect
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from streamer.cli import clickhouse, elasticsearch, kibana
from streamer.cli.config import config
from streamer.cli.demo import demo
from streamer.cli.doctor import doctor
from streamer.cli.health import health
from streamer.cli.options import EXIT_CODES
from streamer.cli.replay import replay
from streamer.cli.run import run
from streamer.cli.schema import schema
from streamer.cli.tail import tail
from streamer.errors import ExitCode, StreamerError

app = typer.Typer(
    name="streamer",
    add_completion=False,
    rich_markup_mode=None,  # loading rich would double the time of --help
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _quiet_when_unread(command: Callable[..., None]) -> Callable[..., None]:
    """A reader that has had enough of our output (`| head`) ends a command, and is no error."""

    @functools.wraps(command)
    def wrapped(*arguments: object, **options: object) -> None:
        try:
            command(*arguments, **options)
        except BrokenPipeError:
            raise typer.Exit(ExitCode.DONE) from None

    return wrapped


def _add(command: Callable[..., None], to: typer.Typer = app) -> None:
    help_text = f"{inspect.getdoc(command)}\n\n{EXIT_CODES}"
    to.command(help=help_text)(_quiet_when_unread(command))


def _group(name: str, about: str) -> typer.Typer:
    """Commands that begin with the same word."""
    group = typer.Typer(help=about)
    app.add_typer(group, name=name)
    return group


for command in (run, tail, replay, demo, config, doctor, health, schema):
    _add(command)
_add(clickhouse.apply, to=_group("clickhouse", "ClickHouse, as a reader of the events."))
about = "Elasticsearch or OpenSearch, as a reader of the events."
_add(elasticsearch.apply, to=_group("elasticsearch", about))
_add(kibana.apply, to=_group("kibana", "Dashboards and searches for Kibana."))


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"streamer {version('streamer')}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _streamer(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show where an error came from.")] = False,
) -> None:
    """Network packets, seen by eBPF, as events in Kafka.

    Examples:

    \b
    streamer demo                                  see it work on real traffic
    streamer doctor -i eth0 --kafka broker:9092    will it work here?
    streamer run -i eth0 --kafka broker:9092       capture until stopped
    streamer tail --kafka broker:9092              the events as they come
    streamer replay capture.pcap | head            a capture file's events
    """
    del version
    context.obj = debug
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(ExitCode.USAGE)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; every end is an exit code, and every error a sentence."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    debug = arguments[:1] == ["--debug"]
    try:
        code = _run(arguments)
    except BaseException as error:  # noqa: BLE001 - the last place that can say it decently
        if debug and not isinstance(error, KeyboardInterrupt | SystemExit):
            traceback.print_exc()
        code = _tell(error)
    _flush()
    return code


def _run(arguments: Sequence[str]) -> int:
    result = typer.main.get_command(app).main(
        args=list(arguments), prog_name="streamer", standalone_mode=False
    )
    return int(result or ExitCode.DONE)


def _tell(error: BaseException) -> int:
    """Say what happened on standard error; the exit code it means."""
    message, hint, code = _explain(error)
    with contextlib.suppress(OSError, ValueError):
        if message:
            print(f"streamer: {message}", file=sys.stderr)  # noqa: T201
        for line in (hint or "").splitlines():
            print(f"  {line}", file=sys.stderr)  # noqa: T201
    return code


def _explain(error: BaseException) -> tuple[str, str | None, int]:
    """The sentence, what to do, and the exit code of an error."""
    match error:
        case StreamerError():
            told = error.message, error.hint, int(error.exit_code)
        case typer.TyperException():
            told = _usage(error)
        case KeyboardInterrupt() | typer.Abort():
            told = "", None, int(ExitCode.INTERRUPTED)
        case SystemExit():
            told = "", None, error.code if isinstance(error.code, int) else int(ExitCode.FAILED)
        case OSError():
            told = _from_system(error), None, int(ExitCode.FAILED)
        case _:
            told = _from_pybpf(error) or _bug(error)
    return told


def _usage(error: typer.TyperException) -> tuple[str, str | None, int]:
    """A wrong command line, in the words of the library that parsed it."""
    sentence = getattr(error, "format_message", error.__str__)()
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "streamer"
    message = sentence.strip().removesuffix(".")
    return message[:1].lower() + message[1:], f"see {path} --help", ExitCode.USAGE


def _from_system(error: OSError) -> str:
    said = error.strerror or str(error) or type(error).__name__
    return f"{error.filename}: {said}" if error.filename is not None else said


def _from_pybpf(error: BaseException) -> tuple[str, str | None, int] | None:
    if "pybpf" not in sys.modules:
        return None
    from pybpf.errors import PermissionDenied, PybpfError

    if not isinstance(error, PybpfError):
        return None
    denied = isinstance(error, PermissionDenied)
    return error.message, error.hint, ExitCode.MISSING_PRIVILEGE if denied else ExitCode.FAILED


def _bug(error: BaseException) -> tuple[str, str | None, int]:
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    said = " ".join(str(error).split())
    message = f"internal error: {type(error).__name__}: {said}{place}"
    return message, "this is a bug; `streamer --debug …` shows where, for a report", ExitCode.FAILED


def _flush() -> None:
    """Write what standard output still holds; nobody may be reading any more."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        # The interpreter would try again at its end, and complain.
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
