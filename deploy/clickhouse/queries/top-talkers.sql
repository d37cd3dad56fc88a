-- SPDX-License-Identifier: Apache-2.0
-- Which conversations moved the most bytes?
-- {from:String} = 1970-01-01: from when, UTC
-- {to:String} = 2106-01-01: until when, UTC
-- {prefix:String} = ::/0: only where an end is in this network, such as 10.0.0.0/8
-- {limit:UInt32} = 20: rows
SELECT
    streamerAddress(a_ip) AS a,
    a_port,
    streamerAddress(b_ip) AS b,
    b_port,
    network_transport AS transport,
    streamerServiceName(least(a_port, b_port), network_transport) AS service,
    sum(c.packets) AS packets,
    sum(c.bytes) AS bytes,
    sum(c.bytes_ab) AS bytes_a_to_b,
    bytes - bytes_a_to_b AS bytes_b_to_a,
    community_id
FROM streamer.conversations_by_minute AS c FINAL
WHERE minute >= parseDateTime64BestEffort({from:String}, 9, 'UTC')
    AND minute < parseDateTime64BestEffort({to:String}, 9, 'UTC')
    AND (
        streamerInPrefix(a_ip, {prefix:String})
        OR streamerInPrefix(b_ip, {prefix:String})
    )
GROUP BY community_id, network_transport, a_ip, a_port, b_ip, b_port
ORDER BY bytes DESC
LIMIT {limit:UInt32}
SETTINGS do_not_merge_across_partitions_select_final = 1;
