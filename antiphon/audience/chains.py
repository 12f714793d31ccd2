"""Chains as SQL: who enters, how far everybody is, whose next step is due, and who has left.

One query answers for all enrolments of a chain from what is on record: the enrolments as the last
run left them, and what the campaign has told each customer since (`told`). Nothing else is
remembered, so a run done again finds the same, and a step is known by its name wherever the file
still has that name; by the time it counts for where the file has not.
"""

# ruff: noqa: S608  (names are ours; values are literals)

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from antiphon.audience.conditions import Condition
from antiphon.audience.triggers import happened_sql
from antiphon.audience.windows import ONE_DAY, Window, is_whole_days
from antiphon.campaigns.models import Chain, ChainStep
from antiphon.policy.moment import Moment
from antiphon.quoting import literal

FINISHED, REMOVED = "finished", "removed"
LATE, UNFIT = "late", "condition"
SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class Stages:
    """A campaign's chain with its conditions: of the start (None: everybody), by exit, by step."""

    campaign: str
    chain: Chain
    start: Condition | None
    exits: Mapping[str, Condition]
    steps: Sequence[Condition]

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """All that is asked of the frame."""
        return (*([self.start] if self.start else ()), *self.exits.values(), *self.steps)


def people_sql(stages: Stages, moment: Moment, source: str) -> str:
    """What a chain asks of everybody who may start or is in it, from a relation with the frame."""
    exits = " ".join(
        f"WHEN {condition.sql} THEN {literal(name)}" for name, condition in stages.exits.items()
    )
    holds = ", ".join(f"coalesce({condition.sql}, false)" for condition in stages.steps)
    starts = f"coalesce({stages.start.sql}, false)" if stages.start else "true"
    asked = (
        _recent_sql(stages.chain, moment)
        if stages.chain.start.event
        else f"SELECT frame.customer_id FROM {source} AS frame WHERE {starts}"
    )
    return f"""
        SELECT frame.customer_id, {starts} AS starts,
            {f"CASE {exits} END" if exits else "NULL::VARCHAR"} AS leaves_for, [{holds}] AS fits
        FROM {source} AS frame
        WHERE frame.customer_id IN ({asked}) OR frame.customer_id IN (
            SELECT customer_id FROM enrolments
            WHERE campaign = {literal(stages.campaign)} AND left_at IS NULL)
    """


def hopeful_sql(campaign: str, chain: Chain, moment: Moment) -> str:
    """As `people_sql` for a chain that starts from an event, as if every condition held: whom a
    frame would have to be made for."""
    holds = ", ".join("true" for _ in chain.steps)
    return f"""
        SELECT DISTINCT customer_id, true AS starts, NULL::VARCHAR AS leaves_for, [{holds}] AS fits
        FROM (
            {_recent_sql(chain, moment)}
            UNION ALL
            SELECT customer_id FROM enrolments
            WHERE campaign = {literal(campaign)} AND left_at IS NULL)
        SEMI JOIN customers USING (customer_id)
    """


def standing_sql(campaign: str, chain: Chain) -> str:
    """As `people_sql`, for those who are in the chain alone, as if every condition held: where they
    stand, whoever they are."""
    holds = ", ".join("true" for _ in chain.steps)
    return f"""
        SELECT DISTINCT customer_id, false AS starts, NULL::VARCHAR AS leaves_for, [{holds}] AS fits
        FROM enrolments WHERE campaign = {literal(campaign)} AND left_at IS NULL
    """


def _recent_sql(chain: Chain, moment: Moment) -> str:
    """SELECT customer_id of those whose event may still start the chain, and of few others."""
    may_start = Window(moment).may_concern("happened_at", chain.start.since)
    return f"SELECT customer_id FROM ({happened_sql(chain.start.event or '')}) WHERE {may_start}"


def chain_sql(
    campaign: str, chain: Chain, moment: Moment, people: str, *, everybody: bool = True
) -> str:
    """SELECT of the chain's open enrolments, new ones too, as they are after this moment.

    Columns: those of the entity enrolments, `is_new`, `is_changed`; of the step that comes next
    (null: none does) its `place` (from 0), `due_at`, and `is_due`: it may be sent now.

    Needs the views customers, enrolments, events and orders, and the table `told`: campaign, step,
    customer_id, anchor, contact_at of contacts that use up an occurrence, is_waiting: not left yet.
    `people`: from `people_sql`; with `everybody` false others stay as they are.
    """
    window = Window(moment)
    here = "" if everybody else "SEMI JOIN people USING (customer_id)"
    return f"""
    WITH people AS MATERIALIZED ({people}),
    steps(place, step, after, days, seconds) AS (VALUES {_steps(chain.steps)}),
    mine AS (SELECT * FROM enrolments WHERE campaign = {literal(campaign)}),
    entering AS ({_entering_sql(chain, window)}),
    present AS (
        SELECT customer_id, anchor, entered_at, reached_seconds, reached, missed, false AS is_new
        FROM mine {here} WHERE left_at IS NULL
        UNION ALL
        SELECT customer_id, anchor, entered_at, -1, '', NULL, true FROM entering
    ),
    busy AS (
        SELECT DISTINCT customer_id FROM told WHERE campaign = {literal(campaign)}
            AND (is_waiting OR contact_at >= {window.day_begins})
    ),
    {_reached_sql(campaign)},
    {_ahead_sql(chain, window)},
    {_after_sql(campaign, window)}
    SELECT n.* EXCLUDE (old_seconds, old_reached, old_missed),
        n.is_new OR n.left_at IS NOT NULL OR n.reached_seconds <> n.old_seconds
            OR n.reached <> n.old_reached OR n.missed IS DISTINCT FROM n.old_missed AS is_changed,
        a.due_at,
        a.due_at <= {window.as_of} AND a.holds
            AND n.customer_id NOT IN (SELECT customer_id FROM busy) AS is_due
    FROM after n
    LEFT JOIN ahead a
        ON a.customer_id = n.customer_id AND a.anchor = n.anchor AND a.place = n.place
    """


def _reached_sql(campaign: str) -> str:
    """How far those present have come: CTEs up to `reached` (seconds and step of the furthest)."""
    return f"""
    heard AS (
        SELECT t.customer_id, t.anchor, t.step, max(t.contact_at) AS told_at
        FROM told t SEMI JOIN present p ON p.customer_id = t.customer_id AND p.anchor = t.anchor
        WHERE t.campaign = {literal(campaign)} GROUP BY ALL
    ),
    done AS (
        SELECT customer_id, anchor, step FROM heard
        UNION
        SELECT customer_id, anchor, split_part(entry, ':', 1)
        FROM (SELECT customer_id, anchor, unnest(string_split(missed, ',')) AS entry FROM present)
    ),
    marks AS (
        SELECT d.customer_id, d.anchor, s.after AS seconds, s.step
        FROM done d JOIN steps s USING (step)
        UNION ALL
        SELECT customer_id, anchor, reached_seconds, reached
        FROM present ANTI JOIN steps ON steps.step = present.reached
        WHERE reached <> ''
        UNION ALL
        SELECT h.customer_id, h.anchor, epoch(h.told_at - p.entered_at)::BIGINT, h.step
        FROM heard h JOIN present p USING (customer_id, anchor)
        ANTI JOIN steps s ON s.step = h.step
        WHERE h.step <> p.reached
    ),
    reached AS (
        SELECT customer_id, anchor, max(seconds) AS seconds, arg_max(step, seconds) AS step
        FROM marks GROUP BY ALL
    )
    """


def _ahead_sql(chain: Chain, window: Window) -> str:
    """What is ahead of them: CTEs `ahead`, of it the first step that is not lapsed (`firsts`), and
    the steps that were let go before it (`passed`)."""
    return f"""
    dated AS (
        SELECT *, lead(due_at) OVER (PARTITION BY customer_id, anchor ORDER BY place) AS next_at
        FROM (
            SELECT p.customer_id, p.anchor, s.place, s.step, s.after,
                {window.later_by("p.entered_at", "s.days", "s.seconds")} AS due_at
            FROM present p CROSS JOIN steps s)
    ),
    ahead AS (
        SELECT d.customer_id, d.anchor, d.place, d.step, d.after, d.due_at,
            coalesce(q.fits[d.place + 1], false) AS holds,
            {_is_late(chain, window)}
                OR (NOT holds AND coalesce(d.next_at <= {window.as_of}, false)) AS is_lapsed
        FROM dated d
        LEFT JOIN reached r USING (customer_id, anchor)
        LEFT JOIN people q USING (customer_id)
        WHERE d.after > coalesce(r.seconds, -1)
    ),
    firsts AS (
        SELECT customer_id, anchor, min(place) AS place FROM ahead WHERE NOT is_lapsed GROUP BY ALL
    ),
    passed AS (
        SELECT a.customer_id, a.anchor, max(a.after) AS seconds, arg_max(a.step, a.after) AS step,
            string_agg(a.step || ':' || CASE WHEN a.holds THEN '{LATE}' ELSE '{UNFIT}' END,
                ',' ORDER BY a.place) AS entries
        FROM ahead a LEFT JOIN firsts f USING (customer_id, anchor)
        WHERE f.place IS NULL OR a.place < f.place GROUP BY ALL
    )
    """


def _after_sql(campaign: str, window: Window) -> str:
    """The enrolments as they are from now on: CTEs up to `after`."""
    return f"""
    judged AS (
        SELECT p.*, f.place AS next_place, r.seconds AS told_seconds, r.step AS told_step,
            v.seconds AS passed_seconds, v.step AS passed_step, v.entries,
            CASE WHEN c.customer_id IS NULL THEN '{REMOVED}'
                WHEN q.leaves_for IS NOT NULL THEN q.leaves_for
                WHEN f.place IS NULL THEN '{FINISHED}' END AS ends_for
        FROM present p
        LEFT JOIN customers c USING (customer_id)
        LEFT JOIN people q USING (customer_id)
        LEFT JOIN reached r USING (customer_id, anchor)
        LEFT JOIN firsts f USING (customer_id, anchor)
        LEFT JOIN passed v USING (customer_id, anchor)
    ),
    after AS (
        SELECT {literal(campaign)} AS campaign, customer_id, anchor, entered_at,
            CASE WHEN goes_on THEN coalesce(passed_seconds, told_seconds, reached_seconds)
                ELSE coalesce(told_seconds, reached_seconds) END::BIGINT AS reached_seconds,
            CASE WHEN goes_on THEN coalesce(passed_step, told_step, reached)
                ELSE coalesce(told_step, reached) END AS reached,
            CASE WHEN goes_on THEN nullif(concat_ws(',', missed, entries), '')
                ELSE missed END AS missed,
            CASE WHEN ends_for IS NOT NULL THEN {window.as_of} END AS left_at,
            ends_for AS left_for,
            is_new,
            CASE WHEN ends_for IS NULL THEN next_place END AS place,
            reached_seconds AS old_seconds, reached AS old_reached, missed AS old_missed
        FROM (SELECT *, coalesce(ends_for = '{FINISHED}', true) AS goes_on FROM judged)
    )
    """


def grace_of(chain: Chain, step: ChainStep) -> timedelta:
    """How late the step may be sent."""
    return chain.grace if step.grace is None else step.grace


def _steps(steps: Sequence[ChainStep]) -> str:
    return ", ".join(
        f"({place}, {literal(step.step)}, {step.after // SECOND}::BIGINT, {step.after.days}, "
        f"{step.after.seconds})"
        for place, step in enumerate(steps)
    )


def _is_late(chain: Chain, window: Window) -> str:
    cases = " ".join(
        f"WHEN {place} THEN {window.is_over('d.due_at', grace_of(chain, step))}"
        for place, step in enumerate(chain.steps)
    )
    return f"CASE d.place {cases} END"


def _entering_sql(chain: Chain, window: Window) -> str:
    """SELECT customer_id, anchor, entered_at. Nobody enters while an exit holds, or twice at once.

    By condition the steps count from the beginning of the day, so that a run a second earlier
    than that of the first day finds them due; by event, from the event.
    """
    earlier = """
        SELECT customer_id, count(*) AS entries, max(TRY_CAST(anchor AS BIGINT)) AS ordinal,
            bool_or(left_at IS NULL) AS is_in, max(left_at) AS left_at
        FROM mine GROUP BY customer_id
    """
    if chain.start.event is None:
        return f"""
            SELECT p.customer_id,
                (greatest(coalesce(e.entries, 0), coalesce(e.ordinal, 0)) + 1)::VARCHAR AS anchor,
                {window.day_begins} AS entered_at
            FROM people p LEFT JOIN ({earlier}) e USING (customer_id)
            WHERE p.starts AND p.leaves_for IS NULL AND {_may_enter(chain, window, window.as_of)}
        """
    return f"""
        SELECT customer_id, id AS anchor, happened_at AS entered_at
        FROM (
            SELECT h.customer_id, h.id, h.happened_at,
                row_number() OVER (PARTITION BY h.customer_id ORDER BY h.happened_at, h.id) AS place
            FROM ({happened_sql(chain.start.event)}) h
            JOIN people p USING (customer_id)
            LEFT JOIN ({earlier}) e USING (customer_id)
            WHERE {window.may_concern("h.happened_at", chain.start.since)}
                AND h.happened_at < {window.facts_until}
                AND NOT {window.is_over("h.happened_at", chain.start.since)}
                AND p.starts AND p.leaves_for IS NULL
                AND {_may_enter(chain, window, "h.happened_at")}
        )
        WHERE place = 1
    """


def _may_enter(chain: Chain, window: Window, at: str) -> str:
    """Whether somebody with the entries `e` may enter at that instant."""
    if chain.enter_again is None:
        return "e.customer_id IS NULL"
    if is_whole_days(chain.enter_again):
        days = chain.enter_again // ONE_DAY
        is_time = f"{window.day(at)} >= {window.day('e.left_at')} + {days}"
    else:
        is_time = f"{at} >= {window.later('e.left_at', chain.enter_again)}"
    return f"(e.customer_id IS NULL OR (NOT e.is_in AND {is_time}))"
