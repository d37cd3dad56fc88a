# SPDX-License-Identifier: Apache-2.0
"""What a server can do, by asking it to pretend."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from streamer.schema.elastic import Support

if TYPE_CHECKING:
    from .client import Client

QUESTION = "streamer-question-*"  # a pattern of no index: the template is only simulated


async def ask(client: Client) -> Support:
    """Simulates a template and a pipeline for each; nothing is kept on the server."""
    return Support(
        constant_keyword=await _takes_template(
            client, {"mappings": {"properties": {"question": {"type": "constant_keyword"}}}}
        ),
        lifecycle=await _takes_template(
            client, {"settings": {"index": {"lifecycle": {"name": "question"}}}}
        ),
        processors=await _takes_set_processor(client),
    )


async def _takes_template(client: Client, template: dict[str, Any]) -> bool:
    body = {"index_patterns": [QUESTION], "priority": 1_000_000, "template": template}
    taken, _ = await client.try_post("_index_template/_simulate", body)
    return taken


async def _takes_set_processor(client: Client) -> bool:
    pipeline = {"processors": [{"set": {"field": "_id", "value": "question"}}]}
    body = {"pipeline": pipeline, "docs": [{"_index": "question", "_source": {}}]}
    taken, _ = await client.try_post("_ingest/pipeline/_simulate", body)
    return taken
