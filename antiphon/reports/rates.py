"""Reports of sql/reports/: their tables, and the rates their files declare, with intervals.

A file says which of its columns are rates of which: `-- rate clicked: clicked of sent` gives the
columns clicked_rate, clicked_low and clicked_high (Wilson, 95 %). `-- score nps: promoters less
detractors of answers` gives nps_score, nps_low and nps_high in hundredths (Net Promoter Score).
"""

import re
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from difflib import get_close_matches

import pyarrow as pa

from antiphon.clock import business_day
from antiphon.errors import UserFilesError
from antiphon.lake import Session
from antiphon.project import Project
from antiphon.reports.session import EVERYTHING, Scope, by_bucket, reading_session
from antiphon.response.nps import NetPromoter
from antiphon.response.rates import Rate

FOLDER = "sql/reports"
DECLARED = re.compile(r"^-- rate (\w+): (\w+) of (\w+)\s*$", re.MULTILINE)
SCORED = re.compile(r"^-- score (\w+): (\w+) less (\w+) of (\w+)\s*$", re.MULTILINE)
# What one may want to see by, and the report that shows it.
BY = {
    "campaign": "campaigns",
    "variant": "variants",
    "channel": "channels",
    "cell": "cells",
    "day": "days",
    "cohort": "cohorts",
}


@dataclass(frozen=True, slots=True)
class RateOf:
    """A rate that a report declares: the columns of its numerator and denominator."""

    name: str
    part: str
    whole: str


@dataclass(frozen=True, slots=True)
class ScoreOf:
    """A Net Promoter Score that a report declares: columns of promoters, detractors and all."""

    name: str
    part: str
    less: str
    whole: str


@dataclass(frozen=True, slots=True)
class ReportTable:
    """What a report's query answered, and the rates and scores it declares."""

    name: str
    counts: pa.Table
    rates: tuple[RateOf, ...]
    scores: tuple[ScoreOf, ...] = ()

    def table(self) -> pa.Table:
        """The counts, then `…_rate`, `…_low` and `…_high` of each rate; null of nothing. Then
        `…_score`, `…_low` and `…_high` of each score, in hundredths."""
        table = self.counts
        for one in self.rates:
            found = self.column(one)
            values: dict[str, list[float | None]] = {"rate": [], "low": [], "high": []}
            for rate in found:
                low, high = rate.interval() or (None, None)
                for name, value in zip(values, (rate.rate, low, high), strict=True):
                    values[name].append(value)
            for name, column in values.items():
                table = table.append_column(f"{one.name}_{name}", pa.array(column, pa.float64()))
        for each in self.scores:
            table = self._with_score(table, each)
        return table

    def _with_score(self, table: pa.Table, one: ScoreOf) -> pa.Table:
        scored = self.scored(one)
        ends = [each.interval() or (None, None) for each in scored]
        columns = {
            "score": [each.score for each in scored],
            "low": [low for low, _ in ends],
            "high": [high for _, high in ends],
        }
        for name, values in columns.items():
            hundredths = [None if value is None else 100 * value for value in values]
            table = table.append_column(f"{one.name}_{name}", pa.array(hundredths, pa.float64()))
        return table

    def scored(self, one: ScoreOf) -> list[NetPromoter]:
        """A score, row by row."""
        columns = (self.counts[name].to_pylist() for name in (one.part, one.less, one.whole))
        return [
            NetPromoter(int(part), int(whole) - int(part) - int(less), int(less))
            for part, less, whole in zip(*columns, strict=True)
        ]

    def column(self, one: RateOf) -> list[Rate]:
        """A rate, row by row."""
        pairs = zip(
            self.counts[one.part].to_pylist(), self.counts[one.whole].to_pylist(), strict=True
        )
        return [Rate(int(part or 0), int(whole or 0)) for part, whole in pairs]


def report_table(project: Project, name: str, scope: Scope = EVERYTHING) -> ReportTable:
    """A report by its name; UserFilesError where there is no such report or campaign.

    `scope` narrows what reads `occurrences` or `outcomes`; a report of neither knows none, and is
    refused with one. A report is one SELECT.
    """
    sql = _sql(project, name)
    check_scope(project, scope)
    _check_narrows(name, sql, scope)
    zone = project.configuration.settings.business.timezone
    now = project.clock()
    values = {
        "business_zone": zone,
        "business_day": business_day(now, zone),
        "as_of": now,
    }
    asked = {key: value for key, value in values.items() if re.search(rf"\${key}\b", sql)}
    with reading_session(project, scope) as (reading, session), ExitStack() as stack:
        check_reads(session, f"{FOLDER}/{name}.sql", sql)
        if reading.snapshot.buckets > 1 and re.search(r"\boutcomes\b", sql):
            columns = [name for name, *_ in session.rows("DESCRIBE outcomes")]
            made = f"SELECT {', '.join(_named(sql, columns))} FROM outcomes"  # noqa: S608 (ours)
            stack.enter_context(by_bucket(reading, session, "outcomes", made))
        counts = session.arrow(sql, asked or None)
    path, columns = f"{FOLDER}/{name}.sql", counts.column_names
    return ReportTable(name, counts, declared(path, sql, columns), scores(path, sql, columns))


def scores(path: str, sql: str, columns: Sequence[str]) -> tuple[ScoreOf, ...]:
    """The scores a report's text declares; UserFilesError where a column is not there."""
    found = tuple(ScoreOf(*one) for one in SCORED.findall(sql))
    for one in found:
        _there(path, f"the score {one.name!r}", (one.part, one.less, one.whole), columns)
    return found


def _named(sql: str, columns: Sequence[str]) -> list[str]:
    """The columns a query may ask for by name; all, where it may ask for all."""
    plain = re.sub(r"--[^\n]*|count\(\*\)", "", sql, flags=re.IGNORECASE)
    if "*" in plain or re.search(r"\bcolumns\b|^\s*from\b", plain, re.IGNORECASE):
        return list(columns)
    words = {word.lower() for word in re.findall(r"\w+", plain)}
    return [name for name in columns if name in words] or list(columns)


def declared(path: str, sql: str, columns: Sequence[str]) -> tuple[RateOf, ...]:
    """The rates a report's text declares; UserFilesError where a column is not there."""
    rates = tuple(RateOf(*found) for found in DECLARED.findall(sql))
    for one in rates:
        _there(path, f"the rate {one.name!r}", (one.part, one.whole), columns)
    return rates


def _there(path: str, what: str, asked: Sequence[str], columns: Sequence[str]) -> None:
    for column in asked:
        if column not in columns:
            raise UserFilesError(
                f"{path}: {what} is of a column {column!r} that the query does "
                f"not have.\n  It has: {', '.join(columns)}."
            )


def _sql(project: Project, name: str) -> str:
    reports = project.configuration.files.under(FOLDER)
    sql = reports.get(f"{name}.sql")
    if sql is None:
        there = ", ".join(path.removesuffix(".sql") for path in reports)
        raise UserFilesError(f"there is no {FOLDER}/{name}.sql. There are: {there or 'none'}.")
    return sql


def check_reads(session: Session, where: str, sql: str) -> None:
    """UserFilesError where it would do anything but answer: reports change nothing."""
    if not session.only_reads(sql):
        raise UserFilesError(
            f"{where} is not one SELECT that can be read.\n"
            "  Write a single query (WITH … SELECT … is one); reports and notebooks change nothing."
        )


def _check_narrows(name: str, sql: str, scope: Scope) -> None:
    plain = re.sub(r"--[^\n]*", "", sql)
    if scope == EVERYTHING or re.search(r"\b(outcomes|occurrences)\b", plain, re.I):
        return
    raise UserFilesError(
        f"the report {name!r} counts no messages: it cannot be narrowed by campaign or days.\n"
        f"  Leave them out. These reports know both: {', '.join(sorted(BY.values()))}, sent, lift."
    )


def check_scope(project: Project, scope: Scope) -> None:
    """UserFilesError where there is no such campaign, or no day. A campaign that is no file any
    more may still have its messages; a typing mistake not."""
    if scope.days is not None and scope.days < 1:
        raise UserFilesError(f"days is {scope.days}: write 1 for today, 7 for a week.")
    campaigns = project.configuration.campaigns
    if scope.campaign is None or scope.campaign in campaigns:
        return
    with project.lake.session() as session:
        found = session.rows("SELECT DISTINCT campaign FROM contacts ORDER BY ALL")
    known = {**campaigns, **{name: None for (name,) in found}}
    if scope.campaign in known:
        return
    near = get_close_matches(scope.campaign, known, n=1)
    there = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(known)}."
    raise UserFilesError(f"no campaign {scope.campaign!r}. {there}")
