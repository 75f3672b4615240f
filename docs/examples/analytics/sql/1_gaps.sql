-- Stretches of time in which a subscription was dead, so that figures are incomplete: the
-- newest record of each gap. until is null while it is open.
CREATE OR REPLACE TABLE gaps AS
SELECT DISTINCT ON (gap_id)
    gap_id, tenant_id, "from" AS since, "to" AS until, cause,
    -- The same resource is spelled in several ways.
    trim(lower(url_decode(url_decode(resource))), '/') AS resource,
    CASE
        WHEN resource ILIKE '%meetingCallEvents%' THEN 'call events'
        WHEN resource ILIKE '%recordings%' THEN 'recordings'
        WHEN resource ILIKE '%transcripts%' THEN 'transcripts'
        WHEN resource ILIKE '%virtualEvents/%' THEN 'webinars'
        ELSE 'other'
    END AS of_what,
    regexp_extract(resource, '(?i)/(?:webinars|townhalls)/([^/()]+)', 1) AS webinar
FROM gap_records
ORDER BY gap_id, "to" IS NULL, recorded_at DESC;
