"""Draws what people want to look at, as PNG files."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.dates as dates
import matplotlib.pyplot as plt
import matplotlib.ticker as ticker
from matplotlib.patches import Patch

BLUE, LIGHT, ORANGE, RED, GREY = "#27659a", "#a9c8e4", "#d97b29", "#b23a3a", "#8a8a8a"
STYLE = {
    "font.size": 10, "axes.titlesize": 13, "axes.titleweight": "bold", "axes.titlelocation": "left", "axes.titlepad": 14,
    "axes.spines.top": False, "axes.spines.right": False, "axes.axisbelow": True, "legend.frameon": False,
    "figure.constrained_layout.use": True, "savefig.dpi": 130,
}
MOST = 20  # bars of one plot


def draw(db, out):
    """Draws each plot that there is data for; returns their names."""
    out.mkdir(exist_ok=True)
    drawn = []
    with plt.rc_context(STYLE):
        for plot in (meetings, presence, people, webinars, transcripts):
            figure = plot(db)
            if figure is None:
                continue
            figure.savefig(out / f"{plot.__name__}.png")
            plt.close(figure)
            drawn.append(plot.__name__)
    return drawn


def label(subject, key):
    """What a meeting is called: its subject, or the end of its key."""
    name = (subject or key.split("@")[0][-10:]).replace("$", r"\$")
    return name if len(name) <= 32 else name[:31] + "…"


def bars(n):
    """A figure for n horizontal bars."""
    return plt.subplots(figsize=(9, 1.6 + 0.34 * n))


def meetings(db):
    """Person-hours of each meeting."""
    rows = db.execute("""
        SELECT any_value(subject), meeting, sum(minutes) / 60 AS hours, count(*), avg(minutes), bool_or(incomplete)
        FROM minutes GROUP BY meeting ORDER BY hours DESC, meeting LIMIT ?
    """, [MOST]).fetchall()
    if not rows:
        return None
    figure, ax = bars(len(rows))
    rows.reverse()
    drawn = ax.barh([label(r[0], r[1]) + "\u200b" * i for i, r in enumerate(rows)], [r[2] for r in rows], color=[LIGHT if r[5] else BLUE for r in rows])
    ax.bar_label(drawn, [f"{r[3]} people, {r[4]:.0f} min each" for r in rows], padding=4, color=GREY, fontsize=9)
    ax.margins(x=0.25)
    ax.set_xlabel("person-hours")
    ax.set_title("Time spent in meetings")
    ax.xaxis.grid(True, alpha=0.3)
    ax.tick_params(axis="y", length=0)
    if any(r[5] for r in rows):
        figure.legend(handles=[Patch(color=BLUE, label="complete"), Patch(color=LIGHT, label="incomplete: a subscription was dead")], loc="outside lower right", ncols=2)
    return figure


def presence(db):
    """Who was there when, in the meeting in which most people were."""
    most = db.execute("""
        SELECT meeting, any_value(subject) FROM minutes
        GROUP BY meeting ORDER BY bool_or(incomplete), count(*) DESC, meeting LIMIT 1
    """).fetchone()
    if most is None:
        return None
    rows = db.execute("SELECT person, coalesce(name, person[:8]), since, until FROM stays WHERE meeting = ? ORDER BY since", [most[0]]).fetchall()
    shown = list(dict.fromkeys(r[0] for r in rows))[: 2 * MOST]
    names = {r[0]: r[1] for r in rows}
    figure, ax = bars(len(shown))
    for person, _, since, until in rows:
        if person in shown:
            ax.barh(len(shown) - shown.index(person), until - since, left=since, height=0.62, color=BLUE)
    ax.set_yticks(range(len(shown), 0, -1), [names[p] for p in shown])
    ax.margins(x=0.02)
    ax.set_title(f"Who was there when: {label(most[1], most[0])}")
    time_axis(ax)
    ax.xaxis.grid(True, alpha=0.3)
    ax.tick_params(axis="y", length=0)
    return figure


def people(db):
    """How many people were in meetings at a time, and when that is not known whole."""
    rows = db.sql("""
        WITH changes AS (SELECT since AS moment, 1 AS change FROM stays UNION ALL SELECT until, -1 FROM stays)
        SELECT moment, sum(sum(change)) OVER (ORDER BY moment) FROM changes GROUP BY moment ORDER BY moment
    """).fetchall()
    if not rows:
        return None
    figure, ax = plt.subplots(figsize=(9, 4))
    ax.fill_between([r[0] for r in rows], [r[1] for r in rows], step="post", color=BLUE, alpha=0.85, linewidth=0)
    first, last = rows[0][0], rows[-1][0]
    gaps = db.execute("SELECT greatest(since, $1), least(coalesce(until, $2), $2) FROM gaps WHERE of_what = 'call events' AND since < $2 AND coalesce(until, $2) > $1", [first, last]).fetchall()
    for since, until in gaps:
        ax.axvspan(since, until, color=RED, alpha=0.18, linewidth=0)
    if gaps:
        figure.legend(handles=[Patch(color=RED, alpha=0.18, label="incomplete: a subscription was dead")], loc="outside lower right")
    ax.set_title("People in meetings")
    ax.set_ylabel("people at the same time")
    ax.set_ylim(bottom=0)
    ax.yaxis.set_major_locator(ticker.MaxNLocator(integer=True))
    ax.yaxis.grid(True, alpha=0.3)
    ax.set_xlim(first, last)
    time_axis(ax)
    return figure


def webinars(db):
    """Registered and attended, by webinar."""
    rows = db.execute("SELECT webinar, first_session, registered, attended, mean_minutes, incomplete FROM webinar_attendance ORDER BY registered DESC, webinar LIMIT ?", [MOST]).fetchall()
    if not rows:
        return None
    rows.reverse()
    figure, ax = bars(len(rows) * 1.3)
    y = range(len(rows))
    ax.barh(y, [r[2] for r in rows], height=0.72, color=LIGHT, label="registered")
    ax.barh(y, [r[3] or 0 for r in rows], height=0.36, color=BLUE, label="attended")
    for i, (_, _, registered, attended, mean, _) in enumerate(rows):
        text = "no report yet" if attended is None else f"{attended} of {registered}" + (f", {mean:.0f} min each" if mean else "")
        ax.annotate(text, (max(registered, attended or 0), i), xytext=(5, 0), textcoords="offset points", va="center", color=GREY, fontsize=9)
    names = [r[0][:8] + (f"\n{r[1]:%d %b %H:%M}" if r[1] else "") + (" *" if r[5] else "") for r in rows]
    ax.set_yticks(y, names)
    ax.tick_params(axis="y", length=0)
    ax.margins(x=0.25)
    ax.set_xlabel("people")
    ax.set_title("Webinars: registered and attended")
    ax.xaxis.grid(True, alpha=0.3)
    handles, _ = ax.get_legend_handles_labels()
    if any(r[5] for r in rows):
        handles.append(Patch(color="none", label="* incomplete: a subscription was dead"))
    figure.legend(handles=handles, loc="outside lower right", ncols=3)
    return figure


def transcripts(db):
    """How long after the end of its recording a transcript could be had."""
    minutes = [m for (m,) in db.sql("SELECT minutes_after_end FROM transcript_delay WHERE minutes_after_end IS NOT NULL AND NOT incomplete ORDER BY ALL").fetchall()]
    missing = db.sql("SELECT count(*) FROM transcript_delay WHERE transcript_available IS NULL").fetchall()[0][0]
    if not minutes:
        return None
    figure, ax = plt.subplots(figsize=(9, 4))
    share = [(i + 1) / len(minutes) for i in range(len(minutes))]
    ax.step([0, *minutes], [0, *share], where="post", color=BLUE, linewidth=2)
    for part, name in ((0.5, "half"), (0.9, "nine in ten")):
        at = minutes[min(len(minutes) - 1, int(part * len(minutes)))]
        ax.plot([at, at], [0, part], color=ORANGE, linestyle=":")
        ax.annotate(f"{name} within {at:.0f} min", (at, part), xytext=(7, -13), textcoords="offset points", color=ORANGE)
    ax.set_title("From the end of a recording to its transcript")
    ax.set_xlabel(f"minutes ({len(minutes)} transcripts" + (f"; {missing} recordings have none)" if missing else ")"))
    ax.set_ylabel("transcripts available")
    ax.yaxis.set_major_formatter(ticker.PercentFormatter(1))
    ax.set_xlim(0, 1.25 * minutes[-1])
    ax.set_ylim(0, 1.02)
    ax.grid(True, alpha=0.3)
    return figure


def time_axis(ax):
    locator = dates.AutoDateLocator()
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator))
    ax.set_xlabel("UTC")
