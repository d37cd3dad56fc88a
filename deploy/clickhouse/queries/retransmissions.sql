-- SPDX-License-Identifier: Apache-2.0
-- Which flows send the same bytes again? The same sequence number and length, from the same
-- sender, seen more than once at one place. (A segment that was resent with other borders, as
-- segmentation offload can do, is not found.)
-- {from:String} = 1970-01-01: from when, UTC
-- {to:String} = 2106-01-01: until when, UTC
-- {prefix:String} = ::/0: only where an end is in this network, such as 10.0.0.0/8
-- {limit:UInt32} = 20: rows
SELECT
    streamerAddress(source_ip) AS source,
    source_port,
    streamerAddress(destination_ip) AS destination,
    destination_port,
    sum(times) - count() AS resent,
    sum(times) AS data_packets,
    round(100 * resent / data_packets, 2) AS percent,
    community_id
FROM (
    SELECT community_id, source_ip, source_port, destination_ip, destination_port, count() AS times
    FROM streamer.packets FINAL
    WHERE ts >= parseDateTime64BestEffort({from:String}, 9, 'UTC')
        AND ts < parseDateTime64BestEffort({to:String}, 9, 'UTC')
        AND network_transport = 'tcp'
        AND packet_payload_length > 0
        AND (
            streamerInPrefix(source_ip, {prefix:String})
            OR streamerInPrefix(destination_ip, {prefix:String})
        )
    GROUP BY
        community_id, source_ip, source_port, destination_ip, destination_port, packet_tcp_seq,
        packet_payload_length, agent_id, packet_hook, network_direction,
        observer_ingress_interface_name, observer_egress_interface_name
)
GROUP BY community_id, source_ip, source_port, destination_ip, destination_port
HAVING resent > 0
ORDER BY resent DESC
LIMIT {limit:UInt32}
SETTINGS do_not_merge_across_partitions_select_final = 1;
