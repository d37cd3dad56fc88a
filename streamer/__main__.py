# SPDX-License-Identifier: Apache-2.0
"""`streamer` and `python -m streamer`."""

import signal
import sys

signal.signal(signal.SIGINT, signal.SIG_DFL)  # while loading there is nothing to tell or to undo

from streamer.cli.main import main  # noqa: E402

signal.signal(signal.SIGINT, signal.default_int_handler)

if __name__ == "__main__":
    sys.exit(main())
