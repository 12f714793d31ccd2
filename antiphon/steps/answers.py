"""Why each campaign wrote to a customer, or did not.

Quick on any day: of every file only the customer's bucket is opened, and nothing is imported that
builds frames or reads conditions.
"""

# ruff: noqa: S608

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from antiphon import keys
from antiphon.campaigns.models import Campaign
from antiphon.campaigns.touches import Touch, running_on, touches
from antiphon.errors import UserFilesError
from antiphon.lake import Session
from antiphon.policy.rules import Outcome
from antiphon.policy.words.explain import explain, explain_entry, upcoming
from antiphon.project import Project, glance
from antiphon.quoting import literal
from antiphon.states import MessageState
from antiphon.steps.ran import Known, kept

Row = Mapping[str, Any]
BECAME = {  # what became of a message that was chosen, where it is not what one expects
    MessageState.PLANNED: "it has not left yet",
    MessageState.BOUNCED: "it bounced",
    MessageState.REFUSED: "the provider refused it",
    MessageState.IN_DOUBT: "whether it left is in doubt",
    MessageState.WITHDRAWN: "it was taken back before it left",
    MessageState.EXPIRED: "it expired before anything sent it: nobody got it",
}
MOVING = (MessageState.PLANNED, MessageState.SENDING, MessageState.IN_DOUBT)


@dataclass(frozen=True)
class Answer:
    """What was decided of one campaign (or one step of it) and one customer, in plain words.

    `facts`: for programs; empty where nothing was decided.
    """

    campaign: str
    outcome: str
    words: str
    facts: Row = field(default_factory=dict)


@dataclass(frozen=True)
class Person:
    """Where a customer lives. `own_zone` and `country` are the business's where theirs is unknown
    or no zone at all."""

    customer_id: str
    household_id: str
    own_zone: str
    country: str


def why(
    project: Project, customer_id: str, day: date | None = None, only: str | None = None
) -> tuple[Known, list[Answer]]:
    """Every campaign of the day (absent: of the latest run), by name, and the run asked.

    Of several runs on one day the one that chose to write speaks, else the latest. A chain has an
    answer for each step that was due, else one that says where the customer stands in it.
    """
    snapshot = project.lake.current()
    bucket = keys.bucket_of(customer_id, snapshot.buckets)
    with project.lake.session(snapshot, bucket=bucket) as session:
        same_day = _runs(project, session, day)
        latest = same_day[0]
        pinned = _pinned(project, latest)
        known = pinned.configuration.campaigns
        if only is not None and only not in known:
            raise UserFilesError(f"no campaign {only!r}. There are: {', '.join(known)}.")
        campaigns = running_on(known, latest.business_day, None if only is None else [only])
        found = _answers(_Look(project, pinned, session, customer_id, same_day), campaigns)
    return latest, found


def _pinned(project: Project, run: Known) -> Project:
    """The project with the files of the run."""
    if run.files_hash == project.configuration.files.hash:
        return project
    files = project.ledger.contents.files(run.files_hash or "")
    return glance(project.root, files, project.clock)


def _runs(project: Project, session: Session, day: date | None) -> tuple[Known, ...]:
    """The runs of the day (absent: of the last) whose decisions are kept, the latest first."""
    stored = session.snapshot.manifest.stores.get("decisions", {})
    days = {one.day for one in stored.values()}
    asked = day or max(days, default=None)
    run_ids = [run_id for run_id, one in stored.items() if one.day == asked]
    if not run_ids:
        raise UserFilesError(
            f"no decisions are kept{f' of {day}' if day else ''}: `antiphon runs` lists the runs."
        )
    if (runs := kept(session, run_ids)) is not None:
        return tuple(runs)
    found = [one for run_id in run_ids if (one := project.ledger.runs.get(run_id))]
    return tuple(sorted(found, key=lambda one: one.as_of, reverse=True))


def _answers(look: "_Look", campaigns: Sequence[Campaign]) -> list[Answer]:
    person, rows = look.person, look.decisions
    states = look.states
    answers = []
    for campaign in campaigns:
        found = [
            _answer(look, person, touch, row, states)
            for touch in touches([campaign])
            if (row := rows.get((touch.name, touch.step)))
        ]
        answers += found or [Answer(campaign.campaign, "", look.silence(campaign))]
    return answers


def _answer(
    look: "_Look", person: Person, touch: Touch, row: Row, states: Mapping[str, MessageState]
) -> Answer:
    policy, run = look.pinned.configuration.policy, look.run(row["run_id"])
    where = {"zone": look.zone, "own_zone": person.own_zone, "country": person.country}
    words = explain(row, policy, touch, as_of=run.as_of, **where)
    message_id = look.message_id(row)
    state = states.get(message_id or "")
    if state in BECAME:
        words += f"; {BECAME[state]}"
    return Answer(
        touch.name,
        row["outcome"],
        words,
        {
            "step": row["step"],
            "cell": row["cell"],
            "outcome": row["outcome"],
            "arm": row["arm"],
            "channel": row["channel"],
            "planned_at": row["planned_at"],
            "rule": row["rule"],
            "lost_to": row["lost_to"],
            "counters": json.loads(row["counters"]) if row["counters"] else None,
            "next_possible_at": upcoming(row, policy, touch, **where),
            "message_id": message_id,
            "state": state.value if state else None,
            "household": person.household_id,
            "run": run.run_id,
            "configuration": row.get("configuration") or run.files_hash,
        },
    )


@dataclass(frozen=True)
class _Look:
    """A look at one customer, in a session over their bucket. `runs`: of one day, newest first."""

    project: Project
    pinned: Project
    session: Session
    customer_id: str
    runs: tuple[Known, ...]

    @property
    def zone(self) -> str:
        """The business time zone."""
        return self.pinned.configuration.settings.business.timezone

    def run(self, run_id: str) -> Known:
        """One of the runs."""
        return next(one for one in self.runs if one.run_id == run_id)

    @cached_property
    def person(self) -> Person:
        """Who it is; UserFilesError where nobody has that id."""
        found = self._asked(
            "SELECT c.timezone, c.country, h.household_id FROM customers c "
            "LEFT JOIN households h USING (customer_id) WHERE c.customer_id = $1"
        )
        if not found:
            raise UserFilesError(f"there is no customer {self.customer_id!r} in the lake.")
        business = self.pinned.configuration.settings.business
        row = found[0]
        own = row["timezone"] if _is_zone(row["timezone"]) else business.timezone
        household = row["household_id"] or self.customer_id
        return Person(self.customer_id, household, own, row["country"] or business.country)

    @cached_property
    def decisions(self) -> Mapping[tuple[str, str], Row]:
        """Campaign and step → the decision on the customer: the first that wrote, else that of
        the latest run."""
        owner = {str(path): one.run_id for one in self.runs for path in self._files(one)}
        if not owner:
            return {}
        listed = ", ".join(map(literal, owner))
        rows = self._asked(
            f"SELECT * FROM read_parquet([{listed}], union_by_name = true, "
            "filename = 'read_from') WHERE customer_id = $1"
        )
        order = {one.run_id: place for place, one in enumerate(self.runs)}
        rows = [row | {"run_id": owner[row["read_from"]]} for row in rows]
        found: dict[tuple[str, str], Row] = {}
        for row in sorted(rows, key=lambda row: order[row["run_id"]]):
            key = row["campaign"], row["step"]
            before = found.get(key)
            if before is None or (before["outcome"] == Outcome.HELD != row["outcome"]):
                found[key] = row
        return found

    @cached_property
    def states(self) -> Mapping[str, MessageState]:
        """Message → its state, of those that were chosen.

        The ledger is asked for those alone that may have moved since the lake heard of them.
        """
        ids = {one for row in self.decisions.values() if (one := self.message_id(row))}
        rows = self.session.rows(
            "SELECT message_id, state FROM contacts WHERE customer_id = $1", [self.customer_id]
        )
        known = {one: MessageState(state) for one, state in rows if one in ids}
        moving = [one for one in ids if known.get(one, MessageState.PLANNED) in MOVING]
        if moving:
            found = self.project.ledger.messages.several(moving)
            known.update({one.message_id: one.state for one in found})
        return known

    def message_id(self, row: Row) -> str | None:
        """The public id of the message of a decision; None where nothing was sent."""
        if row["outcome"] != Outcome.SEND:
            return None
        salt = self.pinned.configuration.settings.salt
        return keys.message_id(salt, row["occurrence_key"], row["attempt"])

    def silence(self, campaign: Campaign) -> str:
        """Why a campaign had nothing to decide on the customer in these runs: one sentence."""
        if campaign.chain:
            return explain_entry(self._entries.get(campaign.campaign), zone=self.zone)
        if not (campaign.on or campaign.anniversary):
            return "not in the audience"
        if campaign.campaign in self._due:
            return "something is due, but not in the audience"
        return "nothing is due"

    @cached_property
    def _entries(self) -> Mapping[str, Row]:
        """Campaign → the customer's latest entry into its chain."""
        rows = self._asked("SELECT * FROM enrolments WHERE customer_id = $1 ORDER BY entered_at")
        return {row["campaign"]: row for row in rows}

    @cached_property
    def _due(self) -> frozenset[str]:
        """The campaigns of which a run of the same files found an occasion for the customer."""
        found: set[str] = set()
        for run in self.runs:
            paths = self.session.snapshot.files("occasions", run.run_id)
            if not paths or run.files_hash != self.runs[0].files_hash:
                continue
            mine = paths[keys.bucket_of(self.customer_id, len(paths))]
            source = f"read_parquet({literal(str(mine))})"
            rows = self._asked(f"SELECT touch FROM {source} WHERE customer_id = $1")
            only = run.parameters.get("campaigns")
            known = self.pinned.configuration.campaigns
            every = touches(running_on(known, run.business_day, only))
            found |= {every[row["touch"]].name for row in rows}
        return frozenset(found)

    def _files(self, run: Known) -> list[Path]:
        """The files of a run's decisions in which the customer may stand."""
        paths = self.session.snapshot.files("decisions", run.run_id)
        held = [path for path in paths if path.name.startswith("held-")]
        bucket = keys.bucket_of(self.customer_id, len(held)) if held else 0
        mine = f"-b{bucket:03d}.parquet"
        return [path for path in paths if path not in held or path.name.endswith(mine)]

    def _asked(self, sql: str) -> list[dict[str, Any]]:
        """Rows by the names of their columns, of a query about the customer ($1)."""
        names = [str(row[0]) for row in self.session.rows(f"DESCRIBE {sql}", [self.customer_id])]
        rows = self.session.rows(sql, [self.customer_id])
        return [dict(zip(names, row, strict=True)) for row in rows]


def _is_zone(name: str | None) -> bool:
    try:
        ZoneInfo(name or "")
    except (KeyError, ValueError, OSError):
        return False
    return True
