# SPDX-License-Identifier: Apache-2.0
"""`streamer schema`"""

import difflib
from collections.abc import Collection
from typing import Annotated, cast, get_args

import typer


def schema(
    form: Annotated[
        str, typer.Argument(metavar="json-schema|elasticsearch|clickhouse", show_default=False)
    ],
    topic: Annotated[
        str, typer.Option("--topic", metavar="NAME", help="The topic whose events it describes.")
    ] = "packets.v1",
    broker: Annotated[
        str,
        typer.Option("--broker", metavar="HOST:PORT,…", help="Kafka, as ClickHouse reaches it."),
    ] = "localhost:9092",
) -> None:
    """Print a topic's JSON Schema, index template or tables.

    Examples:

    \b
    streamer schema clickhouse --broker kafka:9092 | clickhouse-client --multiquery
    streamer schema elasticsearch --topic stats.v1
    streamer schema json-schema > packets.schema.json
    """
    from streamer import schema as tables

    known = _known("format", form, get_args(tables.Format))
    name = _known("topic", topic, tables.TOPICS)
    typer.echo(tables.render(cast("tables.Format", known), name, broker=broker), nl=False)


def _known(what: str, name: str, names: Collection[str]) -> str:
    if name in names:
        return name
    from streamer.errors import UsageError

    nearest = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {nearest[0]}?" if nearest else f"there are: {', '.join(names)}"
    raise UsageError(f"there is no {what} {name}", hint)
