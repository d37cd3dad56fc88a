# SPDX-License-Identifier: Apache-2.0
"""`streamer clickhouse apply`: look, say what is to be done, do it."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

from streamer.clickhouse.client import AUTHENTICATION_FAILED, ServerError
from streamer.clickhouse.found import find, kept
from streamer.clickhouse.plan import plan
from streamer.errors import ExitCode, StreamerError, UsageError
from streamer.schema import TOPICS
from streamer.schema.clickhouse import VERSION

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamer.clickhouse.client import Client
    from streamer.clickhouse.found import Found
    from streamer.clickhouse.plan import Step

DATABASE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


async def apply(
    client: Client, *, database: str, broker: str | None, dry_run: bool, yes: bool
) -> int:
    """Make the tables, or bring older ones to this version; the exit code."""
    if not DATABASE_NAME.fullmatch(database):
        raise UsageError(
            f'the database\'s name is "{database}"', "letters, digits and _ make a name here"
        )
    found = await _find(client, database)
    steps = [*dict.fromkeys(step for t in TOPICS.values() for step in plan(found, t, broker))]
    if dry_run:
        for step in steps:
            sys.stdout.write(f"-- {step.does}\n{step.statement};\n\n")
        if not steps:
            sys.stdout.write("-- nothing to do\n")
    elif steps and not yes:
        for step in steps:
            sys.stdout.write(f"{step.does}\n")
        sys.stdout.flush()
        raise UsageError(
            f"nothing was changed at {client.url}", "--yes does this, --dry-run prints the SQL"
        )
    else:
        await _do(client, steps)
        _tell(client, await find(client, database), done=bool(steps))
    return ExitCode.DONE


async def _find(client: Client, database: str) -> Found:
    try:
        return await find(client, database)
    except ServerError as error:
        if error.code != AUTHENTICATION_FAILED:
            raise
        raise StreamerError(
            f"ClickHouse at {client.url} does not let {client.user} in: no such user,"
            " or another password",
            "give --user, and the password in STREAMER_CLICKHOUSE_PASSWORD or --password-file",
        ) from None


async def _do(client: Client, steps: Sequence[Step]) -> None:
    for step in steps:
        sys.stdout.write(f"{step.does}\n")
        sys.stdout.flush()
        try:
            await client.query(step.statement)
        except StreamerError as error:
            raise StreamerError(
                f"could not {step.does}: {error.message}",
                "what was done stays; run the same command again when it is mended",
            ) from None


def _tell(client: Client, found: Found, *, done: bool) -> None:
    state = "now has" if done else "already has"
    sys.stdout.write(
        f"ClickHouse at {client.url} {state} the tables of version {VERSION}"
        f" in the database {found.database}\n"
    )
    for topic in TOPICS.values():
        for name in (topic.table, f"{topic.table}_rejected"):
            if kept(name) in found.tables:
                sys.stdout.write(
                    f"the old rows are still in {found.database}.{kept(name)};"
                    f" when you need them no more: DROP TABLE {found.database}.{kept(name)}\n"
                )
