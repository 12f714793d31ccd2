"""What analysts ask from a notebook: contacts, responses, decisions, reports, lift as DataFrames.

    import antiphon
    shop = antiphon.open(".")
    shop.report("campaigns", days=30)
    shop.lift(by_variant=True)

Everything is read only, as of the newest snapshot with what the ledger knows since. Instants are
in the business time zone, money is Decimal as it is stored. `shop.columns("contacts")` says what
each column holds. What grows with the customers is narrowed before it becomes a DataFrame: by
`campaign`, by `days`, by `run`.
"""

# ruff: noqa: S608  (names are ours)

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import pyarrow as pa

from antiphon.clock import Clock
from antiphon.entities import ENTITIES
from antiphon.errors import UserFilesError
from antiphon.project import Project, find_root, open_project
from antiphon.quoting import literal
from antiphon.reports import conversions as converting
from antiphon.reports import lifts as lifting
from antiphon.reports.ran import RunStory, run_story
from antiphon.reports.rates import check_reads, check_scope, report_table
from antiphon.reports.session import Scope, report_session

DECISION_COLUMNS = {
    "run_id": "the run that decided",
    "campaign": "the campaign",
    "step": "step of a chain; '' where there is none",
    "cell": "micro-segment, '' where there is none",
    "customer_id": "the candidate",
    "unit": "what is randomised: the customer or the household",
    "arm": "variant, control or universal_control; null of those held back",
    "channel": "email or sms; null where none was left",
    "planned_at": "when the message would leave",
    "outcome": "send, control or held",
    "rule": "the rule that held it back; null of the others",
    "lost_to": "the campaign that won the customer's day",
    "counters": "JSON of what the rule saw; null where it counts nothing",
    "occurrence_key": "the one time the campaign speaks to the unit; null of those held back",
    "anchor": "anchor of the occurrence",
    "attempt": "1, 2, …",
    "due_at": "since when its occasion is due",
    "leaves_before": "end of the time allowed to it",
}


class Notebook:
    """One project, read only; made by `antiphon.open`."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self._zone = project.configuration.settings.business.timezone

    def contacts(self, campaign: str | None = None, days: int | None = None) -> pd.DataFrame:
        """One row per message, control rows included, by `contact_at`: see `columns`."""
        listed = ", ".join(one.name for one in ENTITIES["contacts"].columns)
        return self._asked(
            f"SELECT {listed} FROM contacts SEMI JOIN outcomes USING (message_id) "
            "ORDER BY contact_at, message_id",
            self._scope(campaign, days),
        )

    def responses(self, campaign: str | None = None, days: int | None = None) -> pd.DataFrame:
        """One row per thing that came back, by `occurred_at`: see `columns`."""
        listed = ", ".join(one.name for one in ENTITIES["responses"].columns)
        self._scope(campaign, days)
        wanted = ["true"]
        if campaign is not None:
            wanted.append(f"campaign = {literal(campaign)}")
        if days is not None:
            since = self.project.clock() - pd.Timedelta(days=days)
            wanted.append(f"occurred_at > TIMESTAMPTZ '{since.isoformat()}'")
        return self._asked(
            f"SELECT {listed} FROM responses WHERE {' AND '.join(wanted)} "
            "ORDER BY occurred_at, response_id"
        )

    def decisions(self, run: str | None = None, campaign: str | None = None) -> pd.DataFrame:
        """One row per candidate of a run (absent: the newest that decided), with the reason of
        each that was not written to: see `columns`."""
        self._scope(campaign, None)
        snapshot = self.project.lake.current()
        kept = snapshot.manifest.stores.get("decisions", {})
        chosen = run or max(kept, default=None, key=self._decided_at)
        if chosen is None or chosen not in kept:
            known = ", ".join(sorted(kept)[-5:]) or "none"
            raise UserFilesError(
                f"no decisions are kept of run {chosen}.\n  There are those of: {known}."
            )
        paths = ", ".join(literal(str(path)) for path in snapshot.files("decisions", chosen))
        listed = ", ".join(name for name in DECISION_COLUMNS if name != "run_id")
        where = f"WHERE campaign = {literal(campaign)} " if campaign else ""
        with self.project.lake.session(snapshot) as session:
            table = session.arrow(
                f"SELECT {literal(chosen)} AS run_id, {listed} "
                f"FROM read_parquet([{paths}], union_by_name = true) {where}"
                "ORDER BY customer_id, campaign, step"
            )
        return self._frame(table)

    def conversions(self, campaign: str | None = None, days: int | None = None) -> pd.DataFrame:
        """What messages and control rows converted to, with both ways of giving credit."""
        return self._frame(converting.conversions(self.project, self._scope(campaign, days)))

    def report(
        self, name: str = "campaigns", campaign: str | None = None, days: int | None = None
    ) -> pd.DataFrame:
        """A report of sql/reports/ with the rates that it declares: `…_rate`, `…_low`, `…_high`
        (Wilson, 95 %)."""
        if name == "lift":
            raise UserFilesError("the lift is no report of sql/reports.\n  Ask shop.lift().")
        return self._frame(report_table(self.project, name, self._scope(campaign, days)).table())

    def lift(
        self, campaign: str | None = None, days: int | None = None, *, by_variant: bool = False
    ) -> pd.DataFrame:
        """Campaigns with a control group against it: a row each, with the plain verdict."""
        found = lifting.lifts(self.project, self._scope(campaign, days), by_variant=by_variant)
        return pd.DataFrame(lifting.rows(found), columns=list(lifting.COLUMNS))

    def run(self, run_id: str | None = None) -> RunStory:
        """A run (absent: the newest) with its steps, counts and warnings."""
        return run_story(self.project, run_id)

    def sql(self, query: str) -> pd.DataFrame:
        """The answer to a query over the entities and the views of reports (docs/reports.md);
        UserFilesError where it is anything but one SELECT."""
        return self._asked(query)

    def columns(self, name: str) -> pd.Series:
        """What each column of contacts, responses, decisions, conversions or lift holds."""
        documented: Mapping[str, Mapping[str, str]] = {
            "decisions": DECISION_COLUMNS,
            "conversions": converting.CONVERSIONS,
            "lift": lifting.COLUMNS,
        } | {
            entity: {one.name: one.meaning for one in ENTITIES[entity].columns}
            for entity in ("contacts", "responses")
        }
        if name not in documented:
            raise UserFilesError(f"{name!r} is none of {', '.join(sorted(documented))}.")
        return pd.Series(dict(documented[name]), name=name, dtype="str")

    def _decided_at(self, run_id: str) -> tuple[str, str]:
        record = self.project.ledger.runs.get(run_id)
        return (record.as_of.isoformat() if record else "", run_id)

    def _scope(self, campaign: str | None, days: int | None) -> Scope:
        scope = Scope(campaign, days)
        check_scope(self.project, scope)
        return scope

    def _asked(self, sql: str, scope: Scope | None = None) -> pd.DataFrame:
        with report_session(self.project, scope or Scope()) as session:
            check_reads(session, "a query of a notebook", sql)
            return self._frame(session.arrow(sql))

    def _frame(self, table: pa.Table) -> pd.DataFrame:
        """As a DataFrame, its instants in the business time zone."""
        zoned = [
            pa.field(one.name, pa.timestamp("us", tz=self._zone))
            if pa.types.is_timestamp(one.type)
            else one
            for one in table.schema
        ]
        frame: pd.DataFrame = table.cast(pa.schema(zoned)).to_pandas()
        return frame


def open_notebook(path: Path | str, clock: Clock) -> Notebook:
    """The project at or above `path`; raises as `check` does where its files are wrong."""
    return Notebook(open_project(find_root(Path(path)), clock))
