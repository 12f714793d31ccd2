"""What is due to whom: the occasions of anniversaries, triggers and chains, bucket by bucket."""

# ruff: noqa: S608  (names are ours, checked features and campaigns; values are literals)

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from antiphon.audience.anniversaries import anniversary_sql
from antiphon.audience.chains import Stages, chain_sql, people_sql
from antiphon.audience.triggers import trigger_sql
from antiphon.campaigns.configuration import Configuration
from antiphon.campaigns.models import Campaign
from antiphon.campaigns.touches import Touch, touches
from antiphon.entities import ENROLMENTS
from antiphon.lake import Session, Snapshot
from antiphon.policy.moment import Moment
from antiphon.project import Project
from antiphon.quoting import literal
from antiphon.states import OCCURRENCE_STATES, MessageState
from antiphon.steps.buckets import bucket_session, each_bucket
from antiphon.steps.frames import Frames, chain_conditions, touch_conditions

COLUMNS = {  # policy.occasions.OCCASIONS, as the engine calls its types
    "touch": "INTEGER",
    "customer_id": "VARCHAR",
    "anchor": "VARCHAR",
    "due_at": "TIMESTAMPTZ",
    "product_id": "VARCHAR",
    "value": "VARCHAR",
}
NOT_LEFT = (MessageState.PLANNED, MessageState.SENDING)
OWN = "@run"  # source of the rows that runs write themselves


@dataclass(frozen=True)
class Occasions:
    """A file of occasions for each bucket, and the enrolments to merge.

    `entered`, `left`: campaign → customers who begin and end its chain with this moment.
    """

    paths: tuple[Path, ...] = ()
    enrolments: tuple[Path, ...] = ()
    count: int = 0
    entered: Mapping[str, int] = field(default_factory=dict)
    left: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class _Bucket:
    path: Path
    count: int
    enrolments: Path | None
    entered: Counter[str]
    left: Counter[str]


def stages_of(configuration: Configuration, campaign: Campaign) -> Stages:
    """The campaign's chain with its conditions."""
    assert campaign.chain is not None
    start, exits = chain_conditions(configuration, campaign)
    steps = touch_conditions(configuration, touches([campaign]))
    return Stages(campaign.campaign, campaign.chain, start, exits, steps)


def find_occasions(
    project: Project,
    snapshot: Snapshot,
    moment: Moment,
    frames: Frames,
    folder: Path,
    *,
    spoken: Sequence[Touch],
    recent: pa.Table,
    everybody: bool = True,
) -> Occasions:
    """Write what is due now into `folder`, a file for each bucket. `spoken`: touches in order.

    `recent`: the ledger's contacts that the snapshot does not have. `everybody` false: the frames
    hold some customers only, and the enrolments of others stay as they are.
    """
    configuration = project.configuration
    chains = {
        place: stages_of(configuration, touch.campaign)
        for place, touch in enumerate(spoken)
        if touch.campaign.chain and touch.chain_step is touch.campaign.chain.steps[0]
    }

    def find(bucket: int) -> _Bucket:
        source = frames.relation(bucket)
        with bucket_session(project, snapshot, bucket, recent=recent) as session:
            told = told_sql([stages.campaign for stages in chains.values()])
            session.execute(f"CREATE TEMP TABLE told AS {told}")
            for first, stages in chains.items():
                people = people_sql(stages, moment, source)
                sql = chain_sql(stages.campaign, stages.chain, moment, people, everybody=everybody)
                session.execute(f"CREATE TEMP TABLE chain_{first} AS {sql}")
            enrolled = [f"SELECT * FROM chain_{first} WHERE is_changed" for first in chains]
            parts = [_chain_part(first, f"chain_{first}") for first in chains]
            parts += filter(None, (_part(*one, moment, source) for one in enumerate(spoken)))
            path = folder / f"occasions-b{bucket:03d}.parquet"
            count = session.write(_joined(parts), path)
            staged = _staged(session, folder / f"enrolments-b{bucket:03d}.parquet", enrolled)
        return _Bucket(path, count, *staged)

    found = each_bucket(project, snapshot, find)
    return Occasions(
        tuple(one.path for one in found),
        tuple(one.enrolments for one in found if one.enrolments),
        sum(one.count for one in found),
        sum((one.entered for one in found), Counter[str]()),
        sum((one.left for one in found), Counter[str]()),
    )


def told_sql(campaigns: Sequence[str]) -> str:
    """SELECT of what uses up occurrences of these campaigns: the table `told` of chains.

    Needs the table `recent`, whose rows may be of any bucket.
    """
    columns = "message_id, campaign, step, customer_id, anchor, contact_at, state"
    named = ", ".join(map(literal, campaigns)) or "''"
    alive = ", ".join(literal(state) for state in sorted(OCCURRENCE_STATES))
    waiting = ", ".join(map(literal, NOT_LEFT))
    return f"""
        SELECT campaign, step, customer_id, anchor, contact_at, state,
            state IN ({waiting}) AS is_waiting
        FROM (
            SELECT {columns} FROM contacts ANTI JOIN recent USING (message_id)
            UNION ALL SELECT {columns} FROM recent
        )
        WHERE campaign IN ({named}) AND state IN ({alive})
    """


def _part(place: int, touch: Touch, moment: Moment, source: str) -> str:
    """The occasions of an anniversary or a trigger; '' of any other touch."""
    campaign = touch.campaign
    if campaign.anniversary:
        found = anniversary_sql(campaign.anniversary, moment, source)
        told = "NULL::VARCHAR AS product_id, NULL::VARCHAR AS value"
    elif campaign.on:
        found, told = trigger_sql(campaign.on, moment, source), "product_id, value"
    else:
        return ""
    return f"SELECT {place} AS touch, customer_id, anchor, due_at, {told} FROM ({found})"


def _chain_part(first: int, table: str) -> str:
    """The occasions of a chain whose first step is the touch at place `first`."""
    return (
        f"SELECT place + {first} AS touch, customer_id, anchor, due_at, "
        "NULL::VARCHAR AS product_id, NULL::VARCHAR AS value "
        f"FROM {table} WHERE is_due"
    )


def _joined(parts: Sequence[str]) -> str:
    typed = ", ".join(f"{name}::{type_} AS {name}" for name, type_ in COLUMNS.items())
    nothing = ", ".join(f"NULL::{type_} AS {name}" for name, type_ in COLUMNS.items())
    listed = " UNION ALL ".join([f"SELECT {nothing} WHERE false", *parts])
    return f"SELECT {typed} FROM ({listed}) ORDER BY touch, customer_id, anchor"


def _staged(
    session: Session, path: Path, parts: Sequence[str]
) -> tuple[Path | None, Counter[str], Counter[str]]:
    """The enrolments that change, staged for the lake; campaign → who enters, and who leaves."""
    entered, left = Counter[str](), Counter[str]()
    changed = " UNION ALL ".join(parts)
    rows = parts and session.rows(
        "SELECT campaign, count(*) FILTER (is_new), count(left_at) "
        f"FROM ({changed}) GROUP BY campaign"
    )
    if not rows:
        return None, entered, left
    for name, begun, ended in rows:
        entered[name], left[name] = begun, ended
    names = ", ".join(column.name for column in ENROLMENTS.columns)
    numbered = f"SELECT {names}, '{OWN}' AS _source, row_number() OVER () AS _row"
    session.write(f"{numbered} FROM ({changed})", path)
    return path, entered, left
