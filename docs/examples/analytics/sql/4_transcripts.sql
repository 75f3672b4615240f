-- How long after the end of its recording, and after the recording could be had, the
-- transcript of a call could be had. Null where there is none yet.
CREATE OR REPLACE TABLE transcript_delay AS
WITH r AS (
    SELECT key, call_id, any_value(tenant_id) AS tenant_id, max(end_date_time) AS ended, min(received_at) AS available
    FROM recordings WHERE call_id IS NOT NULL GROUP BY key, call_id
), t AS (
    SELECT key, call_id, min(received_at) AS available FROM transcripts GROUP BY key, call_id
)
SELECT
    r.key AS meeting, r.call_id, r.ended AS recording_ended, r.available AS recording_available, t.available AS transcript_available,
    epoch(t.available - r.ended) / 60 AS minutes_after_end,
    epoch(t.available - r.available) / 60 AS minutes_after_recording,
    EXISTS (
        SELECT 1 FROM gaps g
        WHERE g.tenant_id = r.tenant_id AND g.of_what IN ('recordings', 'transcripts')
          AND g.since < coalesce(t.available, g.since + INTERVAL 1 SECOND) AND coalesce(g.until, r.ended) >= r.ended
    ) AS incomplete
FROM r
LEFT JOIN t USING (key, call_id)
ORDER BY recording_ended;
