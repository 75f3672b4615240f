"""Gets the content of attendance reports from Graph: its notifications only say that a
report is there, and where."""

import json
import urllib.error
import urllib.parse
import urllib.request


def fetch(db, graph, token_file=None):
    """Asks for each report that was not had yet and keeps it; returns how many those were.
    What Graph refuses for now is asked for in the next run."""
    token = token_file.read_text().strip() if token_file else None
    wanted = db.sql("""
        SELECT DISTINCT ON (id) id, key, session_id, resource_data FROM reports
        WHERE id NOT IN (SELECT report_id FROM fetched_reports) ORDER BY id
    """).fetchall()
    n = 0
    for report_id, key, session, data in wanted:
        path = json.loads(data)["@odata.id"]
        try:
            report, attended = get(graph, path, token)
        except urllib.error.HTTPError as e:
            if e.code == 404:
                print(f"there is no report {report_id} any more")
                continue
            print(f"Graph answers {e.code}; {len(wanted) - n} reports are left for the next run")
            break
        db.begin()
        db.execute("INSERT INTO fetched_reports VALUES (?, ?::TIMESTAMPTZ AT TIME ZONE 'UTC', ?)", [report_id, report.get("meetingStartDateTime"), report.get("totalParticipantCount")])
        for r in attended:
            identity = r.get("identity") or {}
            person = r.get("emailAddress") or identity.get("id") or r["id"]
            db.execute(
                "INSERT INTO attendance_records VALUES (?, ?, ?, ?, ?, ?)",
                [report_id, key, session, person, identity.get("displayName"), r.get("totalAttendanceInSeconds") or 0],
            )
        db.commit()
        n += 1
    return n


def get(graph, path, token):
    """Returns a report and all its records, page by page."""
    url = f"{graph.rstrip('/')}/{urllib.parse.quote(path.lstrip('/'), safe='/@')}?$expand=attendanceRecords"
    report = answer(url, token)
    records, more = report.get("attendanceRecords", []), report.get("attendanceRecords@odata.nextLink")
    while more:
        page = answer(more, token)
        records, more = records + page["value"], page.get("@odata.nextLink")
    return report, records


def answer(url, token):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=30) as r:
        return json.load(r)
