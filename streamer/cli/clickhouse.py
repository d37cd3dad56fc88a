# SPDX-License-Identifier: Apache-2.0
"""`streamer clickhouse`"""

from typing import Annotated

import typer

from streamer.cli.options import (
    CaFileOption,
    DryRunOption,
    PasswordFileOption,
    UserOption,
    YesOption,
    refuse_both,
    secret,
)

PASSWORD_VARIABLE = "STREAMER_CLICKHOUSE_PASSWORD"  # noqa: S105 - its name


def apply(
    url: Annotated[
        str,
        typer.Option(
            "--url", metavar="URL", help="The server's HTTP interface.", show_default=False
        ),
    ],
    user: UserOption = None,
    password_file: PasswordFileOption = None,
    ca_file: CaFileOption = None,
    database: Annotated[str, typer.Option("--database", metavar="NAME")] = "streamer",
    broker: Annotated[
        str | None,
        typer.Option(
            "--broker",
            metavar="HOST:PORT,…",
            help="Kafka, as ClickHouse reaches it. Not needed where a consumer exists.",
        ),
    ] = None,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
) -> None:
    """Make ClickHouse's tables, or bring older ones to this version.

    Without --yes it only says what it would do, and with --dry-run prints its SQL.
    Rows of an older version are copied, and kept beside the new table; the consumers
    go on where they were. Tables that streamer did not make are never touched.

    The password is read from a file or from the variable STREAMER_CLICKHOUSE_PASSWORD.

    Examples:

    \b
    streamer clickhouse apply --url http://localhost:8123 --broker kafka:9092 --dry-run
    streamer clickhouse apply --url http://localhost:8123 --broker kafka:9092 --yes
    streamer clickhouse apply --url https://ch:8443 --user admin --password-file pw --yes
    """
    import asyncio

    from streamer.clickhouse.apply import apply as apply_tables
    from streamer.clickhouse.client import Client

    refuse_both("--dry-run", dry_run or None, "--yes", yes or None)
    client = Client(
        url,
        user=user or "default",
        password=secret("--password-file", password_file, PASSWORD_VARIABLE) or "",
        ca_file=ca_file,
    )
    code = asyncio.run(
        apply_tables(client, database=database, broker=broker, dry_run=dry_run, yes=yes)
    )
    raise typer.Exit(code)
