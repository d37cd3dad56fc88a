# SPDX-License-Identifier: Apache-2.0
"""Who sent the most bytes, among the oldest million packets that Kafka still has; by DuckDB.

python top_talkers.py broker:9092
"""

import asyncio
import sys

import duckdb

from streamer.consume import packets

QUERY = """
    SELECT source_ip, count(*) AS packets, sum(packet_length) AS bytes
    FROM events GROUP BY ALL ORDER BY bytes DESC, source_ip LIMIT 10
"""


async def main(kafka: str, topic: str = "packets.v1") -> None:
    async with packets(kafka, topic=topic, start="start").tables(rows=1_000_000) as tables:
        events = await anext(tables)
    print(duckdb.from_arrow(events).query("events", QUERY))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
