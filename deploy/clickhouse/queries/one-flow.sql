-- SPDX-License-Identifier: Apache-2.0
-- What happened in one flow, packet by packet?
-- {flow:String} = : its Community ID, as the other queries show it
-- {limit:UInt32} = 1000: rows
SELECT
    ts,
    round((toUnixTimestamp64Nano(ts) - min(toUnixTimestamp64Nano(ts)) OVER ()) / 1e6, 3) AS ms,
    streamerAddress(source_ip) AS source,
    source_port,
    streamerAddress(destination_ip) AS destination,
    destination_port,
    arrayStringConcat(packet_tcp_flags, ' ') AS flags,
    packet_tcp_seq AS seq,
    packet_tcp_ack AS ack,
    packet_tcp_window AS window,
    packet_payload_length AS payload,
    packet_length AS length,
    packet_segments AS segments
FROM streamer.packets FINAL
WHERE community_id = {flow:String}
ORDER BY ts, agent_id, agent_ephemeral_id, event_sequence
LIMIT {limit:UInt32}
SETTINGS do_not_merge_across_partitions_select_final = 1;
