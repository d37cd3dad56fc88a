# SPDX-License-Identifier: Apache-2.0
"""`streamer health`"""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streamer.cli.options import ConfigOption
from streamer.errors import ExitCode, StreamerError, UsageError

if TYPE_CHECKING:
    from streamer.config import HttpSettings

TIMEOUT_S = 3.0


def health(
    ready: Annotated[
        bool, typer.Option("--ready", help="Also whether events arrive: /readyz, not /healthz.")
    ] = False,
    config: ConfigOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Ask the streamer that runs here how it is.

    Reads http.host and http.port where `streamer run` reads them. Exits with 1
    when something is wrong, and when nobody answers. Containers call it as their
    health check.

    Examples:

    \b
    streamer health
    streamer health --ready
    STREAMER_HTTP__PORT=9500 streamer health --json | jq .checks
    """
    from streamer.config import load_settings

    answer = _ask(load_settings(config).http, "/readyz" if ready else "/healthz")
    if as_json:
        typer.echo(json.dumps(answer, indent=2))
    else:
        for name, state in answer["checks"].items():
            typer.echo(f"{name}: {state}")
    if not answer["ok"]:
        raise typer.Exit(ExitCode.FAILED)


def _ask(settings: "HttpSettings", path: str) -> dict[str, Any]:
    """What the page says; it says it with status 503 when something is wrong."""
    from http.client import HTTPConnection, HTTPException

    if not settings.enabled:
        raise UsageError("http.enabled is false: there is nobody to ask")
    connection = HTTPConnection(settings.host, settings.port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", path)
        answer = json.loads(connection.getresponse().read())
        return {"ok": answer["ok"], "checks": dict(answer["checks"])}
    except (OSError, HTTPException, ValueError, KeyError, TypeError) as error:
        where = f"{settings.host}:{settings.port}"
        raise StreamerError(
            f"no streamer answers at {where}: {error}",
            hint="is `streamer run` running, with this http.host and http.port?",
        ) from error
    finally:
        connection.close()
