# SPDX-License-Identifier: Apache-2.0
"""Elasticsearch or OpenSearch, made ready for the topics' events."""

from __future__ import annotations

from .client import Client
from .setup import Plan, State, Step, apply, plan

__all__ = ["Client", "Plan", "State", "Step", "apply", "plan"]
