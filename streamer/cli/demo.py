# SPDX-License-Identifier: Apache-2.0
"""`streamer demo`"""

from typing import Annotated

import typer

from streamer.cli.options import refuse_both


def demo(
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave everything running, to look at it.")
    ] = False,
    down: Annotated[bool, typer.Option("--down", help="End what --keep left running.")] = False,
) -> None:
    """Show it all working: real packets, eBPF, Kafka, ClickHouse.

    Starts a Kafka broker, lets real programs talk across two network namespaces,
    captures their packets, and shows what ClickHouse read from Kafka. Needs root;
    leaves nothing behind.

    With --keep, broker, ClickHouse, capture and namespaces stay, and a command is
    printed for each: to make more packets and to see them arrive. --down ends it
    all and prints the ledger of what was captured meanwhile.

    Examples:

    \b
    make demo               installs what is missing, then runs it
    streamer demo
    streamer demo --keep    as above, and leaves it running
    streamer demo --down    ends that
    """
    refuse_both("--keep", keep or None, "--down", down or None)
    if down:
        from streamer.demo.down import command
    elif keep:
        from streamer.demo.keep import command
    else:
        from streamer.demo.run import command

    raise typer.Exit(command())
