# SPDX-License-Identifier: Apache-2.0
"""A topic's events in Elasticsearch: mappings, and what keeps them on a server."""

from __future__ import annotations

from .mappings import index_template, render
from .resources import FULL, REDUCED, Resource, Support, base_name, resources, stream_name

__all__ = [
    "FULL",
    "REDUCED",
    "Resource",
    "Support",
    "base_name",
    "index_template",
    "render",
    "resources",
    "stream_name",
]
