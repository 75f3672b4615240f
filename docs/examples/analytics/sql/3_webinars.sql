-- Registrations and attendance of each webinar. Graph's notifications of webinars have no
-- content: who registered and who attended stands in what Graph answers (attendance_records).
CREATE OR REPLACE TABLE webinar_attendance AS
WITH known AS (
    SELECT key, tenant_id FROM registrations UNION SELECT key, tenant_id FROM reports
), registered AS (
    SELECT key,
        count(DISTINCT id) FILTER (change_type = 'created') AS registered,
        count(DISTINCT id) FILTER (change_type = 'updated') AS changed
    FROM registrations GROUP BY key
), ready AS (
    SELECT key, count(DISTINCT id) AS reports, count(DISTINCT f.report_id) AS fetched, min(f.started) AS first_session
    FROM reports r LEFT JOIN fetched_reports f ON f.report_id = r.id
    GROUP BY key
), people AS (
    SELECT key, person, sum(seconds) AS seconds FROM attendance_records GROUP BY key, person
), attended AS (
    SELECT key, count(*) AS attended, round(avg(seconds) / 60, 1) AS mean_minutes FROM people GROUP BY key
)
SELECT
    k.key AS webinar, k.tenant_id, y.first_session,
    coalesce(r.registered, 0) AS registered, coalesce(r.changed, 0) AS changed,
    coalesce(y.reports, 0) AS reports, coalesce(y.fetched, 0) AS fetched,
    CASE WHEN y.fetched > 0 THEN coalesce(a.attended, 0) END AS attended, a.mean_minutes,
    EXISTS (SELECT 1 FROM gaps g WHERE g.of_what = 'webinars' AND g.webinar = k.key) AS incomplete
FROM known k
LEFT JOIN registered r USING (key)
LEFT JOIN ready y USING (key)
LEFT JOIN attended a USING (key)
ORDER BY registered DESC, webinar;
