-- SPDX-License-Identifier: Apache-2.0
-- Who tries many ports or many hosts? TCP SYNs, by their sender.
-- {from:String} = 1970-01-01: from when, UTC
-- {to:String} = 2106-01-01: until when, UTC
-- {prefix:String} = ::/0: only where an end is in this network, such as 10.0.0.0/8
-- {ports:UInt32} = 20: at least so many different places
-- {limit:UInt32} = 20: rows
SELECT
    streamerAddress(source_ip) AS source,
    uniqExact(destination_ip, destination_port) AS places,
    uniqExact(destination_ip) AS hosts,
    uniqExact(destination_port) AS ports,
    arraySlice(arraySort(groupUniqArray(destination_port)), 1, 10) AS lowest_ports,
    min(ts) AS first,
    max(ts) AS last
FROM streamer.packets FINAL
WHERE ts >= parseDateTime64BestEffort({from:String}, 9, 'UTC')
    AND ts < parseDateTime64BestEffort({to:String}, 9, 'UTC')
    AND has(packet_tcp_flags, 'syn')
    AND NOT has(packet_tcp_flags, 'ack')
    AND (
        streamerInPrefix(source_ip, {prefix:String})
        OR streamerInPrefix(destination_ip, {prefix:String})
    )
GROUP BY source_ip
HAVING places >= {ports:UInt32}
ORDER BY places DESC
LIMIT {limit:UInt32}
SETTINGS do_not_merge_across_partitions_select_final = 1;
