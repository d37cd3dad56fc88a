# SPDX-License-Identifier: Apache-2.0
"""ClickHouse in a process of its own: `python -m streamer.demo.clickhouse_worker FOLDER FD`.

Reads one JSON string per line from the socket FD, a query each, and answers with one line: an
object with `rows`, or with `error`. Ends when the socket is closed.
"""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import orjson
from chdb import session


def main() -> None:
    """Answer queries until the other side is gone."""
    folder, descriptor = Path(sys.argv[1]), int(sys.argv[2])
    database = session.Session(str(folder))
    with socket.socket(fileno=descriptor) as connection, connection.makefile("rwb") as lines:
        for line in lines:
            lines.write(orjson.dumps(_answer(database, orjson.loads(line))) + b"\n")
            lines.flush()
    database.close()


def _answer(database: session.Session, query: str) -> dict[str, object]:
    try:
        text = bytes(database.query(query, "JSON").bytes())
    except RuntimeError as error:
        return {"error": str(error)}
    return {"rows": orjson.loads(text)["data"] if text.strip() else []}


if __name__ == "__main__":
    main()
