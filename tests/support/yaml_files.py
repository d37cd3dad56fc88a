# SPDX-License-Identifier: Apache-2.0
"""YAML as plain dicts, lists and scalars."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML

if TYPE_CHECKING:
    from pathlib import Path


def load_yaml(file: Path) -> Any:
    """The one document of a file; two members of one name are an error."""
    return YAML(typ="safe", pure=True).load(file)
