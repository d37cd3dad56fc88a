-- SPDX-License-Identifier: Apache-2.0
-- How much traffic was there in each minute?
-- {from:String} = 1970-01-01: from when, UTC
-- {to:String} = 2106-01-01: until when, UTC
SELECT
    minute,
    network_direction AS direction,
    sum(p.packets) AS packets,
    sum(p.segments) AS on_the_wire,
    sum(p.bytes) AS bytes,
    round(bytes * 8 / 60 / 1e6, 3) AS mbit_per_s,
    sum(p.opens) AS tcp_opens,
    sum(p.resets) AS tcp_resets
FROM streamer.packets_by_minute AS p FINAL
WHERE minute >= parseDateTime64BestEffort({from:String}, 9, 'UTC')
    AND minute < parseDateTime64BestEffort({to:String}, 9, 'UTC')
GROUP BY minute, direction
ORDER BY minute, direction
SETTINGS do_not_merge_across_partitions_select_final = 1;
