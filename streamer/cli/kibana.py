# SPDX-License-Identifier: Apache-2.0
"""`streamer kibana`"""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from streamer.cli.options import (
    ApiKeyFileOption,
    CaFileOption,
    DryRunOption,
    PasswordFileOption,
    UserOption,
    YesOption,
    refuse_both,
    require_somebody_to_ask,
    secret,
)
from streamer.errors import ExitCode

if TYPE_CHECKING:
    from streamer.kibana import Kibana

PASSWORD_VARIABLE = "STREAMER_KIBANA_PASSWORD"  # noqa: S105 - its name
API_KEY_VARIABLE = "STREAMER_KIBANA_API_KEY"


def apply(
    url: Annotated[
        str,
        typer.Option("--url", metavar="URL", help="Its address, base path and all."),
    ],
    user: UserOption = None,
    password_file: PasswordFileOption = None,
    api_key_file: ApiKeyFileOption = None,
    ca_file: CaFileOption = None,
    space: Annotated[
        str, typer.Option("--space", metavar="NAME", help="A space other than the default one.")
    ] = "",
    dry_run: DryRunOption = False,
    yes: YesOption = False,
) -> None:
    """Import the data views, saved searches and dashboards into Kibana.

    What was imported before is replaced, with what was changed in it since; other objects are left
    alone. Kibana 8.9 or newer. Exits with 1 if Kibana refuses an object, and names each.

    The password is read from a file or from the variable STREAMER_KIBANA_PASSWORD, an API key from
    a file or from STREAMER_KIBANA_API_KEY.

    Examples:

    \b
    streamer kibana apply --url http://localhost:5601 --dry-run
    streamer kibana apply --url http://localhost:5601 --space network --yes
    STREAMER_KIBANA_PASSWORD=… streamer kibana apply --yes \\
        --url https://kibana:5601 --user elastic --ca-file http_ca.crt
    """
    import asyncio

    from streamer.kibana import Kibana

    require_somebody_to_ask(dry_run=dry_run, yes=yes)
    refuse_both("--user", user, "--api-key-file", api_key_file)
    kibana = Kibana(
        url,
        space=space,
        user=user,
        password=secret("--password-file", password_file, PASSWORD_VARIABLE),
        api_key=None if user else secret("--api-key-file", api_key_file, API_KEY_VARIABLE),
        ca_file=ca_file,
    )
    complete = asyncio.run(_apply(kibana, dry_run=dry_run, ask=not yes))
    raise typer.Exit(ExitCode.DONE if complete else ExitCode.FAILED)


async def _apply(kibana: "Kibana", *, dry_run: bool, ask: bool) -> bool:
    """Whether Kibana took all that it was given."""
    from streamer.schema.kibana.objects import render, saved_objects

    version = await kibana.version()
    if dry_run or ask:
        for one in saved_objects():
            typer.echo(f"{one['type']:<14} {one['id']:<36} {_title(one)}")
        typer.echo(f"to be imported into Kibana {version}")
    if dry_run:
        return True
    if ask:
        typer.confirm("go ahead?", abort=True)
    count, refused = await kibana.import_objects(render())
    typer.echo(f"{count} objects imported into Kibana {version}")
    for refusal in refused:
        typer.echo(f"not imported: {refusal.kind} {refusal.identity}: {refusal.reason}", err=True)
    return not refused


def _title(one: dict[str, Any]) -> str:
    attributes = one["attributes"]
    return str(attributes.get("name", attributes["title"]))
