"""Two sets of decisions on one day: are they the same, row by row and column by column?"""

# ruff: noqa: S608  (columns are those of our files, names are quoted)

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from antiphon import keys
from antiphon.lake import Session
from antiphon.quoting import literal, quoted
from antiphon.steps.decide import SETTLED

KEY = ("campaign", "step", "customer_id")  # one decision for each
MISSING, ADDED, DOUBLED = "missing", "added", "doubled"
_NOTHING = f"SELECT {', '.join(f'NULL::VARCHAR AS {name}' for name in KEY)} WHERE false"


@dataclass(frozen=True)
class Comparison:
    """What comparing stored with rebuilt decisions told.

    `erased`: stored rows of customers whom the snapshot no longer has, and how many customers
    those are; they are compared with nothing. `differences`: (campaign, column) → rows that differ
    in it. In the place of a column stands MISSING (rebuilt, and not stored), ADDED (stored, and
    not rebuilt) or DOUBLED (stored more than once).
    """

    decisions: int = 0
    erased: int = 0
    erased_customers: int = 0
    differences: Mapping[tuple[str, str], int] = field(default_factory=dict)

    @property
    def is_equal(self) -> bool:
        """Whether every row that was compared is the same."""
        return not self.differences


def compare(
    session: Session, stored: Sequence[Path], rebuilt: Sequence[Path], buckets: int
) -> Comparison:
    """Compare all rows of both, bucket by bucket; their order and place do not matter.

    The session is over the snapshot on which the day was decided.
    """
    found = [
        _compare_bucket(session, _rows(stored, bucket, buckets), _rows(rebuilt, bucket, buckets))
        for bucket in range(buckets)
    ]
    differences = sum((Counter(one.differences) for one in found), Counter[tuple[str, str]]())
    return Comparison(
        sum(one.decisions for one in found),
        sum(one.erased for one in found),
        sum(one.erased_customers for one in found),
        dict(sorted(differences.items())),
    )


def _rows(files: Sequence[Path], bucket: int, buckets: int) -> str:
    """The rows of one bucket of customers: of the settled rows, and of that bucket's held ones.

    A row in the file of another bucket is added there, and missing where it belongs.
    """
    mine = f"-b{bucket:03d}.parquet"
    held = [path for path in files if path.name.endswith(mine)]
    settled = [path for path in files if path.name == SETTLED]
    of_bucket = f"{keys.bucket_sql('customer_id', buckets)} = {bucket}" if buckets > 1 else "true"
    parts = [_read(held)] if held else []
    parts += [f"SELECT * FROM ({_read(settled)}) WHERE {of_bucket}"] if settled else []
    return " UNION ALL BY NAME ".join(parts) or _NOTHING


def _read(files: Iterable[Path]) -> str:
    listed = ", ".join(literal(str(path)) for path in files)
    return f"SELECT * FROM read_parquet([{listed}], union_by_name = true)"


def _compare_bucket(session: Session, stored: str, rebuilt: str) -> Comparison:
    session.execute(f"CREATE OR REPLACE TEMP TABLE all_stored AS {stored}")
    session.execute(f"CREATE OR REPLACE TEMP TABLE rebuilt AS {rebuilt}")
    session.execute(
        "CREATE OR REPLACE TEMP TABLE stored AS "
        "SELECT * FROM all_stored SEMI JOIN customers USING (customer_id)"
    )
    ((erased, people),) = session.rows(
        "SELECT count(*), count(DISTINCT customer_id) FROM all_stored "
        "ANTI JOIN customers USING (customer_id)"
    )
    known = {name: _columns(session, name) for name in ("stored", "rebuilt")}
    both = [name for name in known["stored"] if name in known["rebuilt"]]
    differences = _differing(session, [name for name in both if name not in KEY])
    for name in known["stored"].keys() ^ known["rebuilt"].keys():
        holder = "stored" if name in known["stored"] else "rebuilt"
        sql = f"SELECT campaign, count(*) FROM {holder} WHERE {quoted(name)} IS NOT NULL GROUP BY 1"
        differences.update({(campaign, name): count for campaign, count in session.rows(sql)})
    ((decisions,),) = session.rows("SELECT count(*) FROM stored")
    return Comparison(decisions, erased, people, differences)


def _columns(session: Session, table: str) -> dict[str, str]:
    return {str(row[0]): str(row[1]) for row in session.rows(f"DESCRIBE {table}")}


def _differing(session: Session, columns: Sequence[str]) -> Counter[tuple[str, str]]:
    """(campaign, column) → rows that differ; every row of both sides is met in the join."""
    matched = " AND ".join(f"s.{name} IS NOT DISTINCT FROM r.{name}" for name in KEY)
    sides = "s.is_there AND r.is_there"
    counts = [
        f"count(*) FILTER (WHERE {sides} AND s.{quoted(name)} IS DISTINCT FROM r.{quoted(name)})"
        for name in columns
    ]
    rows = session.rows(
        f"""
        SELECT coalesce(s.campaign, r.campaign) AS campaign,
            count(*) FILTER (WHERE s.is_there IS NULL), count(*) FILTER (WHERE r.is_there IS NULL),
            count(*) FILTER (WHERE r.is_there){"".join(f", {one}" for one in counts)}
        FROM (SELECT *, true AS is_there FROM stored) s
        FULL JOIN (SELECT *, true AS is_there FROM rebuilt) r ON {matched}
        GROUP BY 1
        """
    )
    true = dict(session.rows("SELECT campaign, count(*) FROM rebuilt GROUP BY 1"))
    found = Counter[tuple[str, str]]()
    for campaign, missing, added, met, *wrong in rows:
        doubled = met - true.get(campaign, 0)  # a row that was stored twice is met twice
        found[campaign, MISSING], found[campaign, ADDED] = missing, added
        found[campaign, DOUBLED] = doubled
        found.update({(campaign, name): n for name, n in zip(columns, wrong, strict=True)})
    return +found
