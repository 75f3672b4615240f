-- Who was in which meeting, from the changes of its roster.

-- The subject of a meeting is that of its chat.
CREATE OR REPLACE TEMP TABLE told AS
WITH subjects AS (
    SELECT key AS meeting, arg_max(topic, received_at) AS subject FROM chats WHERE topic IS NOT NULL GROUP BY key
), events AS (
    SELECT key AS meeting, any_value(tenant_id) AS tenant_id, min(occurred_at) AS first_event, max(occurred_at) AS last_event,
        list(DISTINCT trim(lower(url_decode(url_decode(resource))), '/')) AS resources
    FROM call_events
    GROUP BY key
)
FROM events LEFT JOIN subjects USING (meeting);

-- A boundary ends every presence before it: the end of a call, and the start of one, by
-- which the one before is over; and that a subscription died, since nobody knows who stayed.
CREATE OR REPLACE TEMP TABLE boundaries AS
SELECT key AS meeting, occurred_at AS moment
FROM call_events
WHERE event_type ILIKE '%callStarted' OR event_type ILIKE '%callEnded'
UNION
SELECT t.meeting, g.since
FROM told t JOIN gaps g ON g.of_what = 'call events' AND list_contains(t.resources, g.resource);

-- One row for each time that a presence was told of. In the shape of 2022, people have no
-- id of their presence, only their own.
CREATE OR REPLACE TEMP TABLE observations AS
WITH told AS (
    SELECT event_id, key AS meeting, occurred_at AS moment, unnest(participants) AS p
    FROM call_events
    WHERE occurred_at IS NOT NULL
), known AS (
    SELECT
        event_id, meeting, moment,
        CASE WHEN p.change IS NULL THEN coalesce(p.participant_id, p.identity_id) ELSE p.identity_id END AS presence,
        coalesce(p.user_id, p.identity_id, p.participant_id) AS person,
        p.display_name AS name,
        p.removed_reason IS NULL AND coalesce(p.change, '') <> 'exited' AND NOT coalesce(p.is_in_lobby, false) AS inside,
        coalesce(p.roster_sequence_number, 0) AS sequence
    FROM told
)
SELECT meeting, moment, presence, person, name, inside, sequence FROM known
UNION ALL
-- A whole roster also tells who is not there any more.
SELECT c.key, c.occurred_at, k.presence, k.person, k.name, false, 0
FROM call_events c
JOIN (SELECT DISTINCT ON (meeting, presence) * FROM known) k ON k.meeting = c.key
WHERE c.participants_are_delta = false
  AND NOT EXISTS (SELECT 1 FROM known o WHERE o.event_id = c.event_id AND o.presence = k.presence);

-- From each observation inside to the next of the same presence, at most to the end of the
-- call; to the newest record, where neither has come yet.
CREATE OR REPLACE TEMP TABLE stretches AS
WITH followed AS (
    SELECT *, lead(moment) OVER (PARTITION BY meeting, presence ORDER BY moment, sequence) AS next_moment
    FROM observations
)
SELECT
    f.meeting, f.person, f.name, f.moment AS since,
    coalesce(least(f.next_moment, b.moment), (SELECT max(occurred_at) FROM call_events)) AS until,
    coalesce(f.next_moment, b.moment) IS NULL AS still_there
FROM followed f
ASOF LEFT JOIN boundaries b ON f.meeting = b.meeting AND f.moment < b.moment
WHERE f.inside;

-- Stretches that touch are one stay; somebody with two devices is there once.
CREATE OR REPLACE TABLE stays AS
WITH marked AS (
    SELECT *, since > max(until) OVER earlier AS apart
    FROM stretches
    WINDOW earlier AS (PARTITION BY meeting, person ORDER BY since, until ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
), numbered AS (
    SELECT *, count(*) FILTER (apart) OVER (PARTITION BY meeting, person ORDER BY since, until ROWS UNBOUNDED PRECEDING) AS stay
    FROM marked
)
SELECT meeting, person, max(name) AS name, min(since) AS since, max(until) AS until, bool_or(still_there) AS still_there
FROM numbered
GROUP BY meeting, person, stay;

-- A meeting is incomplete if a subscription to its call events was dead while it lasted.
CREATE OR REPLACE TABLE meetings AS
WITH lasted AS (
    SELECT t.*, greatest(t.last_event, (SELECT max(until) FROM stays s WHERE s.meeting = t.meeting)) AS last_known FROM told t
)
SELECT
    l.meeting, l.subject, l.tenant_id, l.first_event, l.last_event,
    EXISTS (
        SELECT 1 FROM gaps g
        WHERE g.of_what = 'call events' AND list_contains(l.resources, g.resource)
          AND g.since <= l.last_known AND coalesce(g.until, l.last_known) >= l.first_event
    ) AS incomplete
FROM lasted l;

CREATE OR REPLACE TABLE minutes AS
SELECT
    s.meeting, m.subject, s.person, max(s.name) AS name,
    round(sum(epoch(s.until - s.since)) / 60, 3) AS minutes,
    count(*) AS stays, min(s.since) AS first_in, max(s.until) AS last_out,
    bool_or(s.still_there) AS still_there, any_value(m.incomplete) AS incomplete
FROM stays s
JOIN meetings m USING (meeting)
GROUP BY s.meeting, m.subject, s.person
ORDER BY s.meeting, minutes DESC;
