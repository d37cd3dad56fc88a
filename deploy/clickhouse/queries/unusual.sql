-- SPDX-License-Identifier: Apache-2.0
-- Which packets are fragments, truncated or otherwise odd (packet.parse), and from whom?
-- {from:String} = 1970-01-01: from when, UTC
-- {to:String} = 2106-01-01: until when, UTC
-- {prefix:String} = ::/0: only where an end is in this network, such as 10.0.0.0/8
-- {limit:UInt32} = 20: rows
SELECT
    arrayJoin(packet_parse) AS what,
    streamerAddress(source_ip) AS source,
    streamerAddress(destination_ip) AS destination,
    streamerProtocolName(network_iana_number) AS protocol,
    count() AS packets,
    sum(packet_length) AS bytes
FROM streamer.packets FINAL
WHERE ts >= parseDateTime64BestEffort({from:String}, 9, 'UTC')
    AND ts < parseDateTime64BestEffort({to:String}, 9, 'UTC')
    AND notEmpty(packet_parse)
    AND (
        streamerInPrefix(source_ip, {prefix:String})
        OR streamerInPrefix(destination_ip, {prefix:String})
    )
GROUP BY what, source_ip, destination_ip, network_iana_number
ORDER BY packets DESC
LIMIT {limit:UInt32}
SETTINGS do_not_merge_across_partitions_select_final = 1;
