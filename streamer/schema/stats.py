# SPDX-License-Identifier: Apache-2.0
"""stats.v1: the ledger, every few seconds.

The layout below `ledger` is that of `streamer run --ledger FILE` (observe/ledger.py).
"""

from __future__ import annotations

from .common import constants, identity
from .field import Field, Topic

SLOTS = (
    ("tc", "ingress"),
    ("tc", "egress"),
    ("xdp", "ingress"),
    ("socket", "ingress"),
    ("socket", "egress"),
)


def _count(name: str, description: str, *, signed: bool = False) -> Field:
    return Field(
        f"ledger.{name}",
        "long",
        description,
        required=True,
        bits=64,
        signed=signed,
        maximum=2**63 - 1,
        example=0,
        column=name.replace(".", "_"),
    )


def _reasons(name: str, description: str) -> Field:
    return Field(
        f"ledger.{name}",
        "counts",
        description,
        required=True,
        bits=64,
        maximum=2**63 - 1,
        example="name: number",
        column=name.replace(".", "_"),
    )


def _fates(prefix: str, where: str) -> tuple[Field, ...]:
    return (
        _count(f"{prefix}.seen", f"Packets seen {where}."),
        _count(f"{prefix}.segments", f"Wire segments those packets stood for {where}."),
        _count(f"{prefix}.filtered.self", f"Of streamer's own connections, left out {where}."),
        _count(f"{prefix}.dropped.ring_full", f"Lost because the ring was full {where}."),
        _count(f"{prefix}.emitted", f"Put into the ring {where}."),
    )


def _hook(hook: str, direction: str) -> tuple[Field, ...]:
    prefix, where = f"packets.hooks.{hook}.{direction}", f"at {hook} {direction}"
    unaccounted = f"Seen less every counted fate {where}; below zero: a fate without a packet."
    return (
        *_fates(prefix, where),
        _count(f"{prefix}.unaccounted", unaccounted, signed=True),
    )


STATS = Topic(
    name="stats.v1",
    title="Statistics",
    description="The ledger: what became of every packet and record, since the start of a run.",
    record="Stats",
    table="stats",
    order_by="agent_id, agent_ephemeral_id, event_sequence",
    shard_key="cityHash64(agent_id)",
    rolled_up=False,
    index_pattern="metrics-streamer.stats-*",
    rollover_days=30,
    kept_days=90,
    fields=(
        *identity("When the counters were read, in UTC."),
        *_fates("packets", "by all hooks together"),
        _count("packets.unaccounted", "Packets whose fate is not known, all hooks together."),
        *(field for hook, direction in SLOTS for field in _hook(hook, direction)),
        _count("records.emitted", "Records put into the ring, by the sequences of the CPUs."),
        _count("records.in_ring", "Records not yet drained."),
        _count("records.drained", "Records read from the ring."),
        _reasons("records.rejected", "Records that could not be read, by reason."),
        _count("records.encoded", "Records made into events."),
        _count("records.open", "Events in open batches."),
        _count("records.sealed", "Events in sealed batches that were not yet taken."),
        _count("records.queued", "Events that wait for their first request."),
        _count("records.in_flight", "Events sent and not yet acknowledged."),
        _count("records.acknowledged", "Events acknowledged by Kafka."),
        _reasons("records.failed", "Events given up, by reason."),
        _count("records.unaccounted", "Records missing, or too many, between two stages."),
        _count("lost", "Events that will never arrive, for a counted reason."),
        _count("undelivered", "Events on their way."),
        _count("unaccounted", "Everything missing or too much; while running, a bound."),
        _count("pump.sequence_gaps", "Records missing by the sequences of the CPUs."),
        _count("pump.pauses", "Times the pump waited for memory."),
        _count("pump.batches", "Batches sealed."),
        _count("pump.raw_bytes", "Bytes of those batches before compression."),
        _count("pump.sealed_bytes", "Bytes of those batches."),
        _count("pump.cpu_ns", "CPU time of the pump's thread."),
        _count("delivery.queued_bytes", "Bytes that wait for their first request."),
        _count("delivery.in_flight_bytes", "Bytes sent and not yet acknowledged."),
        _count("delivery.acknowledged_bytes", "Bytes acknowledged."),
        _count("delivery.acknowledged_batches", "Batches acknowledged."),
        _count("delivery.retries", "Requests sent again."),
        _count("ring.fill_bytes", "Bytes in the ring."),
        _count("ring.size_bytes", "Bytes the ring holds."),
        *constants("metric", "streamer.stats"),
    ),
)
