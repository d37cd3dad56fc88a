# SPDX-License-Identifier: Apache-2.0
"""docker-compose.yml and .env.example, read as they are written."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from tests.support.yaml_files import load_yaml

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docker-compose.yml"
EXAMPLE = ROOT / ".env.example"
# ${NAME:-default} and ${NAME:?what to do}
VARIABLE = re.compile(r"\$\{(\w+):([-?])([^}]*)\}")


def services() -> dict[str, dict[str, Any]]:
    """Each service, with what it takes over from the file's anchors."""
    found: dict[str, dict[str, Any]] = load_yaml(FILE)["services"]
    return found


def interpolated(value: Any) -> Any:
    """A part of the file with the defaults in place of the variables."""
    if isinstance(value, dict):
        return {key: interpolated(item) for key, item in value.items()}
    if isinstance(value, list):
        return [interpolated(item) for item in value]
    return VARIABLE.sub(lambda match: match[3], value) if isinstance(value, str) else value
