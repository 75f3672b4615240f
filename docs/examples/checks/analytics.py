"""Has the analyst's pipeline digest a day of which all is known, and what the simulated Graph
sent, and compares its tables with figures that were come by in another way.

    python analytics.py BROKERS REGISTRY SAMPLE-PREFIX PREFIX RECORDS DIRECTORY

RECORDS are those of the topics of PREFIX, as consume.py prints them.
"""

import collections
import datetime
import functools
import http.server
import json
import pathlib
import random
import signal
import subprocess
import sys
import threading
import time
import urllib.parse

ANALYTICS = pathlib.Path(__file__).resolve().parents[1] / "analytics"
sys.path.insert(0, str(ANALYTICS))

import duckdb
import sample


def pipeline(brokers, registry, prefix, out, *more):
    return subprocess.Popen([
        sys.executable, str(ANALYTICS / "pipeline.py"), "--brokers", brokers, "--registry", registry, "--prefix", prefix, "--out", str(out), *more,
    ], stdout=subprocess.PIPE, text=True)


def finish(process):
    said = process.communicate(timeout=120)[0]
    assert process.returncode == 0, said
    return said


def close(a, b, within=0.01):
    return a is not None and abs(a - b) < within


def known_day(brokers, registry, prefix, directory):
    """The sample day, in two parts and with a kill between; returns the number of figures."""
    begin = datetime.datetime.now(datetime.timezone.utc).replace(hour=8, minute=0, second=0, microsecond=0) - datetime.timedelta(days=1)
    day, out = sample.Day(begin), directory / "sample"
    for path, report in day.reports.items():
        file = directory / "reports" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(report), encoding="utf-8")
    handler = functools.partial(Quiet, directory=str(directory / "reports"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as graph:
        threading.Thread(target=graph.serve_forever, daemon=True).start()
        run = functools.partial(pipeline, brokers, registry, prefix, out, "--graph", f"http://127.0.0.1:{graph.server_port}")
        every = sorted(day.records, key=lambda r: r[2])
        day.records = every[: len(every) // 2]
        sample.write(day, brokers, registry, prefix)
        killed = run("--no-plots")
        time.sleep(random.uniform(0.5, 2))
        killed.send_signal(signal.SIGKILL)
        killed.communicate()
        finish(run("--no-plots"))
        day.records = every[len(every) // 3 :]  # a third of the first half once more
        sample.write(day, brokers, registry, prefix)
        finish(run("--no-plots"))
        assert finish(run()).startswith("0 records read, 0 attendance reports fetched, 5 plots"), "the last run found something new"
        graph.shutdown()
    for plot in (out / "plots").iterdir():
        assert plot.read_bytes().startswith(b"\x89PNG") and plot.stat().st_size > 5_000, plot

    # By way of Parquet, as others would read it.
    minutes = duckdb.sql(f"SELECT meeting, person, minutes, incomplete FROM '{out}/parquet/minutes.parquet'").fetchall()
    found = {(m, p): n for m, p, n, incomplete in minutes if not incomplete}
    want = {(m, p): n for (m, p), n in day.truth["minutes"].items() if m not in day.truth["incomplete"]}
    assert set(found) == set(want), f"{len(found)} people in meetings, want {len(want)}"
    for k in want:
        assert close(found[k], want[k]), f"{k} was there for {found[k]} minutes, want {want[k]}"
    assert {m for m, _, _, incomplete in minutes if incomplete} == set(day.truth["incomplete"])
    for m, p, n, _ in minutes:
        assert n < day.truth["minutes"][m, p] + 0.01, f"{p} was in {m} for {n} minutes, although it was {day.truth['minutes'][m, p]} at most"

    webinars = duckdb.sql(f"SELECT webinar, registered, attended, mean_minutes, incomplete FROM '{out}/parquet/webinar_attendance.parquet'").fetchall()
    assert {w[0] for w in webinars} == set(day.truth["webinars"])
    for key, *figures in webinars:
        registered, attended, mean, lost = day.truth["webinars"][key]
        assert figures[:2] == [registered, attended] and close(figures[2], mean, 0.06) and figures[3] == lost, f"{key}: {figures}, want {day.truth['webinars'][key]}"

    delays = dict(duckdb.sql(f"SELECT call_id, minutes_after_end FROM '{out}/parquet/transcript_delay.parquet'").fetchall())
    assert set(delays) == set(day.truth["delays"])
    for key, delay in day.truth["delays"].items():
        assert close(delays[key], delay), f"{key}: {delays[key]}, want {delay}"
    return len(want) + 4 * len(webinars) + len(delays)


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


def played_back(records):
    """Minutes by meeting and person, event after event: whoever is in is in until told out."""
    events, gaps, resources = collections.defaultdict(dict), collections.defaultdict(set), collections.defaultdict(set)
    spelled = lambda r: urllib.parse.unquote(urllib.parse.unquote(r)).lower().strip("/")
    moment = datetime.datetime.fromisoformat
    for r in records:
        v = r["value"]
        if r["topic"] == "gaps":
            gaps[spelled(v["resource"])].add(moment(v["from"]))
        if r["topic"] == "meeting-call-events":
            resources[r["key"]].add(spelled(v["resource"]))
            if v["occurred_at"]:
                events[r["key"]][v["event_id"]] = v
    newest = max(moment(e["occurred_at"]) for all_ in events.values() for e in all_.values())
    minutes = {}
    for meeting, told in events.items():
        line = [(moment(e["occurred_at"]), e) for e in told.values()]
        line += [(at, None) for resource in resources[meeting] for at in gaps[resource]]
        inside, stays = {}, collections.defaultdict(list)

        def out(presence, at):
            if presence in inside:
                person, since = inside.pop(presence)
                stays[person].append((since, at))

        for at, e in sorted(line, key=lambda pair: pair[0]):
            if e is None or (e["event_type"] or "").lower().endswith(("callstarted", "callended")):
                for presence in list(inside):
                    out(presence, at)
            for p in (e and e["participants"]) or []:
                presence = p["participant_id"] or p["identity_id"] if p["change"] is None else p["identity_id"]
                if p["removed_reason"] is not None or p["change"] == "exited" or p["is_in_lobby"]:
                    out(presence, at)
                else:
                    inside.setdefault(presence, (p["user_id"] or p["identity_id"] or p["participant_id"], at))
        for presence in list(inside):
            out(presence, newest)
        for person, spans in stays.items():
            total, reached = datetime.timedelta(), None
            for since, until in sorted(spans):
                since = max(since, reached) if reached else since
                total += max(until - since, datetime.timedelta())
                reached = max(until, reached) if reached else until
            minutes[meeting, person] = total.total_seconds() / 60
    return minutes


def simulated(brokers, registry, prefix, file, directory):
    """What the simulated Graph sent; returns the number of figures."""
    out = directory / "simulated"
    finish(pipeline(brokers, registry, prefix, out))
    with open(file, encoding="utf-8") as f:
        records = [json.loads(line) for line in f]
    for r in records:
        r["topic"] = r["topic"].removeprefix(prefix)
    want = played_back(records)
    with duckdb.connect(str(out / "meetbridge.duckdb"), read_only=True) as db:
        found = {(m, p): n for m, p, n in db.sql("SELECT meeting, person, minutes FROM minutes").fetchall()}
        assert want and set(found) == set(want), f"{len(found)} people in meetings, want {len(want)}; {list(set(found) ^ set(want))[:3]}"
        for k in want:
            assert close(found[k], want[k]), f"{k} was there for {found[k]} minutes, want {want[k]}"
        registered = collections.defaultdict(set)
        for r in records:
            if r["topic"] == "webinar-registrations" and r["value"]["change_type"] == "created":
                registered[r["key"]].add(r["value"]["id"])
        for key, n in db.sql("SELECT webinar, registered FROM webinar_attendance").fetchall():
            assert n == len(registered[key]), f"{n} registered for {key}, want {len(registered[key])}"
        calls = {(r["key"], r["value"]["call_id"]) for r in records if r["topic"] == "call-recordings" and r["value"]["call_id"]}
        assert len(calls) == db.sql("SELECT count(*) FROM transcript_delay").fetchall()[0][0]
    return len(want) + len(registered) + len(calls)


if __name__ == "__main__":
    brokers_, registry_, sample_prefix, prefix_, file_, directory_ = sys.argv[1:]
    directory_ = pathlib.Path(directory_)
    directory_.mkdir()
    known = known_day(brokers_, registry_, sample_prefix, directory_)
    print(f"{known} figures of a known day are right after a kill and in parts, {simulated(brokers_, registry_, prefix_, file_, directory_)} of the simulated Graph's")
