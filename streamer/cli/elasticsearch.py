# SPDX-License-Identifier: Apache-2.0
"""`streamer elasticsearch`"""

from typing import TYPE_CHECKING, Annotated

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

if TYPE_CHECKING:
    from streamer.elastic import Client, Plan

PASSWORD_VARIABLE = "STREAMER_ELASTICSEARCH_PASSWORD"  # noqa: S105 - its name
API_KEY_VARIABLE = "STREAMER_ELASTICSEARCH_API_KEY"


def apply(
    url: Annotated[
        str, typer.Option("--url", metavar="URL", help="The server.", show_default=False)
    ],
    user: UserOption = None,
    password_file: PasswordFileOption = None,
    api_key_file: ApiKeyFileOption = None,
    ca_file: CaFileOption = None,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
) -> None:
    """Make Elasticsearch or OpenSearch ready for the events: templates, lifecycle, pipelines.

    What is there already and right is left alone, so it may be run again after each upgrade.
    Your settings go into the component templates …@custom and the lifecycle policies: they are
    made once, and never written over.

    The password is read from a file or from the variable STREAMER_ELASTICSEARCH_PASSWORD, an API
    key from a file or from STREAMER_ELASTICSEARCH_API_KEY.

    Examples:

    \b
    streamer elasticsearch apply --url http://localhost:9200 --dry-run
    streamer elasticsearch apply --url http://localhost:9200 --yes
    STREAMER_ELASTICSEARCH_PASSWORD=… streamer elasticsearch apply --yes \\
        --url https://search:9200 --user elastic --ca-file http_ca.crt
    """
    import asyncio

    from streamer.elastic import Client

    require_somebody_to_ask(dry_run=dry_run, yes=yes)
    refuse_both("--user", user, "--api-key-file", api_key_file)
    client = Client(
        url,
        user=user,
        password=secret("--password-file", password_file, PASSWORD_VARIABLE),
        api_key=None if user else secret("--api-key-file", api_key_file, API_KEY_VARIABLE),
        ca_file=ca_file,
    )
    asyncio.run(_apply(client, dry_run=dry_run, ask=not yes))


async def _apply(client: "Client", *, dry_run: bool, ask: bool) -> None:
    from streamer.elastic import apply as carry_out
    from streamer.elastic import plan

    planned = await plan(client)
    _refuse(planned)
    _print_plan(client.url, planned)
    if dry_run or not planned.changes:
        return
    if ask and not typer.confirm("go ahead?"):
        typer.echo("nothing was changed")
        return
    await carry_out(client, planned)
    typer.echo(f"done: {len(planned.changes)} changed")
    for name in planned.streams:
        typer.echo(f"{name} follows them when it rolls over: POST {name}/_rollover")


def _refuse(planned: "Plan") -> None:
    from streamer.errors import StreamerError

    if not planned.obstacles:
        return
    first = planned.obstacles[0]
    if len(planned.obstacles) == 1:
        raise StreamerError(f"{first.what}; nothing was changed", first.advice)
    lines = [f"{obstacle.what}\n  {obstacle.advice}" for obstacle in planned.obstacles]
    raise StreamerError("nothing was changed, since", "\n".join(lines))


def _print_plan(url: str, planned: "Plan") -> None:
    typer.echo(url)
    for step in planned.steps:
        typer.echo(f"  {step.state:<10} {step.resource.path}")
    support = planned.support
    if not support.constant_keyword:
        typer.echo(
            "this server has no constant_keyword: "
            + (
                "ingest pipelines write event.dataset and its like into each document"
                if support.processors
                else "event.dataset and its like are found only if streamer writes them"
                " (encode.constants = true)"
            )
        )
    if not support.lifecycle:
        typer.echo("this server has no lifecycle policies: old backing indices are yours to delete")
