# SPDX-License-Identifier: Apache-2.0
"""The envelope of every saved object.

The versions are those of the first Kibana that understands what is written here, 8.9: a newer one
migrates an object on import, an older one refuses it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

Json = dict[str, Any]

CORE_VERSION = "8.8.0"
TYPE_VERSIONS = {"index-pattern": "8.0.0", "search": "8.0.0", "dashboard": "8.9.0"}
SEARCH_SOURCE = "kibanaSavedObjectMeta.searchSourceJSON.index"


def saved_object(
    kind: str, identity: str, attributes: Json, references: Iterable[Json] = ()
) -> Json:
    """One line of an export."""
    return {
        "type": kind,
        "id": identity,
        "attributes": attributes,
        "references": list(references),
        "managed": False,
        "coreMigrationVersion": CORE_VERSION,
        "typeMigrationVersion": TYPE_VERSIONS[kind],
    }


def reference(name: str, kind: str, identity: str) -> Json:
    """A link to another object, under the name by which the attributes call it."""
    return {"name": name, "type": kind, "id": identity}


def kuery(query: str) -> Json:
    """A query in Kibana's language."""
    return {"query": query, "language": "kuery"}


def packed(value: object) -> str:
    """JSON in a string, as Kibana keeps it in many attributes."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
