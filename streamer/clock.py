# SPDX-License-Identifier: Apache-2.0
"""From the kernel's boot-time clock to UTC.

Events carry CLOCK_BOOTTIME, which neither steps nor stops in a suspend. The offset to UTC is
estimated here, off the hot path, and again every few seconds, so that a stepped or slewed wall
clock bends no event that was stamped before.
"""

import time

_SAMPLES = 5


def utc_offset_ns() -> int:
    """Return CLOCK_REALTIME less CLOCK_BOOTTIME, from the sample that was taken fastest.

    The wall clock is read between two readings of the boot clock; the narrowest of a few such
    brackets has the least error (half its width, usually well under a microsecond).
    """
    samples = []
    for _ in range(_SAMPLES):
        before = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        utc = time.clock_gettime_ns(time.CLOCK_REALTIME)
        after = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        samples.append((after - before, utc - (before + after) // 2))
    _width_ns, offset_ns = min(samples)
    return offset_ns
