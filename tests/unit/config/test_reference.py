# SPDX-License-Identifier: Apache-2.0
"""The committed page is the one the settings give, and leaves nothing unexplained."""

from __future__ import annotations

from pathlib import Path

from streamer.config.reference import PATH, render
from streamer.config.sections import section_models


def test_committed_page_is_fresh() -> None:
    assert Path(PATH).read_text(encoding="utf-8") == render(), "run: python -m streamer.config"


def test_every_setting_is_described() -> None:
    for section, model in section_models().items():
        assert model.__doc__
        for key, field in model.model_fields.items():
            assert field.description, f"{section}.{key}"
            assert f"`STREAMER_{section}__{key}`".upper() in render().upper()
