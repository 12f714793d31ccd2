"""The independent auditor: what was decided, re-checked in SQL against the rules themselves.

It shares nothing with the arbiter but the parsed policy, the campaigns and the terms (checked
expressions). The queries read relations, which the step provides, and return breaches: rule,
message_id (null where the breach is not one message's), found, allowed. No personal value leaves
them. A rule is checked on what stands at the end, so that the order of choosing plays no part.

- planned: this run's messages, control rows included (columns of the entity contacts, expires_at)
- contacts: every other contact up to the history mark (columns of the entity contacts)
- consents: the acts as they were recorded (columns of the entity consents)
- suppressions: channel, address_key
- customers: customer_id, email_key, phone_key
- occasions: touch (position among the touches of the day), customer_id, anchor

and, where a rule needs them:

- frame: the customer frame with derived columns, of customers with planned messages
- people_times: customer_id, timezone, country (never null)
- households: customer_id, household_id, of those who share one
- responses, orders, events, enrolments: the entities
- proofs: message_id, list_unsubscribe, list_unsubscribe_post of e-mails printed before release
"""
# ruff: noqa: S608  (what enters the texts is quoted here, and comes from checked configuration)

from collections.abc import Collection, Mapping, Sequence
from datetime import date

from antiphon.audit.arms import arms
from antiphon.audit.consents import address, consents, one_click, suppress, suppression
from antiphon.audit.neighbours import chain_limits, exclusions, sequences
from antiphon.audit.queries import AuditQuery, Basis, texts
from antiphon.audit.repeats import attempts, occasional, occurrence, repeat
from antiphon.audit.rests import cool_downs, pauses
from antiphon.audit.tables import tables
from antiphon.audit.times import stale, times
from antiphon.audit.totals import brakes, totals
from antiphon.audit.windows import caps, ratios
from antiphon.campaigns.models import Campaign
from antiphon.campaigns.rules import Policy
from antiphon.campaigns.touches import Touch
from antiphon.policy.moment import Moment
from antiphon.policy.terms import Terms
from antiphon.quoting import literal


def audit(
    touches: Sequence[Touch],
    policy: Policy,
    moment: Moment,
    *,
    salt: str,
    terms: Terms | None = None,
    known: Sequence[Campaign] | None = None,
    late: Mapping[str, int] | None = None,
    has_frame: bool = True,
    held: Collection[str] = (),
    is_rehearsal: bool = False,
) -> list[AuditQuery]:
    """The tables and checks of a run's messages; it may be released when no check returns a row.

    `known`, `late`, `has_frame`, `is_rehearsal`: see Basis; absent: the campaigns of the touches,
    and none. `held`: campaigns that were on hold at the moment.
    """
    campaigns = list({touch.name: touch.campaign for touch in touches}.values())
    basis = Basis(
        touches,
        policy,
        moment,
        salt,
        terms or Terms(),
        campaigns if known is None else known,
        late or {},
        has_frame,
        is_rehearsal,
    )
    return [
        *tables(basis),
        _running(touches, moment),
        _paused(held),
        *consents(basis),
        *suppress(basis),
        suppression(),
        address(),
        *one_click(basis),
        occurrence(),
        attempts(),
        *repeat(campaigns),
        *occasional(touches, moment, has_occasions=has_frame),
        _day(policy),
        stale(basis),
        *times(basis),
        *caps(basis),
        *ratios(basis),
        *pauses(basis),
        *cool_downs(basis),
        *exclusions(basis),
        *sequences(basis),
        *chain_limits(basis),
        *arms(basis),
        *totals(basis),
        *brakes(basis),
    ]


def _running(touches: Sequence[Touch], moment: Moment) -> AuditQuery:
    """Only campaigns and steps that exist and run on the business day, in their own category."""
    day = moment.business_day
    nobody: tuple[str, str, str, date, date, list[int]] = ("", "", "", date.max, date.min, [])
    runs = [(touch, touch.campaign.runs) for touch in touches]
    rows = [  # a day may have no campaign, a list of VALUES not be empty
        nobody,
        *(
            (t.name, t.step, t.campaign.category, r.from_, r.until or date.max, sorted(r.days))
            for t, r in runs
        ),
    ]
    values = ", ".join(
        f"({literal(name)}, {literal(step)}, {literal(category)}, DATE {literal(str(first))}, "
        f"DATE {literal(str(last))}, {days!r}::INTEGER[])"
        for name, step, category, first, last, days in rows
    )
    return AuditQuery(
        "not_running",
        f"""
        WITH runs(campaign, step, category, first_day, last_day, weekdays) AS (VALUES {values})
        SELECT 'not_running' AS rule, p.message_id, 1 AS found, 0 AS allowed
        FROM planned p LEFT JOIN runs r
            ON r.campaign = p.campaign AND r.step = p.step AND r.category = p.category
        WHERE r.campaign IS NULL
           OR $business_day NOT BETWEEN r.first_day AND r.last_day
           OR NOT list_contains(r.weekdays, isodow($business_day) - 1)
        """,
        {"business_day": day},
    )


def _paused(held: Collection[str]) -> AuditQuery:
    """Nothing of a campaign that somebody put on hold."""
    return AuditQuery(
        "paused",
        "SELECT 'paused' AS rule, message_id, 1 AS found, 0 AS allowed FROM planned "
        f"WHERE campaign IN {texts(held)}",
    )


def _day(policy: Policy) -> AuditQuery:
    """No customer gets more than the day's messages, control counted, exempt ones not."""
    return AuditQuery(
        "day_slot",
        f"""
        SELECT 'day_slot' AS rule, max(message_id) FILTER (is_planned) AS message_id,
            count(*) AS found, {policy.winners_per_day} AS allowed
        FROM audit_log
        WHERE NOT is_exempt AND (is_planned OR is_said)
            AND day IN (SELECT day FROM audit_log WHERE is_planned)
        GROUP BY customer_id, day
        HAVING found > allowed AND count(*) FILTER (is_planned) > 0
        """,
    )
