# SPDX-License-Identifier: Apache-2.0
"""Tells who opens connections to twenty ports of one host within one minute of the clock.

    python port_scan.py broker:9092

No group: the ports of a scan are spread over all partitions, and one reader must see them all.
"""

import asyncio
import sys
from collections import defaultdict
from contextlib import suppress

from streamer.consume import Start, packets

OPENING = "packet.tcp.flags has syn and not packet.tcp.flags has ack"
PORTS, MINUTE_NS, KEPT_MINUTES = 20, 60 * 10**9, 5
Pair = tuple[str | None, str | None]


async def main(kafka: str, topic: str = "packets.v1", start: Start = "now") -> None:
    minutes: defaultdict[int, defaultdict[Pair, set[int | None]]]
    minutes = defaultdict(lambda: defaultdict(set))
    async with packets(kafka, topic=topic, start=start, where=OPENING) as events:
        async for event in events:
            tried = minutes[event.time_ns // MINUTE_NS][event.source.ip, event.destination.ip]
            if event.destination.port not in tried:
                tried.add(event.destination.port)
                if len(tried) == PORTS:
                    print(f"{event.time} {event.source.ip} scans {event.destination.ip}")
            if len(minutes) > KEPT_MINUTES:
                del minutes[min(minutes)]


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(main(sys.argv[1]))
