-- SPDX-License-Identifier: Apache-2.0
-- Who asks which name servers, and are they answered?
-- {from:String} = 1970-01-01: from when, UTC
-- {to:String} = 2106-01-01: until when, UTC
-- {prefix:String} = ::/0: only where an end is in this network, such as 10.0.0.0/8
-- {limit:UInt32} = 20: rows
SELECT
    streamerAddress(if(asks, source_ip, destination_ip)) AS client,
    streamerAddress(if(asks, destination_ip, source_ip)) AS server,
    network_transport AS transport,
    countIf(destination_port = 53) AS questions,
    countIf(source_port = 53) AS answers,
    sum(packet_length) AS bytes
FROM (
    SELECT *, destination_port = 53 AS asks
    FROM streamer.packets FINAL
    WHERE ts >= parseDateTime64BestEffort({from:String}, 9, 'UTC')
        AND ts < parseDateTime64BestEffort({to:String}, 9, 'UTC')
        AND (source_port = 53 OR destination_port = 53)
        AND packet_payload_length > 0
        AND (
            streamerInPrefix(source_ip, {prefix:String})
            OR streamerInPrefix(destination_ip, {prefix:String})
        )
)
GROUP BY client, server, transport
ORDER BY questions DESC
LIMIT {limit:UInt32}
SETTINGS do_not_merge_across_partitions_select_final = 1;
