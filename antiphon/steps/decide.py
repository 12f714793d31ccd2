"""Decide: decisions to the lake, messages to the outbox."""

# ruff: noqa: S608

import json
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from antiphon.policy.rules import Rule
from antiphon.policy.words.summary import CampaignSummary, Count, day_csv, summarise
from antiphon.steps.asking import doubts
from antiphon.steps.composing import Composer, keep_templates
from antiphon.steps.deciding import Day, decide_day
from antiphon.steps.frames import Frames
from antiphon.steps.history import DECIDED, keep
from antiphon.steps.issuing import issuing_of
from antiphon.steps.ran import RAN, facts
from antiphon.steps.run import DAILY, Counts, Run, check_lease, step
from antiphon.steps.volumes import LATE, cautions, unpaid_of, unpromised_of

SETTLED = "settled.parquet"  # beside the held rows of every bucket
ROWS_A_PLAN = 10_000


@step("decide")
def decide(run: Run) -> Counts:
    """Decide every candidate: decisions to the lake, then messages to the outbox."""
    lake, ledger = run.project.lake, run.project.ledger
    day = day_of(run)
    published = lake.current().files("decisions", run.id)
    folder = run.place("decisions")
    with lake.session(day.snapshot) as session:
        composer = Composer(run.project, run.moment, session)
        if published:  # then killed: they stand
            counts = recall_decisions(day, composer, published[0].parent)
        else:
            check_lease(ledger, run.record)
            counts = write_decisions(day, composer, folder)
            run.warn(doubts(day, session, run.now))
            run.warn(cautions(day, composer, is_whole_day=run.record.flow == DAILY))
            if run.record.dry_run:
                shutil.rmtree(folder)
                return _reported(run, counts)
            with lake.change(run.id, day=run.record.business_day) as change:
                change.add_files("decisions", run.id, sorted(folder.glob("*.parquet")))
                read = {DECIDED: day.recent, RAN: facts(run.record)}
                keep(run, day.snapshot, change, read)
                run.publish(change)
        keep_templates(ledger, composer.templates, day.touches)
        issuing = issuing_of(run.project, composer.templates, day.touches)
        for messages in _joined(map(composer.messages, day.touches), ROWS_A_PLAN):
            ledger.messages.plan(messages, run.id, run.lease, run.now, issuing)
        proofs = [one for touch in day.touches for one in composer.proofs(touch)]
    run.write("proofs.json", json.dumps(proofs))
    return _reported(run, counts)


def _reported(run: Run, counts: Sequence[Count]) -> Counts:
    """Leave the table of the day in the run's folder; its totals."""
    names = [campaign.campaign for campaign in run.campaigns]
    summaries = summarise(counts, names)
    run.write_summaries(summaries)
    run.write("report.csv", day_csv(counts, names))
    return _totals(summaries)


def _joined(tables: Iterable[pa.Table], rows: int) -> Iterator[pa.Table]:
    """The tables, several as one until they have so many rows: each costs a transaction."""
    waiting: list[pa.Table] = []
    for table in tables:
        waiting.append(table)
        if sum(one.num_rows for one in waiting) >= rows:
            yield pa.concat_tables(waiting)
            waiting = []
    if waiting:
        yield pa.concat_tables(waiting)


def day_of(run: Run) -> Day:
    """What the run pinned, as the decisions see it."""
    lake = run.project.lake
    return Day(
        project=run.project,
        snapshot=lake.snapshot(run.snapshot_id),
        moment=run.moment,
        campaigns=run.campaigns,
        frames=Frames.load(run),
        mark=run.history_mark,
        run_id=run.id,
        occasions=lake.current().files("occasions", run.id),
    )


def write_decisions(day: Day, composer: Composer, folder: Path) -> list[Count]:
    """Every candidate's decision as Parquet in `folder`; leaves `chosen` with those to send, and
    `used` with what earlier runs used of limits (USED).

    Messages that would print a null are held here, after all other rules, and those that no budget
    reaches.
    """
    decided = decide_day(day, folder)
    session = composer.session
    session.register("used", decided.used)
    composer.choose(decided.settled, day.frames, day.touches, day.occasions)
    rows = [
        {
            "campaign": touch.name,
            "step": touch.step,
            "customer_id": customer,
            "rule": Rule.MISSING_VALUE.value,
            "counters": json.dumps({"variable": variable}, separators=(",", ":")),
        }
        for touch in day.touches
        for customer, variable in composer.missing(touch).items()
    ]
    lacking = pa.Table.from_pylist(rows, schema=LATE)
    _hold_late(composer, lacking)
    for touch in day.touches:
        composer.price(touch)
    unpromised = unpromised_of(day, composer, decided)
    _hold_late(composer, unpromised)
    beyond = unpaid_of(day, composer, decided)
    _hold_late(composer, beyond)
    session.register("late", pa.concat_tables([lacking, unpromised, beyond]))
    session.write(
        f"""
        SELECT '{day.run_id}' AS run_id, '{day.configuration_hash}' AS configuration, s.* REPLACE (
            CASE WHEN l.rule IS NULL THEN s.outcome ELSE 'held' END AS outcome,
            coalesce(l.rule, s.rule) AS rule,
            CASE WHEN l.rule IS NULL THEN s.counters ELSE l.counters END AS counters,
            CASE WHEN l.rule IS NULL THEN s.arm END AS arm,
            CASE WHEN l.rule IS NULL THEN s.occurrence_key END AS occurrence_key,
            CASE WHEN l.rule IS NULL OR s.due_at IS NOT NULL THEN s.anchor END AS anchor,
            CASE WHEN l.rule IS NULL THEN s.attempt END AS attempt)
        FROM settled s LEFT JOIN late l USING (campaign, step, customer_id)
        ORDER BY customer_id, campaign, step
        """,
        folder / SETTLED,
    )
    return _counts(composer, folder)


def _hold_late(composer: Composer, late: pa.Table) -> None:
    """Take rows (LATE) out of `chosen`."""
    composer.session.register("late", late)
    composer.session.execute(
        "DELETE FROM chosen USING late l WHERE chosen.campaign = l.campaign "
        "AND chosen.step = l.step AND chosen.customer_id = l.customer_id"
    )


def recall_decisions(day: Day, composer: Composer, folder: Path) -> list[Count]:
    """As `write_decisions`, from what it left in `folder`."""
    settled = composer.session.arrow(
        "SELECT COLUMNS(lambda name: name NOT IN ('run_id', 'configuration')) "
        f"FROM read_parquet('{folder / SETTLED}')"
    )
    composer.choose(settled, day.frames, day.touches, day.occasions)
    for touch in day.touches:
        composer.price(touch)
    return _counts(composer, folder)


def _counts(composer: Composer, folder: Path) -> list[Count]:
    rows = composer.session.rows(
        "SELECT campaign, step, cell, outcome, rule, count(*) "
        f"FROM read_parquet('{folder}/*.parquet', union_by_name = true) GROUP BY ALL"
    )
    return [Count(*row) for row in rows]


def _totals(summaries: Iterable[CampaignSummary]) -> Counts:
    totals = Counter[str]()
    for one in summaries:
        held = sum(one.held.values())
        totals.update(candidates=one.audience, send=one.sent, control=one.control, held=held)
    return dict(totals)
