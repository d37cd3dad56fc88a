-- SPDX-License-Identifier: Apache-2.0
-- Is any event missing, or stored twice? Numbers run without a gap in each run of each agent.
-- (Without FINAL on purpose: `doubled` are rows that the next merges take away. What retention has
-- deleted before the first number is not counted.)
SELECT
    agent_id,
    agent_ephemeral_id,
    min(event_sequence) AS first,
    max(event_sequence) AS last,
    uniqExact(event_sequence) AS events,
    last - first + 1 - events AS lost,
    count() - events AS doubled,
    min(ts) AS since,
    max(ts) AS until
FROM streamer.packets
GROUP BY agent_id, agent_ephemeral_id
ORDER BY lost DESC, doubled DESC, since;
