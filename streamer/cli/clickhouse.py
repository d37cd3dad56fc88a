# SPDX-License-Identifier: Apache-2.0
"""`streamer clickhouse`"""

import os
from pathlib import Path
from typing import Annotated

import typer

PASSWORD = "STREAMER_CLICKHOUSE_PASSWORD"  # noqa: S105 - where it is, not what it is


def apply(
    url: Annotated[
        str,
        typer.Option(
            "--url", metavar="URL", help="The server's HTTP interface.", show_default=False
        ),
    ],
    user: Annotated[str, typer.Option("--user", metavar="NAME")] = "default",
    password_file: Annotated[
        Path | None,
        typer.Option("--password-file", metavar="FILE", help=f"Or set {PASSWORD}."),
    ] = None,
    database: Annotated[str, typer.Option("--database", metavar="NAME")] = "streamer",
    broker: Annotated[
        str | None,
        typer.Option(
            "--broker",
            metavar="HOST:PORT,…",
            help="Kafka, as ClickHouse reaches it. Not needed where a consumer exists.",
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the SQL, do nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do it.")] = False,
) -> None:
    """Make ClickHouse's tables, or bring older ones to this version.

    Without --yes it only says what it would do. Rows of an older version are
    copied, and kept beside the new table; the consumers go on where they were.
    Tables that streamer did not make are never touched.

    Examples:

    \b
    streamer clickhouse apply --url http://localhost:8123 --broker kafka:9092 --dry-run
    streamer clickhouse apply --url http://localhost:8123 --broker kafka:9092 --yes
    streamer clickhouse apply --url https://ch:8443 --user admin --password-file pw --yes
    """
    import asyncio

    from streamer.cli.options import refuse_both
    from streamer.clickhouse.apply import apply as apply_tables
    from streamer.clickhouse.client import Client

    refuse_both("--dry-run", dry_run or None, "--yes", yes or None)
    client = Client(url, user=user, password=_password(password_file))
    code = asyncio.run(
        apply_tables(client, database=database, broker=broker, dry_run=dry_run, yes=yes)
    )
    raise typer.Exit(code)


def _password(file: Path | None) -> str:
    if file is None:
        return os.environ.get(PASSWORD, "")
    return file.read_text(encoding="utf-8").rstrip("\n")
