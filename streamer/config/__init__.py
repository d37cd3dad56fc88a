# SPDX-License-Identifier: Apache-2.0
"""Settings: frozen, one section per component; flags > environment > TOML file > defaults."""

from streamer.config.load import DEFAULT_CONFIG_FILE, Loaded, load, load_settings
from streamer.config.sections import (
    AgentSettings,
    BatchSettings,
    CaptureSettings,
    EncodeSettings,
    HttpSettings,
    KafkaSettings,
    LogSettings,
    OutputSettings,
    Settings,
    ShutdownSettings,
    StatsSettings,
)

__all__ = [
    "DEFAULT_CONFIG_FILE",
    "AgentSettings",
    "BatchSettings",
    "CaptureSettings",
    "EncodeSettings",
    "HttpSettings",
    "KafkaSettings",
    "Loaded",
    "LogSettings",
    "OutputSettings",
    "Settings",
    "ShutdownSettings",
    "StatsSettings",
    "load",
    "load_settings",
]
