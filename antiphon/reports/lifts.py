"""What each campaign with a control group was worth: the comparison of everybody it was drawn for.

By intention to treat: all rows that were drawn to be written to against all that were held out,
whether the message could be handed over or not, as nobody knows which of the held out would have
been refused. Each row counts the same time, its goal's window, and only once that is over. Rows of
runs that were never released are left out on both sides, and so are those of forgotten people,
whose orders are gone. People of the universal control get no campaign at all and are no comparison
for one.
"""

# ruff: noqa: S608  (names are ours)

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from antiphon.campaigns.models import Campaign
from antiphon.campaigns.rules import Policy
from antiphon.lake import Session
from antiphon.policy.arms import is_stratified
from antiphon.privacy.tombstones import PREFIX
from antiphon.project import Project
from antiphon.quoting import literal
from antiphon.reports.session import EVERYTHING, Scope, by_bucket, reading_session
from antiphon.response import sample_ratio
from antiphon.response.attribution import CODE, SURVEY
from antiphon.response.lift import Lift, of_means, of_rates
from antiphon.response.means import Moments, moments_sql
from antiphon.response.verdicts import POINTS, Finding, Unit, Verdict, per_thousand, verdict

CONTROL = "control"
PERIOD_BEFORE_DAYS = 365  # what was spent so long before the message takes noise away (CUPED)
ONE_DAY = timedelta(days=1)
ROWS = "measured"
# The columns of `rows`, and what they hold.
COLUMNS = {
    "campaign": "the campaign",
    "arm": "all arms together, or one variant",
    "rows": "times it was to speak, windows complete",
    "not_left": "of these, messages that never left",
    "converted": "of these, with a conversion",
    "rate": "converted of rows",
    "control_rows": "times it held its tongue on purpose",
    "control_converted": "of these, with a conversion",
    "control_rate": "control_converted of control_rows",
    "lift": "rate less control_rate",
    "low": "fixed-horizon interval: lower end",
    "high": "fixed-horizon interval: upper end",
    "always_low": "interval that holds at every look: lower end",
    "always_high": "interval that holds at every look: upper end",
    "p_value": "two-sided, of no difference",
    "verdict": "the plain sentence",
    "money": "money per row more than control",
    "money_low": "fixed-horizon interval: lower end",
    "money_high": "fixed-horizon interval: upper end",
    "money_p_value": "two-sided, of no difference",
    "reduction": "share of variance that the money spent before took away (CUPED)",
    "money_verdict": "the plain sentence, per thousand contacts",
    "ratio_chance": "chance of a worse sample ratio; null where it was not asked",
    "open_rows": "rows whose window is still open",
}


@dataclass(frozen=True, slots=True)
class CampaignLift:
    """A campaign, or one of its variants, against the campaign's control.

    `treated`, `control`: of conversions (0 or 1 per row); `not_left`: treated rows whose message
    never left; `waiting`: rows of both whose window is still open, in nothing else counted.
    """

    campaign: str
    arm: str
    treated: Moments
    control: Moments
    not_left: int
    waiting: int
    rate: Lift | None
    money: Lift | None
    verdict: Verdict
    money_verdict: Verdict
    ratio_chance: float | None

    def row(self) -> dict[str, Any]:
        """A row with the columns of COLUMNS."""
        rate, money = self.rate, self.money
        values = (
            self.campaign,
            self.arm,
            self.treated.rows,
            self.not_left,
            int(self.treated.total),
            self.treated.mean if self.treated.rows else None,
            self.control.rows,
            int(self.control.total),
            self.control.mean if self.control.rows else None,
            rate and rate.difference,
            rate and rate.low,
            rate and rate.high,
            rate and rate.always_low,
            rate and rate.always_high,
            rate and rate.p_value,
            self.verdict.text,
            money and money.difference,
            money and money.low,
            money and money.high,
            money and money.p_value,
            money and money.reduction,
            self.money_verdict.text,
            self.ratio_chance,
            self.waiting,
        )
        return dict(zip(COLUMNS, values, strict=True))


ALL_ARMS = "all"
NOBODY = Moments(0, 0, 0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class _Arm:
    rate: Moments
    money: Moments
    not_left: int


@dataclass(frozen=True, slots=True)
class _Looked:
    """What is known of a campaign besides its sums: rows still open, its first row."""

    waiting: int
    first_at: datetime


def lifts(
    project: Project, scope: Scope = EVERYTHING, *, by_variant: bool = False
) -> list[CampaignLift]:
    """Campaigns that have control rows, by name; with `by_variant` each of their variants too.

    The order of the variants is that of the campaign's file.
    """
    now = project.clock()
    with reading_session(project, scope) as (reading, session), ExitStack() as stack:
        sql = _rows_sql(session, project, now)
        if sql is None:
            return []
        stack.enter_context(by_bucket(reading, session, ROWS, sql))
        arms = _arms(session)
        looked = {
            campaign: _Looked(int(waiting), first_at)
            for campaign, waiting, first_at in session.rows(
                f"SELECT campaign, count(*) FILTER (NOT is_complete), min(contact_at) FROM {ROWS}"
                " GROUP BY campaign"
            )
        }
    configuration = project.configuration
    currency, policy = configuration.settings.business.currency, configuration.policy
    found = []
    for name in sorted(looked):
        campaign = configuration.campaigns[name]
        one = _Campaign(campaign, arms.get(name, {}), looked[name], now, currency, policy)
        found += one.lifts(by_variant=by_variant)
    return found


def rows(found: list[CampaignLift]) -> list[dict[str, Any]]:
    """The comparisons as rows; columns as COLUMNS says."""
    return [one.row() for one in found]


@dataclass(frozen=True, slots=True)
class _Campaign:
    campaign: Campaign
    arms: Mapping[str, _Arm]
    looked: _Looked
    now: datetime
    currency: str
    policy: Policy

    def lifts(self, *, by_variant: bool) -> list[CampaignLift]:
        treated = {name: one for name, one in self.arms.items() if name != CONTROL}
        whole = _Arm(
            sum((one.rate for one in treated.values()), NOBODY),
            sum((one.money for one in treated.values()), NOBODY),
            sum(one.not_left for one in treated.values()),
        )
        compared = {ALL_ARMS: whole}
        if by_variant and len(treated) > 1:
            declared = [name for name in self.campaign.arms if name in treated]
            others = sorted(set(treated) - set(declared))
            compared |= {name: treated[name] for name in (*declared, *others)}
        return [self._lift(name, one) for name, one in compared.items()]

    def _lift(self, name: str, arm: _Arm) -> CampaignLift:
        held = self.arms.get(CONTROL, _Arm(NOBODY, NOBODY, 0))
        chance = self._ratio_chance()
        rate = of_rates(arm.rate, held.rate)
        money = of_means(arm.money, held.money)
        return CampaignLift(
            self.campaign.campaign,
            name,
            arm.rate,
            held.rate,
            arm.not_left,
            self.looked.waiting,
            rate,
            money,
            self._verdict(rate, POINTS, chance),
            self._verdict(money, per_thousand(self.currency), chance),
            chance,
        )

    def _verdict(self, lift: Lift | None, unit: Unit, chance: float | None) -> Verdict:
        """While the campaign goes on the interval that holds at every look decides: one without an
        end is never over, and after its first window is told by that interval alone."""
        within = self.campaign.goal.within if self.campaign.goal else timedelta(0)
        until = self.campaign.runs.until
        first = self.looked.first_at
        if until is None:
            days = -(-within // ONE_DAY)
            if lift is not None and self.now - first >= within:
                lift = replace(lift, low=lift.always_low, high=lift.always_high)
        else:
            days = (until - first.date() + within) // ONE_DAY + 1
        day = (self.now - first) // ONE_DAY
        if lift is None and day < days:
            return Verdict(Finding.TOO_EARLY, f"too early: {day} of {days} days")
        return verdict(lift, unit=unit, day=day, days=days, ratio_chance=chance)

    def _ratio_chance(self) -> float | None:
        """Stratified arms are exact by their making; a share that was changed on the way is not
        known here, and told as what it is: out of proportion."""
        if is_stratified(self.campaign, self.policy):
            return None
        counts = {name: one.rate.clusters for name, one in self.arms.items()}
        control = self.campaign.control
        shares = {CONTROL: control} | {
            name: share * (1 - control) for name, share in self.campaign.arms.items()
        }
        return sample_ratio.chance(counts, shares)


def _rows_sql(session: Session, project: Project, now: datetime) -> str | None:
    """The rows to compare, one each: of campaigns that have control rows and a goal which these
    can reach. None where there is no such campaign."""
    campaigns = project.configuration.campaigns
    held = session.rows(f"SELECT DISTINCT campaign FROM occurrences WHERE arm = '{CONTROL}'")
    goals = {name: one.goal.event for name, one in campaigns.items() if one.goal is not None}
    chosen = [name for (name,) in held if goals.get(name, CODE) not in (CODE, SURVEY)]
    if not chosen:
        return None
    unreleased = set(project.ledger.runs.never_released())
    runs = session.rows("SELECT DISTINCT run_id FROM occurrences WHERE NOT is_sent")
    left_out = [run_id for (run_id,) in runs if run_id in unreleased]
    moment = f"TIMESTAMPTZ '{now.isoformat()}'"
    return f"""
        WITH rows AS (
            SELECT
                message_id, customer_id, campaign, arm, unit, contact_at,
                counts_until <= {moment} AS is_complete,
                NOT is_sent AND NOT is_control AS has_not_left,
                is_converted, revenue
            FROM outcomes
            WHERE campaign IN ({_listed(chosen)})
                AND run_id NOT IN ({_listed(left_out)})
                AND arm <> 'universal_control' AND contact_at <= {moment}
                AND NOT starts_with(customer_id, {literal(PREFIX)})
        ), before AS (
            SELECT m.message_id, sum(o.amount)::DOUBLE AS spent
            FROM rows AS m JOIN orders AS o
                ON o.customer_id = m.customer_id
                AND o.ordered_at < m.contact_at
                AND o.ordered_at >= m.contact_at - to_days({PERIOD_BEFORE_DAYS})
            WHERE m.is_complete
            GROUP BY m.message_id
        )
        SELECT r.* EXCLUDE (message_id, customer_id), coalesce(b.spent, 0) AS spent
        FROM rows AS r LEFT JOIN before AS b ON b.message_id = r.message_id
    """


def _listed(names: Sequence[str]) -> str:
    return ", ".join(literal(name) for name in ("", *names))


def _arms(session: Session) -> dict[str, dict[str, _Arm]]:
    relation = f"(SELECT * FROM {ROWS} WHERE is_complete) AS complete"
    asked = {
        "rate": moments_sql(relation, "campaign, arm", outcome="is_converted::INT", cluster="unit"),
        "money": moments_sql(
            relation,
            "campaign, arm",
            outcome="revenue",
            cluster="unit",
            before="spent",
        ),
    }
    moments: dict[tuple[str, str], dict[str, Moments]] = {}
    for what, sql in asked.items():
        for row in session.arrow(sql).to_pylist():
            moments.setdefault((row["campaign"], row["arm"]), {})[what] = Moments.of_row(row)
    missed = {
        (campaign, arm): int(count)
        for campaign, arm, count in session.rows(
            f"SELECT campaign, arm, count(*) FROM {ROWS} WHERE is_complete AND has_not_left "
            "GROUP BY campaign, arm"
        )
    }
    found: dict[str, dict[str, _Arm]] = {}
    for (campaign, arm), one in moments.items():
        arms = found.setdefault(campaign, {})
        arms[arm] = _Arm(one["rate"], one["money"], missed.get((campaign, arm), 0))
    return found
