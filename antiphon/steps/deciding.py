"""A day's decisions over its frames: bucket by bucket, then across all; nothing is written here."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from antiphon import keys
from antiphon.audience.policy_inputs import ZONES
from antiphon.campaigns.models import Campaign
from antiphon.campaigns.touches import Touch, touches
from antiphon.lake import Session, Snapshot
from antiphon.ledger import Hold
from antiphon.policy.brakes import BrakeReading
from antiphon.policy.chance import Numbers, Part, keyed_numbers
from antiphon.policy.decide import Judged, judge
from antiphon.policy.moment import Moment
from antiphon.policy.settling.settle import settle
from antiphon.policy.settling.usage import total
from antiphon.project import Project
from antiphon.quoting import literal
from antiphon.steps.asking import (
    brake_readings,
    history_query,
    households_query,
    people_query,
    zones_table,
)
from antiphon.steps.buckets import bucket_session, each_bucket
from antiphon.steps.composing import occasions_sql
from antiphon.steps.frames import Frames
from antiphon.steps.intake import recent_contacts

ENGINE_FROM = 20_000  # rows from which the engine hashes faster than Python


@dataclass(frozen=True)
class Day:
    """All that a day's decisions depend on.

    `mark`: the ledger's mark up to which the snapshot holds its contacts. `run_id`: messages of
    this run are no history to it, so that a step done again decides the same. `occasions`: a file
    (OCCASIONS) for each bucket, or none.
    `contacts`: what the ledger had since the mark, where a day is decided again; absent: its own
    rows, read once.
    """

    project: Project
    snapshot: Snapshot
    moment: Moment
    campaigns: tuple[Campaign, ...]
    frames: Frames
    mark: int
    run_id: str = ""
    occasions: Sequence[Path] = ()
    contacts: pa.Table | None = None

    @cached_property
    def touches(self) -> tuple[Touch, ...]:
        """What may speak today, in the order of mask bits."""
        return touches(self.campaigns)

    @property
    def configuration_hash(self) -> str:
        """Of all files that the decisions were made by."""
        return self.project.configuration.files.hash

    @cached_property
    def recent(self) -> pa.Table:
        """The ledger's own rows since the mark, without those of this run; always the same."""
        if self.contacts is not None:
            return self.contacts
        return recent_contacts(self.project, self.mark, self.run_id)

    @cached_property
    def holds(self) -> Mapping[str, Hold]:
        """The campaigns that were on hold at the day's moment."""
        return self.project.ledger.holds.in_force(self.moment.as_of)

    @cached_property
    def brakes(self) -> Mapping[str, BrakeReading]:
        """What stands on the brakes that hold today, by name."""
        tables = {"recent": self.recent}
        with self.project.lake.session(self.snapshot, tables=tables) as session:
            return brake_readings(self, session)


def engine_numbers(session: Session) -> Numbers:
    """`keys.number` for many rows, by the lake's engine."""

    def numbers(purpose: str, parts: Sequence[Part]) -> npt.NDArray[np.uint64]:
        arrays = [part for part in parts if not isinstance(part, str)]
        if len(arrays[0]) < ENGINE_FROM:
            return keyed_numbers(purpose, parts)
        names = [f"p{place}" for place, part in enumerate(parts) if not isinstance(part, str)]
        session.register("parts", pa.table(arrays, names=names))
        texts = [
            f"p{place}" if not isinstance(part, str) else literal(part)
            for place, part in enumerate(parts)
        ]
        table = session.arrow(f"SELECT {keys.number_sql(purpose, *texts)} AS n FROM parts")  # noqa: S608
        drawn: npt.NDArray[np.uint64] = table["n"].to_numpy()
        return drawn

    return numbers


def _told(hold: Hold) -> str:
    """What decisions say of a hold: JSON."""
    since = f"{hold.held_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    told = {"kind": hold.kind.value, "since": since, "reason": hold.reason}
    return json.dumps(told, ensure_ascii=False, separators=(",", ":"))


@dataclass(frozen=True)
class Decided:
    """The decisions on those who passed all rules on customers (DECISIONS), and what earlier runs
    used of limits (USED)."""

    settled: pa.Table
    used: pa.Table


def decide_day(day: Day, folder: Path) -> Decided:
    """Decide every candidate: held rows go to `folder`, bucket by bucket; the survivors come back.

    Columns of both: policy.decide.DECISIONS.
    """
    configuration, salt = day.project.configuration, day.project.configuration.settings.salt
    campaigns, sharing = configuration.campaigns.values(), households_query(day)
    people = people_query(day)
    tables = {"recent": day.recent, ZONES: zones_table()}
    holds = {name: _told(hold) for name, hold in day.holds.items()}

    def decide(bucket: int) -> Judged:
        due = occasions_sql(day.occasions[bucket : bucket + 1])
        with bucket_session(day.project, day.snapshot, bucket, **tables) as session:
            judged = judge(
                session.arrow(people(bucket)),
                session.arrow(history_query(day, bucket)),
                day.touches,
                configuration.policy,
                day.moment,
                salt=salt,
                occasions=session.arrow(f"SELECT * FROM {due}"),  # noqa: S608
                numbers=engine_numbers(session),
                brakes=day.brakes,
                households=session.arrow(sharing) if sharing else None,
                campaigns=campaigns,
                holds=holds,
            )
            session.register("held", judged.held)
            named = f"SELECT *, {literal(day.configuration_hash)} AS configuration FROM held"  # noqa: S608
            session.write(named, folder / f"held-b{bucket:03d}.parquet")
        return replace(judged, held=judged.held.slice(0, 0))

    decided = each_bucket(day.project, day.snapshot, decide)
    with day.project.lake.session(day.snapshot) as session:
        settled = settle(
            decided,
            day.touches,
            configuration.policy,
            day.moment,
            salt=salt,
            numbers=engine_numbers(session),
            campaigns=campaigns,
        )
    return Decided(settled, total([one.used for one in decided]))
