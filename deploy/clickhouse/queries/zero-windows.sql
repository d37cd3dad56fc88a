-- SPDX-License-Identifier: Apache-2.0
-- Who can't take more data (TCP window 0), and from whom?
-- {from:String} = 1970-01-01: from when, UTC
-- {to:String} = 2106-01-01: until when, UTC
-- {prefix:String} = ::/0: only where an end is in this network, such as 10.0.0.0/8
-- {limit:UInt32} = 20: rows
SELECT
    streamerAddress(source_ip) AS full,
    source_port,
    streamerAddress(destination_ip) AS sender,
    destination_port,
    count() AS packets,
    min(ts) AS first,
    max(ts) AS last,
    community_id
FROM streamer.packets FINAL
WHERE ts >= parseDateTime64BestEffort({from:String}, 9, 'UTC')
    AND ts < parseDateTime64BestEffort({to:String}, 9, 'UTC')
    AND network_transport = 'tcp'
    AND packet_tcp_window = 0
    AND NOT has(packet_tcp_flags, 'rst') -- a reset has no window to speak of
    AND notEmpty(packet_tcp_flags)
    AND (
        streamerInPrefix(source_ip, {prefix:String})
        OR streamerInPrefix(destination_ip, {prefix:String})
    )
GROUP BY community_id, source_ip, source_port, destination_ip, destination_port
ORDER BY packets DESC
LIMIT {limit:UInt32}
SETTINGS do_not_merge_across_partitions_select_final = 1;
