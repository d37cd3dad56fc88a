# SPDX-License-Identifier: Apache-2.0
"""Writes the generated page: `python -m streamer.observe [REPOSITORY]`."""

import sys
from pathlib import Path

from streamer.observe.reference import PATH, render

root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[2]
(root / PATH).write_text(render(), encoding="utf-8")
