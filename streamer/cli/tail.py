# SPDX-License-Identifier: Apache-2.0
"""`streamer tail`"""

from typing import Annotated

import typer

from streamer.cli.options import ConfigOption, KafkaOption, overrides


def tail(
    topic: Annotated[
        str | None,
        typer.Argument(metavar="TOPIC", help="packets.v1 by default.", show_default=False),
    ] = None,
    where: Annotated[
        str | None,
        typer.Option("--where", "-w", metavar="FILTER", help="Only events that pass it."),
    ] = None,
    start: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="now|start|TIME",
            help="Where to begin: TIME as 2026-11-23T10:00:00Z, or -5m for five minutes ago.",
        ),
    ] = "now",
    count: Annotated[
        int | None, typer.Option("--count", "-n", metavar="N", min=1, help="End after N events.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="The records as they are, one a line.")
    ] = False,
    kafka: KafkaOption = None,
    config: ConfigOption = None,
) -> None:
    """Follow a topic: events as they come, in columns or as JSON.

    Begins at what is written from now on, and goes on until Ctrl-C. A broker that
    goes away is waited for. What was left out, by the record's fault or because it
    came twice, and what is missing by its sequence, is told at the end.

    A FILTER has fields of docs/specs/events.md, == != < <= > >=, `in` with a
    network, a range (80-90) or a list, `has` for lists, `exists`, and, or, not and
    parentheses; ip, port, mac and interface mean either end.

    Examples:

    \b
    streamer tail --kafka broker:9092
    streamer tail -w 'source.ip in 10.0.0.0/8 and packet.tcp.flags has rst'
    streamer tail -w 'port == 53 and not ip in (fe80::/10, 10.0.0.1)' --from -5m
    streamer tail --from start -n 1000 --json | jq .source.ip
    streamer tail stats.v1
    """
    from streamer.config import load_settings
    from streamer.consume.start import parse

    settings = load_settings(config, overrides(kafka=kafka))
    begin = parse(start)

    from streamer.tail import command

    code = command(
        settings.kafka,
        topic or settings.kafka.topic,
        where=where,
        start=begin,
        count=count,
        as_json=as_json,
    )
    raise typer.Exit(code)
