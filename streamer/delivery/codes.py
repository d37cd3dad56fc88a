# SPDX-License-Identifier: Apache-2.0
"""What a broker's error code means for the batch it answers."""

from __future__ import annotations

from dataclasses import dataclass

from streamer.delivery.line import Outcome


@dataclass(frozen=True, slots=True)
class Verdict:
    """One error code: its name in Kafka's protocol, in lower case, and what follows from it."""

    name: str
    outcome: Outcome
    stale: bool = False  # what we know of the cluster is out of date
    forbidden: bool = False  # only an operator can change it: try again slowly


def _verdicts(outcome: Outcome, *codes: tuple[int, str], stale: bool = False) -> dict[int, Verdict]:
    return {code: Verdict(name, outcome, stale) for code, name in codes}


VERDICTS: dict[int, Verdict] = {
    **_verdicts(Outcome.ACKNOWLEDGED, (0, "none"), (46, "duplicate_sequence_number")),
    **_verdicts(
        Outcome.RETRY,
        (3, "unknown_topic_or_partition"),
        (5, "leader_not_available"),
        (6, "not_leader_or_follower"),
        (9, "replica_not_available"),
        (56, "kafka_storage_error"),
        (72, "listener_not_found"),
        (74, "fenced_leader_epoch"),
        (75, "unknown_leader_epoch"),
        (100, "unknown_topic_id"),
        stale=True,
    ),
    **_verdicts(
        Outcome.RETRY,
        (7, "request_timed_out"),
        (8, "broker_not_available"),
        (13, "network_exception"),
        (14, "coordinator_load_in_progress"),
        (15, "coordinator_not_available"),
        (16, "not_coordinator"),
        (19, "not_enough_replicas"),
        (20, "not_enough_replicas_after_append"),
        (41, "not_controller"),
        (89, "throttling_quota_exceeded"),
    ),
    **_verdicts(Outcome.DOUBTFUL, (-1, "unknown_server_error"), (2, "corrupt_message")),
    **_verdicts(Outcome.OUT_OF_SEQUENCE, (45, "out_of_order_sequence_number")),
    **_verdicts(
        Outcome.UNKNOWN_PRODUCER,
        (47, "invalid_producer_epoch"),
        (49, "invalid_producer_id_mapping"),
        (59, "unknown_producer_id"),
        (90, "producer_fenced"),
    ),
    **_verdicts(
        Outcome.REFUSED,
        (10, "message_too_large"),
        (17, "invalid_topic"),
        (18, "record_list_too_large"),
        (32, "invalid_timestamp"),
        (42, "invalid_request"),
        (43, "unsupported_for_message_format"),
        (44, "policy_violation"),
        (76, "unsupported_compression_type"),
        (87, "invalid_record"),
    ),
    29: Verdict("topic_authorization_failed", Outcome.RETRY, forbidden=True),
    31: Verdict("cluster_authorization_failed", Outcome.RETRY, forbidden=True),
    # not of Produce: creating topics
    36: Verdict("topic_already_exists", Outcome.ACKNOWLEDGED),
    37: Verdict("invalid_partitions", Outcome.REFUSED),
    38: Verdict("invalid_replication_factor", Outcome.REFUSED),
    40: Verdict("invalid_config", Outcome.REFUSED),
}


def verdict(code: int) -> Verdict:
    """The meaning of an error code; one we do not know may be the batch's fault."""
    return VERDICTS.get(code) or Verdict(f"error_{code}", Outcome.DOUBTFUL)
