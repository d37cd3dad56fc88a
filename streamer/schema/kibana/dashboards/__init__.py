# SPDX-License-Identifier: Apache-2.0
"""The dashboards, one file each."""

from __future__ import annotations

from .conversation import CONVERSATION
from .ledger import LEDGER
from .tcp import TCP
from .traffic import TRAFFIC

DASHBOARDS = (TRAFFIC, CONVERSATION, TCP, LEDGER)

__all__ = ["CONVERSATION", "DASHBOARDS", "LEDGER", "TCP", "TRAFFIC"]
