"""Looking at segments, and at conditions that nobody has written down yet; nothing is kept."""

# ruff: noqa: S608  (conditions are checked, names are quoted)

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from antiphon.audience.conditions import Condition, ConditionProblem, parse
from antiphon.audience.expressions import RELATION
from antiphon.audience.frame import count_sql
from antiphon.campaigns.complaints import nearest
from antiphon.clock import business_day
from antiphon.errors import UserFilesError
from antiphon.lake import Session
from antiphon.policy.moment import Moment
from antiphon.project import Project
from antiphon.quoting import literal, quoted
from antiphon.response.rates import Rate
from antiphon.steps.frames import Frames, build_frames, last_segments
from antiphon.steps.planning import planned, pulled, scratch

REACHED = {
    "email": "frame.email_reachable AND NOT frame.suppressed_email",
    "sms": "frame.sms_reachable AND NOT frame.suppressed_sms",
}
# Shown where the project has these features.
VALUE, CONTACTS, ANSWERED = "spend_365d", "contact_count", "answered_count"
NOT_YET = "(not registered)"
SAMPLE = 8


@dataclass(frozen=True)
class Size:
    """A group of customers: how many, their share of all (0–1), whom each channel reaches, what
    they are worth (average of spend_365d, None of nobody), and how often they answered us."""

    customers: int
    share: float
    email: int
    sms: int
    value: Decimal | None
    answered: Rate


@dataclass(frozen=True)
class SegmentSize:
    """One segment. `before`: its customers in the last finished run; None: it was not there."""

    segment: str
    title: str
    size: Size
    before: int | None


@dataclass(frozen=True)
class Draft:
    """What an ad-hoc condition holds for: its size, a few of its customers with the columns it
    reads, and where it may lose customers without a value."""

    size: Size
    columns: tuple[str, ...]
    sample: Sequence[tuple[Any, ...]]
    condition: Condition


class WrongCondition(UserFilesError):
    """An ad-hoc condition cannot be read; every problem with its place in the text."""

    def __init__(self, text: str, problems: Sequence[ConditionProblem]) -> None:
        lines = text.split("\n")
        super().__init__(
            "\n".join(
                f"{one.line}:{one.column}: {one.message}\n    {lines[one.line - 1]}\n"
                f"    {' ' * (one.column - 1)}^" + (f"\n  {one.hint}" if one.hint else "")
                for one in problems
            )
        )


def segment_sizes(project: Project) -> tuple[list[SegmentSize], str | None]:
    """Every segment on the last published snapshot, as of now, and the run it is compared with."""
    definitions = project.configuration.definitions
    run_id, before = last_segments(project)
    asked = [*definitions.segments.values()]
    with _frames(project, _now(project), asked) as (frames, session):
        sizes = _sizes(project, frames, session, asked)
    found = [
        SegmentSize(name, definitions.titles.get(name, ""), size, before.get(name))
        for name, size in zip(definitions.segments, sizes, strict=True)
    ]
    return found, run_id


def draft(project: Project, text: str) -> Draft:
    """Count and sample a condition as of now; raises WrongCondition."""
    parsed = parse(text, project.configuration.definitions.vocabulary())
    if not isinstance(parsed, Condition):
        raise WrongCondition(text, parsed)
    columns = tuple(sorted(parsed.columns))
    with _frames(project, _now(project), [parsed], columns) as (frames, session):
        (size,) = _sizes(project, frames, session, [parsed])
        shown = ", ".join(quoted(name) for name in ("customer_id", *columns))
        sample = session.rows(
            f"SELECT {shown} FROM {frames.relation()} AS {RELATION} WHERE {parsed.sql} "
            f"ORDER BY md5(customer_id) LIMIT {SAMPLE}"  # any eight, and always the same
        )
    return Draft(size, ("customer_id", *columns), sample, parsed)


@dataclass(frozen=True)
class Moves:
    """Who moved between the names of a dimension: (from, to) → customers."""

    since: datetime
    names: tuple[str, ...]
    counts: Mapping[tuple[str, str], int]


def moves(project: Project, since: date, dimension: str) -> Moves:
    """Compare each customer's name in the dimension now and on that day, at this time of day.

    The earlier frame counts only the facts up to then; attributes of customers are those of now,
    as a source tells only the latest.
    """
    dimensions = project.configuration.definitions.dimensions
    if dimension not in dimensions:
        raise UserFilesError(
            f"there is no dimension {dimension!r} in config/segments.yaml.\n"
            f"  {nearest(dimension, list(dimensions))}"
        )
    now = _now(project)
    local = now.as_of.astimezone(ZoneInfo(now.zone))
    then = datetime.combine(since, local.time(), ZoneInfo(now.zone))
    if then >= local:
        raise UserFilesError(f"{since} is not in the past: name an earlier day.")
    earlier = Moment(then, since, now.zone)
    with (
        _frames(project, now, (), [dimension]) as (after, session),
        _frames(project, earlier, (), [dimension]) as (before, _),
    ):
        rows = session.rows(
            f"""
            SELECT CASE WHEN a.registered_at > $then THEN {literal(NOT_YET)}
                ELSE b.{quoted(dimension)} END, a.{quoted(dimension)}, count(*)
            FROM {after.relation()} AS a JOIN {before.relation()} AS b USING (customer_id)
            GROUP BY ALL
            """,
            {"then": then},
        )
    return Moves(then, dimensions[dimension].names, {(old, new): n for old, new, n in rows})


def overlaps(project: Project) -> tuple[dict[str, int], dict[tuple[str, str], int]]:
    """Today's campaigns by the size of their audience, and how many customers two of them share.

    The pair (first, second) in the order of the sizes; pairs that share nobody are left out.
    """
    with planned(project) as plan, project.lake.session() as session:
        session.execute(
            "CREATE TEMP TABLE meant AS SELECT DISTINCT campaign::VARCHAR AS campaign, "
            "customer_id::VARCHAR AS customer_id "
            f"FROM read_parquet('{plan.folder}/*.parquet', union_by_name = true)"
        )
        sizes = session.rows("SELECT campaign, count(*) AS n FROM meant GROUP BY 1 ORDER BY n DESC")
        order = {campaign: place for place, (campaign, _) in enumerate(sizes)}
        pairs = session.rows(
            "SELECT a.campaign, b.campaign, count(*) FROM meant a JOIN meant b USING (customer_id) "
            "WHERE a.campaign < b.campaign GROUP BY ALL"
        )
    return dict(sizes), {
        (one, other) if order[one] < order[other] else (other, one): count
        for one, other, count in pairs
    }


# ---------------------------------------------------------------- shared


def _now(project: Project) -> Moment:
    zone, now = project.configuration.settings.business.timezone, project.clock()
    return Moment(now, business_day(now, zone), zone)


@contextmanager
def _frames(
    project: Project, moment: Moment, asked: Sequence[Condition], columns: Collection[str] = ()
) -> Iterator[tuple[Frames, Session]]:
    """Frames of everybody with the columns asked for, and a session to read them."""
    snapshot = pulled(project)
    known = project.configuration.definitions.features
    needed = {*columns, *(name for name in (VALUE, CONTACTS, ANSWERED) if asked and name in known)}
    with project.lake.session(snapshot) as session, scratch(project.lake.path) as folder:
        yield (
            build_frames(project, snapshot, moment, (), folder, needed=needed, asked=asked),
            session,
        )


def _sizes(
    project: Project, frames: Frames, session: Session, conditions: Sequence[Condition]
) -> list[Size]:
    """The size of each condition, all of them in one scan."""
    features = project.configuration.definitions.features

    def total(function: str, feature: str, condition: Condition) -> str:
        if feature not in features:
            return "NULL"
        return f"{function}({RELATION}.{quoted(feature)}) FILTER (WHERE {condition.sql})"

    counts = ["count(*)"]
    for condition in conditions:
        counts.append(count_sql(condition))
        counts += [
            f"count(*) FILTER (WHERE ({condition.sql}) AND {usable})" for usable in REACHED.values()
        ]
        counts += [total("sum", name, condition) for name in (VALUE, CONTACTS, ANSWERED)]
    relation = frames.relation()
    ((everybody, *found),) = session.rows(f"SELECT {', '.join(counts)} FROM {relation} AS frame")
    return [
        Size(
            customers,
            customers / everybody if everybody else 0.0,
            email,
            sms,
            round(value / customers, 2) if customers and value is not None else None,
            Rate(int(answered or 0), int(contacts or 0)),
        )
        for customers, email, sms, value, contacts, answered in zip(*[iter(found)] * 6, strict=True)
    ]
