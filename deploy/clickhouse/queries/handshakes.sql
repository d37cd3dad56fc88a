-- SPDX-License-Identifier: Apache-2.0
-- How long do servers take from SYN to SYN+ACK, and how many SYNs stay unanswered?
-- {from:String} = 1970-01-01: from when, UTC
-- {to:String} = 2106-01-01: until when, UTC
-- {prefix:String} = ::/0: only where an end is in this network, such as 10.0.0.0/8
-- {limit:UInt32} = 20: rows
SELECT
    streamerAddress(server_ip) AS server,
    server_port,
    count() AS handshakes,
    countIf(answered = 0) AS unanswered,
    round(quantileExactIf(0.5)(answered - asked, answered > 0) / 1e6, 6) AS median_ms,
    round(maxIf(answered - asked, answered > 0) / 1e6, 6) AS slowest_ms
FROM (
    WITH has(packet_tcp_flags, 'ack') AS answer, toUnixTimestamp64Nano(ts) AS ns
    SELECT
        if(answer, source_ip, destination_ip) AS server_ip,
        if(answer, source_port, destination_port) AS server_port,
        minIf(ns, NOT answer) AS asked,
        minIf(ns, answer) AS answered
    FROM streamer.packets FINAL
    WHERE ts >= parseDateTime64BestEffort({from:String}, 9, 'UTC')
        AND ts < parseDateTime64BestEffort({to:String}, 9, 'UTC')
        AND has(packet_tcp_flags, 'syn')
        AND (
            streamerInPrefix(source_ip, {prefix:String})
            OR streamerInPrefix(destination_ip, {prefix:String})
        )
    GROUP BY community_id, agent_id, server_ip, server_port
    HAVING asked > 0
)
GROUP BY server_ip, server_port
ORDER BY handshakes DESC
LIMIT {limit:UInt32}
SETTINGS do_not_merge_across_partitions_select_final = 1;
