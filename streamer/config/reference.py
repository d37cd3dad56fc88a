# SPDX-License-Identifier: Apache-2.0
"""docs/specs/configuration.md: every setting, from the models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streamer.config.load import FLAGS, environment_variable
from streamer.config.sections import section_models
from streamer.config.types import describe

if TYPE_CHECKING:
    from collections.abc import Iterator

PATH = "docs/specs/configuration.md"
INTRODUCTION = """\
<!-- Generated from streamer/config by `python -m streamer.config`. -->
# Configuration

Flags win over environment variables, these over the TOML file (`--config`, else
`/etc/streamer/streamer.toml` if it is there), that over the defaults. In the file, a section is a
table and a setting its key; in the environment it is `STREAMER_SECTION__KEY`, where lists are
separated by commas, and an empty value counts as not set. Unknown names and wrong values are
errors (exit code 2). `streamer config` prints what is in effect and where it comes from.
"""


def render() -> str:
    """The whole page."""
    return "\n".join([INTRODUCTION, *_sections()])


def _sections() -> Iterator[str]:
    for section, model in section_models().items():
        yield f"## {section}\n\n{model.__doc__}\n"
        yield "| setting | variable | flag | default | must be | what it is |"
        yield "|---|---|---|---|---|---|"
        for key, field in model.model_fields.items():
            flag = FLAGS.get(f"{section}.{key}")
            cells = [
                f"`{key}`",
                f"`{environment_variable(section, key)}`",
                f"`{flag}`" if flag else "",
                _default(field.default),
                describe(field.annotation, field.metadata),
                field.description or "",
            ]
            yield f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"
        yield ""


def _default(value: Any) -> str:
    if value is None:
        return "not set"
    if isinstance(value, Path):
        value = str(value)
    return f"`{json.dumps(value)}`"
