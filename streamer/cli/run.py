# SPDX-License-Identifier: Apache-2.0
"""`streamer run`"""

import typer

from streamer.cli.options import (
    ConfigOption,
    DirectionOption,
    HookOption,
    InterfaceOption,
    KafkaOption,
    LedgerOption,
    NetnsOption,
    OutputOption,
    TopicOption,
    XdpModeOption,
    overrides,
    refuse_both,
    require_interfaces,
    require_writable,
)


def run(
    interface: InterfaceOption = None,
    hook: HookOption = None,
    xdp_mode: XdpModeOption = None,
    direction: DirectionOption = None,
    netns: NetnsOption = None,
    kafka: KafkaOption = None,
    topic: TopicOption = None,
    output: OutputOption = None,
    config: ConfigOption = None,
    ledger: LedgerOption = None,
) -> None:
    """Capture packets until stopped, and send them to Kafka.

    Runs as root, or with CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN (CAP_NET_RAW in
    its place for the socket hook). SIGINT and SIGTERM detach, send what is left,
    and print the ledger. /metrics, /healthz and /readyz are on 127.0.0.1:9477.

    Examples:

    \b
    streamer run -i eth0                           to Kafka on localhost:9092
    streamer run -i 'veth*' --kafka a:9092,b:9092  what matches, also later
    streamer run -i eth0 --hook xdp --xdp-mode generic
    streamer run -i eth0 --direction ingress --output - | jq .

    Each setting is also a key of the TOML file and an environment variable: see
    streamer config --help.
    """
    from streamer.config import OutputSettings, load_settings

    refuse_both("--kafka", kafka, "--output", output)
    require_writable("--ledger", ledger)
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
            output=output,
        ),
    )
    if kafka is not None:  # asked for Kafka: over the file's or the environment's output
        settings = settings.model_copy(update={"output": OutputSettings()})
    require_interfaces(settings.capture)

    from streamer.app import run as run_until_stopped

    raise typer.Exit(run_until_stopped(settings, ledger))
