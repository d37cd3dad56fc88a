# SPDX-License-Identifier: Apache-2.0
"""Hands sealed batches to their destination: Kafka, a file, or standard output."""

from streamer.delivery.base import Batch, ConnectionTuple, Delivery, DeliveryCounters
from streamer.delivery.file import FileDelivery
from streamer.delivery.kafka import KafkaDelivery

__all__ = [
    "Batch",
    "ConnectionTuple",
    "Delivery",
    "DeliveryCounters",
    "FileDelivery",
    "KafkaDelivery",
]
