"""SQL of what the policy's rules ask of customers: columns of `people`, and the readings of brakes.

Some are expressions over the customer frame (`expressions`): whom a rule concerns, maxima, values.
The others come from what happened (`facts`): acts of consent, orders, responses, events, chains.
Each asks for what some rule of the business day needs, and looks no further back than it must.
"""

# ruff: noqa: S608  (names are ours and checked configuration's; values are literals)

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from antiphon.audience.expressions import RELATION
from antiphon.audience.windows import instant
from antiphon.campaigns.models import LIKED, Campaign
from antiphon.campaigns.rules import Brake, ConsentRule, Pause, Policy, PolicyRule
from antiphon.campaigns.settings import Business
from antiphon.campaigns.touches import Touch
from antiphon.policy.moment import Moment
from antiphon.policy.terms import Terms
from antiphon.quoting import literal, quoted
from antiphon.states import CONTACT_STATES

ZONES = "zones"  # relation with the column `name`: every time zone there is
ORDER = "order"
ANSWERS = ("open", "click", "reply", "conversion")


@dataclass(frozen=True, slots=True)
class Fact:
    """A SELECT of customer_id (unique) and one or more columns, and what stands for no row.

    `columns`: name → SQL of the value of a customer without a row.
    """

    select: str
    columns: dict[str, str]


def expressions(terms: Terms, business: Business, columns: Collection[str] = ()) -> dict[str, str]:
    """Column of people → SQL over `frame`, whose reader must have the relation ZONES.

    `in:RULE` never null, `max:CAP` whole numbers rounded down, `value:CAMPAIGN` finite numbers,
    `timezone` and `country` never null and known, then the `columns` asked for by name, as text.
    """
    zone, country = f"{RELATION}.timezone", f"{RELATION}.country"
    found = {
        "timezone": f"CASE WHEN {zone} IN (SELECT name FROM {ZONES}) THEN {zone} "
        f"ELSE {literal(business.timezone)} END",
        "country": f"coalesce({country}, {literal(business.country)})",
    }
    for name in columns:
        text = f"CAST({RELATION}.{quoted(name)} AS VARCHAR)"
        found[name] = f"lower(trim({text}))" if name in LIKED.values() else text
    for name, scope in terms.scopes.items():
        found[f"in:{name}"] = f"coalesce({scope.sql}, FALSE)"
    for name, most in terms.maxima.items():
        found[f"max:{name}"] = f"TRY_CAST(floor({most.sql}) AS BIGINT)"
    for name, value in terms.values.items():
        number = f"CAST({value.sql} AS DOUBLE)"
        found[f"value:{name}"] = f"CASE WHEN isfinite({number}) THEN {number} END"
    return found


def facts(policy: Policy, touches: Sequence[Touch], moment: Moment) -> Iterator[Fact]:
    """What the day's rules ask of what happened, over the views of one bucket."""
    day = moment.business_day
    if wanted := agreements(policy, touches, moment):
        yield _agreed(wanted, moment)
    for pause in policy.pauses:
        if pause.holds_on(day):
            yield _last(pause, moment)
    if within := [rule.within for rule in policy.cool_downs if rule.holds_on(day)]:
        yield _last_answer(max(within), moment)
    if any(rule.holds_on(day) for rule in policy.chains):
        chains = (
            "SELECT customer_id, list(DISTINCT campaign ORDER BY campaign) AS chains "
            "FROM enrolments WHERE left_at IS NULL GROUP BY customer_id"
        )
        yield Fact(chains, {"chains": "CAST([] AS VARCHAR[])"})


def people_sql(scan: str, found: Sequence[Fact]) -> str:
    """The scan with the facts beside each customer."""
    if not found:
        return scan
    columns = [
        f"coalesce(f{place}.{quoted(name)}, {absent}) AS {quoted(name)}"
        for place, fact in enumerate(found)
        for name, absent in fact.columns.items()
    ]
    joins = [
        f"LEFT JOIN ({fact.select}) AS f{place} ON f{place}.customer_id = p.customer_id"
        for place, fact in enumerate(found)
    ]
    return f"SELECT p.*, {', '.join(columns)} FROM ({scan}) AS p\n" + "\n".join(joins)


# ---------------------------------------------------------------- consent


def agreements(
    policy: Policy, touches: Sequence[Touch], moment: Moment
) -> dict[tuple[str, str, str], ConsentRule]:
    """(rule, channel, category) → the rule, where a touch of the day needs more than agreement."""
    rules = [
        rule
        for rule in policy.consent_rules
        if rule.holds_on(moment.business_day)
        and (rule.needs == "double_opt_in" or rule.proof or rule.separate)
    ]
    return {
        (rule.name, channel, touch.campaign.category): rule
        for touch in touches
        for channel in touch.channels
        for rule in rules
        if rule.concerns(touch.campaign, channel)
    }


def _agreed(wanted: dict[tuple[str, str, str], ConsentRule], moment: Moment) -> Fact:
    """Whether the latest act (of acts at the same moment an objection) is a grant that fulfils the
    rule. Acts without a date are older than all others."""
    ranks = {}
    for (_, channel, category), rule in wanted.items():
        meant = f"channel IN ({literal(channel)}, '*') AND category IN ({literal(category)}, '*')"
        good = f"{meant} AND granted AND {_fulfils(rule, moment)}"
        name = f"agreed:{rule.name}:{channel}:{category}"
        latest, fitting = f"max(rank) FILTER ({meant})", f"max(rank) FILTER ({good})"
        ranks[name] = f"coalesce({latest} = {fitting}, FALSE) AS {quoted(name)}"
    select = f"""
        SELECT customer_id, {", ".join(ranks.values())}
        FROM (
            SELECT *, coalesce(2 * epoch_us(acted_at), -9000000000000000000)
                + (NOT granted)::BIGINT AS rank
            FROM consents WHERE acted_at IS NULL OR acted_at <= {instant(moment.as_of)}
        )
        GROUP BY customer_id
    """
    return Fact(select, dict.fromkeys(ranks, "FALSE"))


def _fulfils(rule: ConsentRule, moment: Moment) -> str:
    """Whether an act is confirmed and proven as the rule asks."""
    parts = []
    if rule.needs == "double_opt_in":
        parts.append(f"coalesce(confirmed_at <= {instant(moment.as_of)}, FALSE)")
    proofs = ["coalesce(trim(evidence) <> '', FALSE)"] if rule.proof else []
    proofs += ["coalesce(separate, FALSE)"] if rule.separate else []
    if proofs:
        proven = " AND ".join(proofs)
        if rule.acts_since is not None:
            acted = f"timezone({literal(moment.zone)}, acted_at)::DATE"
            proven = f"(({proven}) OR coalesce({acted} < DATE '{rule.acts_since}', FALSE))"
        parts.append(proven)
    return " AND ".join(parts) or "TRUE"


# ---------------------------------------------------------------- rests


def _last(pause: Pause, moment: Moment) -> Fact:
    """When it last happened, of what can still hold somebody back."""
    name, after = quoted(f"pause:{pause.name}"), literal(pause.after)
    if pause.after == ORDER:
        parts = [("orders", "ordered_at", "TRUE")]
    else:
        low = "" if pause.below is None else f" AND TRY_CAST(value AS DOUBLE) < {pause.below}"
        low += "" if pause.survey is None else f" AND survey = {literal(pause.survey)}"
        parts = [("responses", "occurred_at", f"kind = {after}{low}")]
        if not low:
            parts.append(("events", "occurred_at", f"event = {after}"))
    listed = " UNION ALL ".join(
        f"SELECT customer_id, {at} AS happened_at FROM {view} WHERE {condition} "
        f"AND {_between(at, moment.as_of, pause.rest)}"
        for view, at, condition in parts
    )
    select = f"SELECT customer_id, max(happened_at) AS {name} FROM ({listed}) GROUP BY customer_id"
    return Fact(select, {f"pause:{pause.name}": "NULL"})


def _last_answer(within: timedelta, moment: Moment) -> Fact:
    """When the customer last answered any message."""
    kinds = ", ".join(map(literal, ANSWERS))
    select = (
        "SELECT customer_id, max(occurred_at) AS last_answer FROM responses "
        f"WHERE kind IN ({kinds}) AND NOT coalesce(is_machine, FALSE) "
        f"AND {_between('occurred_at', moment.as_of, within)} "
        "GROUP BY customer_id"
    )
    return Fact(select, {"last_answer": "NULL"})


def _between(at: str, as_of: datetime, length: timedelta) -> str:
    """Whether an instant lies so far back, or nearer, and is no later than the run's."""
    return f"{at} > {instant(as_of - length)} AND {at} <= {instant(as_of)}"


# ---------------------------------------------------------------- contacts in a rule's scope


def scope_sql(rule: PolicyRule, campaigns: Collection[Campaign], *, unnamed: bool = False) -> str:
    """Whether a contact is in the rule's scope, over its columns channel, category, campaign.

    `campaigns`: whose tags are known. `unnamed`: where channel or campaign is null it counts, and
    the category is not asked (a response has none).
    """
    parts = []
    if rule.channel is not None:
        parts.append(_one_of("channel", rule.channel, unnamed))
    if rule.category is not None and not unnamed:
        parts.append(_one_of("category", rule.category, unnamed))
    if rule.campaign is not None:
        parts.append(_one_of("campaign", rule.campaign, unnamed))
    if rule.tag is not None:
        tagged = [one.campaign for one in campaigns if set(one.tags) & set(rule.tag)]
        parts.append(_one_of("campaign", tagged, unnamed))
    return " AND ".join(parts) or "TRUE"


def _one_of(column: str, values: Collection[str], unnamed: bool) -> str:
    listed = f"{column} IN ({', '.join(map(literal, sorted(values))) or literal('')})"
    return f"coalesce({listed}, TRUE)" if unnamed else listed


def reading_sql(
    brake: Brake, policy: Policy, campaigns: Collection[Campaign], moment: Moment, contacts: str
) -> str:
    """SELECT of one row: contacts in the brake's scope over its time, and bad responses to them.

    `contacts`: a relation of everybody's.
    """
    states = ", ".join(literal(state) for state in sorted(CONTACT_STATES))
    counted = [scope_sql(brake, campaigns), f"state IN ({states})"]
    if policy.uncounted:
        counted.append(f"category NOT IN ({', '.join(map(literal, policy.uncounted))})")
    counted.append(_between("contact_at", moment.as_of, brake.per))
    answered = scope_sql(brake, campaigns, unnamed=True)
    return (
        f"SELECT (SELECT count(*) FROM {contacts} WHERE {' AND '.join(counted)}), "
        f"(SELECT count(*) FROM responses WHERE kind = {literal(brake.response)} AND {answered} "
        f"AND {_between('occurred_at', moment.as_of, brake.per)})"
    )
