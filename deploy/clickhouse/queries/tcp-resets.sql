-- SPDX-License-Identifier: Apache-2.0
-- Between whom are TCP connections reset, and who resets them?
-- {from:String} = 1970-01-01: from when, UTC
-- {to:String} = 2106-01-01: until when, UTC
-- {prefix:String} = ::/0: only where an end is in this network, such as 10.0.0.0/8
-- {limit:UInt32} = 20: rows
SELECT
    streamerAddress(source_ip) AS resets,
    source_port,
    streamerAddress(destination_ip) AS peer,
    count() AS packets,
    uniqExact(community_id) AS flows,
    min(ts) AS first,
    max(ts) AS last
FROM streamer.packets FINAL
WHERE ts >= parseDateTime64BestEffort({from:String}, 9, 'UTC')
    AND ts < parseDateTime64BestEffort({to:String}, 9, 'UTC')
    AND has(packet_tcp_flags, 'rst')
    AND (
        streamerInPrefix(source_ip, {prefix:String})
        OR streamerInPrefix(destination_ip, {prefix:String})
    )
GROUP BY source_ip, source_port, destination_ip
ORDER BY packets DESC
LIMIT {limit:UInt32}
SETTINGS do_not_merge_across_partitions_select_final = 1;
