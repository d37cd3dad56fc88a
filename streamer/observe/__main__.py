# SPDX-License-Identifier: Apache-2.0
"""Writes the generated page and dashboard: `python -m streamer.observe [REPOSITORY]`."""

import sys
from pathlib import Path

from streamer.observe import grafana, reference

root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[2]
for made in (reference, grafana):
    (root / made.PATH).write_text(made.render(), encoding="utf-8")
