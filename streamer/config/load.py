# SPDX-License-Identifier: Apache-2.0
"""Gathers settings from defaults, a TOML file, the environment and flags, and checks them.

Each value keeps where it came from, for the sentence that says what is wrong
with it and for `streamer config`.
"""

from __future__ import annotations

import difflib
import json
import os
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin

from pydantic import SecretStr, TypeAdapter, ValidationError

from streamer.config.sections import Section, Settings, section_models
from streamer.config.types import describe
from streamer.errors import ConfigError, ConfigErrors, UnknownSettingError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic.fields import FieldInfo

DEFAULT_CONFIG_FILE = Path("/etc/streamer/streamer.toml")
ENVIRONMENT_PREFIX = "STREAMER_"
ENVIRONMENT_DELIMITER = "__"

# The flags that set a setting: what a wrong value is called by.
FLAGS = {
    "capture.interfaces": "--interface",
    "capture.hook": "--hook",
    "capture.xdp_mode": "--xdp-mode",
    "capture.direction": "--direction",
    "capture.netns": "--netns",
    "kafka.bootstrap_servers": "--kafka",
    "kafka.topic": "--topic",
    "output.file": "--output",
}


@dataclass(frozen=True)
class Given:
    """One value as somebody gave it."""

    section: str
    key: str
    value: Any
    origin: str  # "the TOML file's name", an environment variable, a flag
    is_text: bool  # environment: everything is a string, and is parsed
    name: str  # what the user calls it: kafka.topic, STREAMER_KAFKA__TOPIC, --topic


@dataclass(frozen=True)
class Loaded:
    """Settings, the file that was read (None: none), and where each value came from."""

    settings: Settings
    file: Path | None
    origins: Mapping[tuple[str, str], str]  # (section, key); absent: the default


def load_settings(
    config_file: Path | None = None, overrides: Mapping[str, Mapping[str, Any]] | None = None
) -> Settings:
    """The effective settings, or a ConfigError that names everything that is wrong."""
    return load(config_file, overrides).settings


def load(
    config_file: Path | None = None,
    overrides: Mapping[str, Mapping[str, Any]] | None = None,
    environment: Mapping[str, str] | None = None,
    default_file: Path | None = None,
) -> Loaded:
    """Like `load_settings`, with the origin of each value.

    `overrides` are values from flags, by section and key; None means not given.
    """
    if environment is None:
        environment = os.environ
    if config_file is None:
        default_file = default_file or DEFAULT_CONFIG_FILE
        config_file = default_file if default_file.exists() else None
    errors: list[ConfigError] = []
    given: dict[tuple[str, str], Given] = {}
    sources = [_from_environment(environment, errors), _from_flags(overrides or {}, errors)]
    if config_file is not None:
        sources.insert(0, _from_file(config_file, errors))
    for source in sources:
        for item in source:
            given[item.section, item.key] = item
    settings = _validate(given, errors)
    if errors:
        raise errors[0] if len(errors) == 1 else ConfigErrors(errors)
    return Loaded(settings, config_file, {place: item.origin for place, item in given.items()})


# ------------------------------------------------------------------ sources
def _from_file(file: Path, errors: list[ConfigError]) -> Iterator[Given]:
    models = section_models()
    origin = str(file)
    for section, table in _read_toml(file).items():
        if section not in models:
            errors.append(_unknown(section, None, origin))
        elif not isinstance(table, dict):
            errors.append(
                ConfigError(section, _show(table), f"a table, [{section}]", origin=origin)
            )
        else:
            for key, value in table.items():
                if key in models[section].model_fields:
                    yield Given(section, key, value, origin, False, f"{section}.{key}")
                else:
                    errors.append(_unknown(section, key, origin))


def _read_toml(file: Path) -> dict[str, Any]:
    expected = "a TOML file that can be read"
    try:
        with file.open("rb") as stream:
            return tomllib.load(stream)
    except FileNotFoundError:
        raise ConfigError(str(file), "missing", expected) from None
    except OSError as error:
        got = f"unreadable ({error.strerror or error})"
        raise ConfigError(str(file), got, expected) from None
    except UnicodeDecodeError:
        raise ConfigError(str(file), "not UTF-8", expected) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(str(file), f"not TOML ({error})", expected) from None


def _from_environment(environment: Mapping[str, str], errors: list[ConfigError]) -> Iterator[Given]:
    models = section_models()
    for variable, value in sorted(environment.items()):
        rest = variable.removeprefix(ENVIRONMENT_PREFIX)
        if rest == variable or ENVIRONMENT_DELIMITER not in rest:
            continue  # not ours, or not a setting
        section, _, key = rest.lower().partition(ENVIRONMENT_DELIMITER)
        if section not in models or key not in models[section].model_fields:
            nearest = _nearest(section, key)
            if nearest is not None:
                nearest = environment_variable(*nearest.partition(".")[::2])
            errors.append(UnknownSettingError(variable, nearest, origin="environment"))
        elif value != "":  # as if it were not set: compose files and units pass such
            yield Given(section, key, value, variable, True, variable)


def environment_variable(section: str, key: str) -> str:
    """The environment variable of a setting."""
    return f"{ENVIRONMENT_PREFIX}{section}{ENVIRONMENT_DELIMITER}{key}".upper().rstrip("_")


def _from_flags(
    overrides: Mapping[str, Mapping[str, Any]], errors: list[ConfigError]
) -> Iterator[Given]:
    models = section_models()
    for section, values in overrides.items():
        for key, value in values.items():
            if value is None:
                continue
            name = FLAGS.get(f"{section}.{key}", f"{section}.{key}")
            if section not in models or key not in models[section].model_fields:
                errors.append(_unknown(section, key, "command line"))
            else:
                yield Given(section, key, value, name, False, name)


def _unknown(section: str, key: str | None, origin: str) -> UnknownSettingError:
    name = section if key is None else f"{section}.{key}"
    return UnknownSettingError(name, _nearest(section, key), origin=origin)


def _nearest(section: str, key: str | None) -> str | None:
    """The setting (or section) that was probably meant."""
    models = section_models()
    everything = [f"{name}.{field}" for name in models for field in models[name].model_fields]
    # The very key in another section says more than any likeness.
    same_key = [name for name in everything if name.partition(".")[2] == (key or section)]
    if same_key:
        return difflib.get_close_matches(f"{section}.{key}", same_key, n=1, cutoff=0)[0]
    if key is None:
        candidates = list(models)
    elif section in models:
        candidates = [name for name in everything if name.startswith(f"{section}.")]
    else:
        candidates = everything
    name = section if key is None else f"{section}.{key}"
    return next(iter(difflib.get_close_matches(name, candidates, n=1)), None)


# --------------------------------------------------------------- validation
def _validate(given: Mapping[tuple[str, str], Given], errors: list[ConfigError]) -> Settings:
    sections: dict[str, Section] = {}
    for name, model in section_models().items():
        values: dict[str, Any] = {}
        for item in given.values():
            if item.section == name:
                try:
                    values[item.key] = _parse(item, model.model_fields[item.key])
                except ValidationError as error:
                    errors.append(_wrong(item, model.model_fields[item.key], error))
        try:
            sections[name] = model.model_validate(values)
        except ValidationError as error:
            errors.extend(_conflicts(name, error, given))
            sections[name] = model()
    return Settings.model_validate(sections)


def _parse(item: Given, field: FieldInfo) -> Any:
    kind: Any = Annotated[field.annotation, "a setting", *field.metadata]
    adapter: TypeAdapter[Any] = TypeAdapter(kind)
    if not item.is_text:
        if isinstance(item.value, Path):
            return adapter.validate_python(item.value)
        # As JSON, so that strict means "no string for a number", and a path may be a string.
        return adapter.validate_json(json.dumps(item.value, default=_not_json), strict=True)
    if get_origin(field.annotation) is tuple:
        return adapter.validate_python([part.strip() for part in item.value.split(",")])
    return adapter.validate_strings(item.value)


def _not_json(value: object) -> object:
    return {"": str(value)}  # a date of TOML's: no setting is one, nor is it an object


def is_secret(field: FieldInfo) -> bool:
    """Whether the value of this setting must never be shown."""
    return field.annotation is SecretStr or SecretStr in get_args(field.annotation)


def _wrong(item: Given, field: FieldInfo, error: ValidationError) -> ConfigError:
    expected = describe(field.annotation, field.metadata)
    got = "a value that is not shown" if is_secret(field) else _show(item.value)
    place = error.errors()[0]["loc"]
    if place and isinstance(place[0], int) and isinstance(item.value, list | tuple):
        got += f" (item {place[0] + 1})"
    return ConfigError(item.name, got, expected, origin=item.origin)


def _conflicts(
    section: str, error: ValidationError, given: Mapping[tuple[str, str], Given]
) -> Iterator[ConfigError]:
    for detail in error.errors():
        context = detail.get("ctx", {})
        key = str(context.get("key", ""))
        item = given.get((section, key))
        field = section_models()[section].model_fields[key]
        value = item.value if item else field.default
        got = "not set" if value is None else "set" if is_secret(field) else _show(value)
        yield ConfigError(
            item.name if item else f"{section}.{key}",
            got,
            str(context["expected"]),
            origin=item.origin if item else None,
        )


def _show(value: object) -> str:
    """A value as it was written, short enough for a sentence."""
    if isinstance(value, Path):
        value = str(value)
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= 80 else text[:77] + "…"
