# SPDX-License-Identifier: Apache-2.0
"""`streamer config`"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streamer.cli.options import ConfigOption

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamer.config import Loaded

COMMENT_COLUMN = 48


def config(
    config: ConfigOption = None,
    check: Annotated[bool, typer.Option("--check", help="Only validate; print nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON in place of TOML.")] = False,
) -> None:
    """Validate the configuration and print what is in effect.

    Flags win over the environment, the environment over the file, the file over
    defaults. The variable of a setting is STREAMER_SECTION__KEY, such as
    STREAMER_KAFKA__TOPIC; lists are separated by commas there. Secrets are
    never printed.

    Examples:

    \b
    streamer config                          what a run would use
    streamer config --config new.toml --check && systemctl restart streamer
    STREAMER_KAFKA__TOPIC=test streamer config --json | jq .settings.kafka
    """
    from streamer.config import load

    loaded = load(config)
    if check:
        return
    typer.echo(_json(loaded) if as_json else "\n".join(_toml(loaded)))


def _json(loaded: "Loaded") -> str:
    return json.dumps(
        {
            "file": str(loaded.file) if loaded.file else None,
            "settings": loaded.settings.model_dump(mode="json"),
            "origins": {".".join(place): origin for place, origin in loaded.origins.items()},
        },
        indent=2,
    )


def _toml(loaded: "Loaded") -> "Iterator[str]":
    """Every setting as TOML that can be read again; what is not set, as a comment."""
    from pydantic import SecretStr

    yield f"# configuration file: {loaded.file or 'none'}"
    for section, values in loaded.settings:
        yield f"\n[{section}]"
        for key, value in values:
            origin = loaded.origins.get((section, key), "default")
            if value is None:
                line = f"# {key} is not set"
            elif isinstance(value, SecretStr):
                line = f"# {key} is set, and not shown"
            else:
                line = f"{key} = {_literal(value)}"
            yield f"{line:<{COMMENT_COLUMN}} # {origin}"


def _literal(value: Any) -> str:
    """A value in TOML, whose strings, numbers and lists are written as in JSON."""
    if isinstance(value, Path):
        value = str(value)
    if isinstance(value, tuple):
        return f"[{', '.join(map(_literal, value))}]"
    # All but this control character, which JSON lets stand.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
