# SPDX-License-Identifier: Apache-2.0
"""`streamer demo`"""

import typer


def demo() -> None:
    """Show it all working: real packets, eBPF, Kafka, ClickHouse.

    Starts a Kafka broker, lets real programs talk across two network namespaces,
    captures their packets, and shows what ClickHouse read from Kafka. Needs root;
    leaves nothing behind.

    Examples:

    \b
    make demo          installs what is missing, then runs it
    streamer demo
    """
    from streamer.demo import command

    raise typer.Exit(command())
