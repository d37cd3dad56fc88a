# SPDX-License-Identifier: Apache-2.0
"""`streamer doctor`"""

import json
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from streamer.cli.options import (
    ConfigOption,
    DirectionOption,
    HookOption,
    InterfaceOption,
    KafkaOption,
    NetnsOption,
    TopicOption,
    XdpModeOption,
    overrides,
)
from streamer.errors import ExitCode

if TYPE_CHECKING:
    from streamer.cli.checks.check import Check

COLORS = {"ok": "green", "warn": "yellow", "fail": "red"}


def doctor(
    interface: InterfaceOption = None,
    hook: HookOption = None,
    xdp_mode: XdpModeOption = None,
    direction: DirectionOption = None,
    netns: NetnsOption = None,
    kafka: KafkaOption = None,
    topic: TopicOption = None,
    config: ConfigOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Tell whether a run with these options would work here.

    Looks at the installation, the kernel, privileges, memory, interfaces, other
    programs on them, Kafka and its topics. Each line is ok, warn or fail, with
    the cure. Attaches, creates and sends nothing; takes a few seconds at most.
    Exits with 1 if anything fails.

    Examples:

    \b
    streamer doctor
    streamer doctor -i eth0 --kafka broker:9092
    streamer doctor -i eth0 --hook xdp --json | jq '.checks[] | select(.status == "fail")'
    """
    from streamer.cli.checks import kafka as kafka_checks
    from streamer.cli.checks import machine, network
    from streamer.cli.checks.check import run_checks
    from streamer.config import OutputSettings, load_settings

    settings = load_settings(
        config,
        overrides(
            interface=interface,
            hook=hook,
            xdp_mode=xdp_mode,
            direction=direction,
            netns=netns,
            kafka=kafka,
            topic=topic,
        ),
    )
    if kafka is not None:
        settings = settings.model_copy(update={"output": OutputSettings()})
    findings = []
    for finding in run_checks(
        settings,
        (
            machine.libraries,
            machine.kernel,
            machine.privileges,
            machine.memory,
            machine.identity,
            machine.status_page,
            network.interfaces,
            network.neighbours,
            kafka_checks.kafka,
        ),
    ):
        findings.append(finding)
        if not as_json:
            _print(finding)
    failed = any(finding.status == "fail" for finding in findings)
    if as_json:
        checks = [asdict(finding) for finding in findings]
        typer.echo(json.dumps({"ok": not failed, "checks": checks}, indent=2))
    else:
        count = Counter(finding.status for finding in findings)
        typer.echo(f"\n{count['ok']} ok, {count['warn']} to look at, {count['fail']} failed")
    raise typer.Exit(ExitCode.FAILED if failed else ExitCode.DONE)


def _print(finding: "Check") -> None:
    status = typer.style(f"{finding.status:<4}", fg=COLORS[finding.status])
    typer.echo(f"{status}  {finding.name}: {finding.detail}")
    if finding.cure is not None and finding.status != "ok":
        typer.echo(f"      -> {finding.cure}")
