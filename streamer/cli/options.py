# SPDX-License-Identifier: Apache-2.0
"""Options that several commands share, and what they become: settings."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from streamer.config import CaptureSettings

EXIT_CODES = (
    "Exit codes:\n\n"
    "\b\n"
    "0    done\n"
    "1    failed\n"
    "2    wrong usage or configuration; nothing was attached\n"
    "3    ended, but events were lost or left undelivered: the ledger says which\n"
    "77   a privilege is missing\n"
    "130  interrupted\n"
)

InterfaceOption = Annotated[
    list[str] | None,
    typer.Option(
        "--interface", "-i", metavar="NAME", help="Interface or shell pattern; may be repeated."
    ),
]
HookOption = Annotated[
    str | None,
    typer.Option("--hook", metavar="tc|xdp|socket", help="Where in the kernel; tc by default."),
]
XdpModeOption = Annotated[
    str | None,
    typer.Option(
        "--xdp-mode", metavar="auto|native|generic", help="How XDP is attached; auto by default."
    ),
]
DirectionOption = Annotated[
    str | None,
    typer.Option(
        "--direction",
        metavar="ingress|egress|both",
        help="Which packets; both by default. XDP sees ingress only.",
    ),
]
NetnsOption = Annotated[
    Path | None,
    typer.Option("--netns", metavar="PATH", help="Network namespace, such as /run/netns/NAME."),
]
KafkaOption = Annotated[
    str | None,
    typer.Option("--kafka", metavar="HOST:PORT,…", help="Brokers; localhost:9092 by default."),
]
TopicOption = Annotated[
    str | None, typer.Option("--topic", metavar="NAME", help="packets.v1 by default.")
]
OutputOption = Annotated[
    str | None,
    typer.Option("--output", "-o", metavar="-|FILE", help="JSON lines there, in place of Kafka."),
]
ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        metavar="FILE",
        help="TOML; /etc/streamer/streamer.toml by default, if it is there.",
    ),
]
LedgerOption = Annotated[
    Path | None, typer.Option("--ledger", metavar="FILE", help="Write the final ledger as JSON.")
]
# of the commands that change a reader's server
UserOption = Annotated[
    str | None, typer.Option("--user", metavar="NAME", help="As whom; its password is secret.")
]
PasswordFileOption = Annotated[
    Path | None,
    typer.Option("--password-file", metavar="FILE", help="The user's password is there."),
]
ApiKeyFileOption = Annotated[
    Path | None,
    typer.Option(
        "--api-key-file", metavar="FILE", help="An API key, encoded, is there; in place of a user."
    ),
]
CaFileOption = Annotated[
    Path | None,
    typer.Option("--ca-file", metavar="FILE", help="Who signed the server's certificate."),
]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Say what would be done, and change nothing.")
]
YesOption = Annotated[bool, typer.Option("--yes", help="Do it without asking.")]


def overrides(
    *,
    interface: list[str] | None = None,
    hook: str | None = None,
    xdp_mode: str | None = None,
    direction: str | None = None,
    netns: Path | None = None,
    kafka: str | None = None,
    topic: str | None = None,
    output: str | None = None,
) -> dict[str, dict[str, Any]]:
    """The settings that flags give, by section and key; None: not given."""
    return {
        "capture": {
            "interfaces": interface or None,
            "hook": hook,
            "xdp_mode": xdp_mode,
            "direction": direction,
            "netns": netns,
        },
        "kafka": {"bootstrap_servers": kafka, "topic": topic},
        "output": {"file": output},
    }


def refuse_both(first: str, a: object, second: str, b: object) -> None:
    """Two options that contradict each other."""
    if a is not None and b is not None:
        from streamer.errors import UsageError

        raise UsageError(f"{first} and {second} contradict each other", "give one of them")


def require_somebody_to_ask(*, dry_run: bool, yes: bool) -> None:
    """Refuse a change that nobody could agree to, or that is wanted and not wanted."""
    refuse_both("--dry-run", dry_run or None, "--yes", yes or None)
    if not (dry_run or yes or sys.stdin.isatty()):
        from streamer.errors import UsageError

        raise UsageError("nobody is here to be asked", "give --yes, or --dry-run")


def secret(option: str, file: Path | None, variable: str) -> str | None:
    """What is in the file, else in the environment variable; None: nowhere."""
    if file is None:
        return os.environ.get(variable) or None
    from streamer.errors import UsageError

    try:
        return file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise UsageError(f"{option} {file}: {error.strerror}") from None
    except ValueError:
        raise UsageError(f"{option} {file} is not text") from None


def require_writable(option: str, file: Path | None) -> None:
    """Refuse, before anything is attached, a file that could not be written at the end."""
    if file is None:
        return
    from streamer.errors import UsageError

    directory = file.parent
    if file.is_dir():
        raise UsageError(f"{option} {file} is a directory, not a file")
    if not directory.is_dir():
        raise UsageError(f"{option}: there is no directory {directory}")
    if not os.access(file if file.exists() else directory, os.W_OK):
        raise UsageError(f"{option}: no permission to write {file}")


def require_interfaces(capture: "CaptureSettings") -> None:
    """Refuse a run without interfaces, or with one that does not exist, and list what there is.

    A shell pattern may match nothing yet: interfaces that come later join.
    """
    from streamer.capture.interfaces import is_pattern, list_interfaces
    from streamer.capture.namespace import network_namespace
    from streamer.errors import UsageError

    with network_namespace(capture.netns):
        present = list_interfaces()
    names = [interface.name for interface in present]
    where = f" in {capture.netns}" if capture.netns else ""
    hint = f"interfaces{where}: {', '.join(names)}" if names else f"there is no interface{where}"
    if not capture.interfaces:
        raise UsageError("which interface? give -i NAME, or capture.interfaces", hint)
    for wanted in capture.interfaces:
        if not is_pattern(wanted) and wanted not in names:
            raise UsageError(f"there is no interface {wanted}", hint)
