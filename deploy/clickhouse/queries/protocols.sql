-- SPDX-License-Identifier: Apache-2.0
-- Which protocols make up the traffic?
-- {from:String} = 1970-01-01: from which hour, UTC
-- {to:String} = 2106-01-01: until when, UTC
SELECT
    streamerProtocolName(network_iana_number) AS named,
    if(named = '', network_type, named) AS protocol,
    network_type AS over,
    sum(p.packets) AS packets,
    sum(p.bytes) AS bytes,
    round(100 * bytes / sum(bytes) OVER (), 2) AS percent
FROM streamer.packets_by_hour AS p FINAL
WHERE hour >= parseDateTime64BestEffort({from:String}, 9, 'UTC')
    AND hour < parseDateTime64BestEffort({to:String}, 9, 'UTC')
GROUP BY named, protocol, over
ORDER BY bytes DESC
SETTINGS do_not_merge_across_partitions_select_final = 1;
