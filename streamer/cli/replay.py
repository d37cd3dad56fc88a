# SPDX-License-Identifier: Apache-2.0
"""`streamer replay`"""

from pathlib import Path
from typing import Annotated

import typer

from streamer.cli.options import (
    ConfigOption,
    KafkaOption,
    LedgerOption,
    OutputOption,
    TopicOption,
    overrides,
    refuse_both,
    require_writable,
)


def replay(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE…", help="pcap or pcapng, gzip or not.")
    ],
    kafka: KafkaOption = None,
    topic: TopicOption = None,
    output: OutputOption = None,
    config: ConfigOption = None,
    ledger: LedgerOption = None,
) -> None:
    """Print the events of capture files as JSON lines, in order.

    The same BPF program and the same encoder make them as in a run, so CAP_BPF (or
    root) is needed. Time and original length are the capture's, and the same file
    gives the same bytes each time. Packets that can't be run are counted on
    standard error.

    Examples:

    \b
    streamer replay capture.pcapng | head
    streamer replay a.pcap.gz b.pcap --output events.jsonl
    streamer replay capture.pcap --kafka broker:9092
    """
    from streamer.config import OutputSettings, load_settings

    refuse_both("--kafka", kafka, "--output", output)
    require_writable("--ledger", ledger)
    settings = load_settings(config, overrides(kafka=kafka, topic=topic, output=output))
    # Without either option: standard output, whatever a run would use.
    destination = None if kafka is not None else Path(output or "-")
    settings = settings.model_copy(update={"output": OutputSettings(file=destination)})

    from streamer.replay import command

    raise typer.Exit(command(files, settings, ledger))
