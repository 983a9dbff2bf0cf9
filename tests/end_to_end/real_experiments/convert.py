"""Two public data sets as the exposure and event logs that their makers could have kept.

The configurations that analyse them lie beside, as YAML. Each converter says what it had to make up: when things
happened and who did them, never a published count or number.
"""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

CONFIGS = Path(__file__).parent
COOKIE_CATS_DAYS = pd.date_range("2016-05-02", periods=16)
AUDACITY_DAYS = pd.date_range("2016-10-03", periods=3)
DAY = pd.Timedelta(days=1)
SECOND = pd.Timedelta(seconds=1)
MICROSECOND = pd.Timedelta(microseconds=1)


def cookie_cats_logs(published: Path, data: Path) -> None:
    """A user's install, returns and rounds, from one published row a user. No time is published.

    Installs are spread evenly over two days. Returns come exactly 1 and 7 days later, the rounds of the first 14 days
    at their last microsecond: at the edges of the windows. Who played no round leaves no event.
    """
    users = pd.read_csv(published / "cookie_cats.csv.gz").sort_values("userid", ignore_index=True)
    step = 2 * DAY.value // len(users) // 1000
    installed_at = COOKIE_CATS_DAYS[0] + pd.to_timedelta(users.index * step, unit="us").to_series(users.index)
    installs = users[["userid", "version"]].assign(experiment="gate", installed_at=installed_at)

    def events(name: str, after: pd.Timedelta, those: pd.Series) -> pd.DataFrame:
        chosen = users[those]
        at = (installed_at + after)[those]
        return pd.DataFrame({"userid": chosen["userid"], "name": name, "at": at})

    played = users["sum_gamerounds"] > 0
    returns = [events("return", DAY, users["retention_1"]), events("return", 7 * DAY, users["retention_7"])]
    rounds = events("rounds_played", 14 * DAY - MICROSECOND, played).assign(rounds=users["sum_gamerounds"][played])
    _write_parquet(installs, "installed_at", data / "installs")
    _write_jsonl(pd.concat([*returns, rounds]), "at", data / "events", ".jsonl.gz")


def audacity_logs(published: Path, data: Path) -> None:
    """Views as exposures, all else as events. `course_page_timed` has the views whose duration is known.

    The four months are laid over two days: each unit moves by whole days, so times of day and the seconds from view
    to click stay. A student's attendance and completion are logged with the row itself.
    """
    homepage, course_page, classroom = (
        pd.read_csv(published / f"{page}_actions.csv.gz", parse_dates=["timestamp"])
        for page in ("homepage", "course_page", "classroom")
    )
    homepage, classroom = _over_two_days(homepage), _over_two_days(classroom)
    course_page = _over_two_days(_with_enrolments_of_viewers(course_page))
    course_views = course_page[course_page["action"] == "view"]
    timed_views = course_views[course_views["duration"].notna()]
    views = pd.concat(
        [
            homepage[homepage["action"] == "view"].assign(page="homepage"),
            course_views.assign(page="course_page"),
            timed_views.assign(page="course_page_timed"),
            classroom.assign(page="classroom"),
        ]
    )
    mean_seconds = timed_views.groupby("id", as_index=False).agg({"timestamp": "min", "duration": "mean"})
    actions = pd.concat(
        [
            homepage[homepage["action"] == "click"],
            course_page[course_page["action"] == "enroll"].drop(columns="duration"),
            mean_seconds.assign(action="timed_view"),
            classroom[["timestamp", "id", "total_days"]].assign(action="attended"),
            classroom.loc[classroom["completed"], ["timestamp", "id"]].assign(action="completed"),
        ]
    )
    _write_csv(views[["timestamp", "id", "group", "page"]], "timestamp", data / "views")
    _write_jsonl(actions.drop(columns=["group", "completed"], errors="ignore"), "timestamp", data / "actions", ".jsonl")


def _with_enrolments_of_viewers(log: pd.DataFrame) -> pd.DataFrame:
    """Give each enrolment to a viewer of its group, a second after the view.

    In the published log 797 of 814 enrolments have ids that never viewed the page; the published rate divides the two
    counts. So those go to viewers without an enrolment of their own, in order of id.
    """
    views, enrolments = log[log["action"] == "view"], log[log["action"] == "enroll"]
    first_views = views.groupby("id").agg({"timestamp": "min", "group": "first"})
    credited = []
    for group, ids in enrolments.groupby("group")["id"]:
        viewers = first_views[first_views["group"] == group]
        own = viewers.index.isin(ids)
        credited.append(pd.concat([viewers[own], viewers[~own].head(len(ids) - own.sum())]))
    enrolled = pd.concat(credited).reset_index()
    return pd.concat([views, enrolled.assign(action="enroll", timestamp=enrolled["timestamp"] + SECOND)])


def _over_two_days(log: pd.DataFrame) -> pd.DataFrame:
    """Units first seen in the first half of the calendar on the first day, the others on the second."""
    first_day = log.groupby("id")["timestamp"].transform("min").dt.normalize()
    is_late = first_day > first_day.min() + (first_day.max() - first_day.min()) / 2
    target = is_late.map({False: AUDACITY_DAYS[0], True: AUDACITY_DAYS[1]})
    return log.assign(timestamp=log["timestamp"] - first_day + target)


def _days(rows: pd.DataFrame, instant: str) -> Iterator[tuple[str, pd.DataFrame]]:
    for day, part in rows.groupby(rows[instant].dt.date):
        yield str(day), part


def _write_parquet(rows: pd.DataFrame, instant: str, folder: Path) -> None:
    folder.mkdir(parents=True)
    for day, part in _days(rows, instant):
        part.to_parquet(folder / f"{day}.parquet", index=False)


def _write_csv(rows: pd.DataFrame, instant: str, folder: Path) -> None:
    folder.mkdir(parents=True)
    for day, part in _days(rows, instant):
        part.to_csv(folder / f"{day}.csv", index=False)


def _write_jsonl(rows: pd.DataFrame, instant: str, folder: Path, suffix: str) -> None:
    folder.mkdir(parents=True)
    for day, part in _days(rows, instant):
        file = folder / f"{day}{suffix}"
        part.to_json(file, orient="records", lines=True, date_format="iso", date_unit="us", double_precision=15)
