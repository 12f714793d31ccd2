"""What the policy asks of the people of a few messages, from the lake: households, zones, frame."""

# ruff: noqa: S608  (names are ours and checked configuration's; values are literals)

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

import pyarrow as pa

from antiphon.audience.expressions import RELATION
from antiphon.audience.policy_inputs import ZONES, expressions
from antiphon.campaigns.conversions import Calendar
from antiphon.campaigns.rules import Cap, Gap
from antiphon.errors import AntiphonError
from antiphon.lake import Session
from antiphon.ledger import Lease
from antiphon.policy.terms import Terms
from antiphon.project import Project
from antiphon.steps.asking import zones_table
from antiphon.steps.frames import Frames
from antiphon.steps.run import LEASE, Run
from antiphon.steps.terms import terms_of

RECENT_RUNS = 30  # the last one that kept its frame is looked for among so many
ASKED = "asked"
log = logging.getLogger("antiphon.dispatch")


@dataclass(frozen=True)
class Needs:
    """What rules ask beyond the ledger. `frame`: terms over the customer frame."""

    households: bool
    places: bool
    frame: Terms

    @property
    def asks_frame(self) -> bool:
        """Whether some rule is personal."""
        return bool(self.frame.scopes or self.frame.maxima)


@lru_cache(maxsize=16)
def needs_of(project: Project, day: date, *, asks_times: bool) -> Needs:
    """What the rules that hold on the day ask for."""
    policy = project.configuration.policy
    in_force = [rule for rule in policy.rules() if rule.holds_on(day)]
    concerned = {
        rule.name
        for rule in (
            *policy.caps,
            *policy.gaps,
            *policy.ratios,
            *policy.exclusions,
            *policy.sequences,
            *(policy.times if asks_times else ()),
        )
        if rule in in_force
    }
    terms = terms_of(project.configuration, (), day)
    counting: list[Cap | Gap] = [*policy.caps, *policy.gaps]
    windows = [cap.per for cap in policy.caps if cap in in_force]
    return Needs(
        households=any(rule.of == "household" for rule in counting if rule in in_force),
        places=asks_times
        or any(isinstance(per, Calendar) and per is not Calendar.EVER for per in windows),
        frame=Terms(
            {name: one for name, one in terms.scopes.items() if name in concerned},
            {name: one for name, one in terms.maxima.items() if name in concerned},
            {},
        ),
    )


def people_of(
    project: Project, customer_ids: Collection[str], needs: Needs
) -> Mapping[str, Mapping[str, object]]:
    """Customer → timezone, country, and the columns of personal rules, as far as they are needed.

    Of somebody whom the frame does not know, a personal rule is taken to hold, and a maximum that
    is computed to be none: what is not known is not sent later than it was planned.
    """
    if not (needs.places or needs.asks_frame) or not customer_ids:
        return {}
    tables = {ASKED: _ids(customer_ids), ZONES: zones_table()}
    business = project.configuration.settings.business
    with project.lake.session(tables=tables) as session:
        if needs.asks_frame:
            if (found := _from_frame(project, session, needs)) is not None:
                return _by_customer(found)
            log.warning(
                "the customer frame of no run is kept: rules for some customers only are taken to "
                "hold for everybody who is written to later than planned"
            )
        known = expressions(Terms({}, {}, {}), business)
        columns = ", ".join(f"{sql} AS {name}" for name, sql in known.items())
        return _by_customer(
            session.arrow(
                f"SELECT {RELATION}.customer_id, {columns} FROM customers AS {RELATION} "
                f"WHERE {RELATION}.customer_id IN (FROM {ASKED})"
            )
        )


def _from_frame(project: Project, session: Session, needs: Needs) -> pa.Table | None:
    """From the newest frame that is kept; None where there is none that can answer."""
    asked = expressions(needs.frame, project.configuration.settings.business)
    columns = ", ".join(f'{sql} AS "{name}"' for name, sql in asked.items())
    for record in project.ledger.runs.latest(limit=RECENT_RUNS):
        over = Lease(LEASE, "", 0, record.as_of, record.as_of)
        try:
            frames = Frames.load(Run(project, record, over))
            if not frames.paths:
                continue
            return session.arrow(
                f"SELECT {RELATION}.customer_id, {columns} FROM {frames.relation()} AS {RELATION} "
                f"WHERE {RELATION}.customer_id IN (FROM {ASKED})"
            )
        except AntiphonError as error:  # built for other rules, or gone
            log.debug("run %s: %s", record.run_id, error)
    return None


def _by_customer(table: pa.Table) -> dict[str, dict[str, object]]:
    return {row["customer_id"]: row for row in table.to_pylist()}


def _ids(customer_ids: Collection[str]) -> pa.Table:
    return pa.table({"customer_id": pa.array(sorted(customer_ids), pa.string())})
