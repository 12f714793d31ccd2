"""Why each campaign wrote to a customer, or did not."""

# ruff: noqa: S608

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

from antiphon.campaigns.models import Campaign
from antiphon.campaigns.touches import touches
from antiphon.errors import UserFilesError
from antiphon.ledger import Run
from antiphon.policy.explain import explain, explain_entry
from antiphon.project import Project, with_files
from antiphon.quoting import literal
from antiphon.steps.composing import occasions_sql
from antiphon.steps.run import todays_campaigns

FLOWS = ("daily", "triggers")
Found = Mapping[tuple[str, str], Mapping[str, Any]]


@dataclass(frozen=True)
class Answer:
    """What was decided of one campaign (or one step of it) and one customer, in plain words."""

    campaign: str
    outcome: str
    words: str


def why(
    project: Project, customer_id: str, day: date | None = None, only: str | None = None
) -> tuple[Run, list[Answer]]:
    """Every campaign of the day (absent: of the latest run), by name, and the run asked.

    Of several runs on one day the one that chose to write speaks, else the latest. A chain has an
    answer for each step that was due, else one that says where the customer stands in it.
    """
    runs = [one for flow in FLOWS for one in project.ledger.runs.latest(flow, 1000)]
    runs.sort(key=lambda run: (run.business_day, run.as_of), reverse=True)
    snapshot = project.lake.current()
    decided = [one for one in runs if not one.dry_run and snapshot.files("decisions", one.run_id)]
    if day:
        decided = [one for one in decided if one.business_day == day]
    if not decided:
        raise UserFilesError(
            f"no decisions are kept{f' of {day}' if day else ''}: `antiphon runs` lists the runs."
        )
    latest = decided[0]
    same_day = [one for one in decided if one.business_day == latest.business_day]
    files = project.ledger.contents.files(latest.files_hash or "")
    pinned = with_files(project.root, files, project.clock)
    rows = _decisions(project, customer_id, [one.run_id for one in same_day])
    campaigns = todays_campaigns(pinned, latest.business_day, [only] if only else None)
    alike = [one for one in same_day if one.files_hash == latest.files_hash]
    silent = _Silent(project, pinned, customer_id, alike)
    policy = pinned.configuration.policy
    answers = []
    for campaign in campaigns:
        found = [
            (touch, row)
            for touch in touches([campaign])
            if (row := rows.get((touch.name, touch.step)))
        ]
        answers += [
            Answer(campaign.campaign, row["outcome"], explain(row, policy, touch, zone=silent.zone))
            for touch, row in found
        ] or [Answer(campaign.campaign, "", silent.words(campaign))]
    return latest, answers


def _decisions(project: Project, customer_id: str, run_ids: Sequence[str]) -> Found:
    """Campaign and step → the decision on the customer: the first that wrote, else that of the
    latest run.

    `run_ids`: newest first.
    """
    snapshot = project.lake.current()
    with project.lake.session(snapshot) as session:
        ((known,),) = session.rows(
            "SELECT count(*) FROM customers WHERE customer_id = $1", [customer_id]
        )
        if not known:
            raise UserFilesError(f"there is no customer {customer_id!r} in the lake.")
        found: dict[tuple[str, str], Mapping[str, Any]] = {}
        for run_id in run_ids:
            paths = ", ".join(literal(str(path)) for path in snapshot.files("decisions", run_id))
            source = f"read_parquet([{paths}], union_by_name = true)"
            sql = f"SELECT * FROM {source} WHERE customer_id = $1"
            for row in session.arrow(sql, [customer_id]).to_pylist():
                key = row["campaign"], row["step"]
                before = found.get(key)
                if before is None or (before["outcome"] == "held" != row["outcome"]):
                    found[key] = row
    return found


@dataclass(frozen=True)
class _Silent:
    """Why a campaign had nothing to decide on a customer in these runs (of the same files)."""

    project: Project
    pinned: Project
    customer_id: str
    runs: Sequence[Run]

    @property
    def zone(self) -> str:
        """The business time zone."""
        return self.pinned.configuration.settings.business.timezone

    def words(self, campaign: Campaign) -> str:
        """One sentence."""
        if campaign.chain:
            return explain_entry(self._entries.get(campaign.campaign), zone=self.zone)
        if not (campaign.on or campaign.anniversary):
            return "not in the audience"
        if campaign.campaign in self._due:
            return "something is due, but not in the audience"
        return "nothing is due"

    @cached_property
    def _entries(self) -> dict[str, Mapping[str, Any]]:
        """Campaign → the customer's latest entry into its chain."""
        rows = self._asked("SELECT * FROM enrolments WHERE customer_id = $1 ORDER BY entered_at")
        return {row["campaign"]: row for row in rows}

    @cached_property
    def _due(self) -> frozenset[str]:
        """The campaigns of which a run found an occasion for the customer."""
        found: set[str] = set()
        snapshot = self.project.lake.current()
        for run in self.runs:
            if not (paths := snapshot.files("occasions", run.run_id)):
                continue
            rows = self._asked(f"SELECT touch FROM {occasions_sql(paths)} WHERE customer_id = $1")
            only = run.parameters.get("campaigns")
            every = touches(todays_campaigns(self.pinned, run.business_day, only))
            found |= {every[row["touch"]].name for row in rows}
        return frozenset(found)

    def _asked(self, sql: str) -> list[dict[str, Any]]:
        lake = self.project.lake
        with lake.session(lake.current()) as session:
            rows: list[dict[str, Any]] = session.arrow(sql, [self.customer_id]).to_pylist()
        return rows
