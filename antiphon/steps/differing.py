"""Two decisions on a day set side by side: who gains a message, who loses one, what binds."""

# ruff: noqa: S608  (paths are ours, values are literals)

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from antiphon.lake import Session
from antiphon.policy.rules import Outcome
from antiphon.quoting import literal

CSV_COLUMNS = ("customer_id", "before", "after")


@dataclass(frozen=True)
class CampaignChange:
    """Customers whom one campaign writes to before and after.

    Of those after: `new` had no message they lost, `from_others` come from a campaign that no
    longer writes to them. Of those before: `lost` get none in its place, `to_others` get one of
    another campaign instead.
    """

    campaign: str
    before: int = 0
    after: int = 0
    new: int = 0
    from_others: int = 0
    lost: int = 0
    to_others: int = 0


@dataclass(frozen=True)
class Diff:
    """All that differs. `rules`: rule → decisions it bound before and after, the most first.

    `gaining`: customers who get a message and got none before; `losing`: the other way round;
    `moving`: those who get other ones.
    """

    campaigns: tuple[CampaignChange, ...]
    rules: Mapping[str, tuple[int, int]]
    controls: tuple[int, int]
    gaining: int
    losing: int
    moving: int


def differ(
    session: Session,
    before: Sequence[Path],
    after: Sequence[Path],
    *,
    known_only: bool = False,
) -> Diff:
    """Set decisions (files with the columns of DECISIONS) beside others; leaves the tables that
    `write_customers` reads. `known_only`: leave out customers whom the session's lake has not."""
    known = "SEMI JOIN customers USING (customer_id)" if known_only else ""
    for name, files in (("was", before), ("is_now", after)):
        listed = ", ".join(literal(str(path)) for path in files)
        session.execute(
            f"CREATE OR REPLACE TEMP VIEW all_{name} AS SELECT campaign::VARCHAR AS campaign, "
            "customer_id::VARCHAR AS customer_id, outcome::VARCHAR AS outcome, "
            f"rule::VARCHAR AS rule FROM read_parquet([{listed}], union_by_name = true) {known}"
        )
        session.execute(
            f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT DISTINCT campaign, customer_id "
            f"FROM all_{name} WHERE outcome = '{Outcome.SEND}'"
        )
    pair = "USING (campaign, customer_id)"
    session.execute(f"CREATE OR REPLACE TEMP TABLE gone AS FROM was ANTI JOIN is_now {pair}")
    session.execute(f"CREATE OR REPLACE TEMP TABLE come AS FROM is_now ANTI JOIN was {pair}")
    gaining, losing, moving = _people(session)
    return Diff(_campaigns(session), _rules(session), _controls(session), gaining, losing, moving)


def write_customers(session: Session, path: Path) -> int:
    """Everybody whose messages differ, as CSV: the campaigns before and after, joined by `+`."""
    sql = """
        SELECT customer_id, coalesce(b.campaigns, ''), coalesce(a.campaigns, '')
        FROM (SELECT customer_id FROM gone UNION SELECT customer_id FROM come)
        LEFT JOIN (SELECT customer_id, string_agg(campaign, '+' ORDER BY campaign) AS campaigns
            FROM was GROUP BY 1) b USING (customer_id)
        LEFT JOIN (SELECT customer_id, string_agg(campaign, '+' ORDER BY campaign) AS campaigns
            FROM is_now GROUP BY 1) a USING (customer_id)
        ORDER BY customer_id
    """
    count = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(CSV_COLUMNS)
        for batch in session.batches(sql):
            count += batch.num_rows
            writer.writerows(zip(*(column.to_pylist() for column in batch.columns), strict=True))
    return count


def _people(session: Session) -> tuple[int, int, int]:
    """Who gains, who loses, who gets other messages."""
    ((gaining, losing, moving),) = session.rows(
        """
        SELECT
            (SELECT count(DISTINCT customer_id) FROM come ANTI JOIN was USING (customer_id)),
            (SELECT count(DISTINCT customer_id) FROM gone ANTI JOIN is_now USING (customer_id)),
            (SELECT count(DISTINCT customer_id) FROM (FROM come UNION ALL FROM gone)
                SEMI JOIN was USING (customer_id) SEMI JOIN is_now USING (customer_id))
        """
    )
    return gaining, losing, moving


def _campaigns(session: Session) -> tuple[CampaignChange, ...]:
    counts: dict[str, dict[str, int]] = {}
    for name, sql in {
        "before": "FROM was",
        "after": "FROM is_now",
        "new": "FROM come ANTI JOIN gone USING (customer_id)",
        "from_others": "FROM come SEMI JOIN gone USING (customer_id)",
        "lost": "FROM gone ANTI JOIN come USING (customer_id)",
        "to_others": "FROM gone SEMI JOIN come USING (customer_id)",
    }.items():
        for campaign, count in session.rows(f"SELECT campaign, count(*) {sql} GROUP BY 1"):
            counts.setdefault(campaign, {})[name] = count
    asked = session.rows("SELECT campaign FROM all_was UNION SELECT campaign FROM all_is_now")
    return tuple(
        CampaignChange(name, **counts.get(name, {})) for name in sorted(n for (n,) in asked)
    )


def _rules(session: Session) -> dict[str, tuple[int, int]]:
    before, after = (
        Counter(
            dict(session.rows(f"SELECT rule, count(*) FROM {table} WHERE rule NOTNULL GROUP BY 1"))
        )
        for table in ("all_was", "all_is_now")
    )
    order = sorted(before | after, key=lambda rule: (-max(before[rule], after[rule]), rule))
    return {rule: (before[rule], after[rule]) for rule in order}


def _controls(session: Session) -> tuple[int, int]:
    first, second = (
        session.rows(f"SELECT count(*) FROM {table} WHERE outcome = '{Outcome.CONTROL}'")[0][0]
        for table in ("all_was", "all_is_now")
    )
    return first, second
