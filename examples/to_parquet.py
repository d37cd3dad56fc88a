# SPDX-License-Identifier: Apache-2.0
"""Writes packet events into Parquet files, and goes on where it was when it is started again.

    python to_parquet.py broker:9092 FOLDER

If it is killed between a file and the commit, the next start writes those rows again; what has the
same agent_id, agent_ephemeral_id and event_sequence is the same event.
"""

import asyncio
import sys
import time
from contextlib import suppress
from pathlib import Path

import pyarrow.parquet as pq

from streamer.consume import packets


async def main(kafka: str, folder: str, topic: str = "packets.v1", wait_s: float = 60) -> None:
    events = packets(kafka, topic=topic, group="parquet", start="start")
    async with events.tables(rows=100_000, wait_s=wait_s) as tables:
        async for table in tables:
            file = Path(folder, f"packets-{time.time_ns()}.parquet")
            pq.write_table(table, file, compression="zstd")
            print(f"{file.name} {table.num_rows}", flush=True)


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(main(sys.argv[1], sys.argv[2]))
