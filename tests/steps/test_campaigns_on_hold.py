"""A campaign on hold decides nothing new; a past day is decided again under its holds."""

from datetime import timedelta

import pytest
from small_shop import POLICY, Shop, at, campaign, make_shop

from antiphon.steps.answers import why
from antiphon.steps.auditing import Evidence, audit_day
from antiphon.steps.decide import day_of
from antiphon.steps.past_audits import _past, audit_again
from antiphon.steps.replaying import replay, runs_of

FIRST, SECOND, THIRD = (at(f"2026-05-{day} 10:00") for day in (12, 13, 14))
EVERYBODY = {"where": "email_reachable"}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """Three days: all speaks, then `loud` is on hold, then it is not and `other` is cancelled."""
    made = make_shop(tmp_path_factory.mktemp("held") / "shop")
    made.write(
        campaign("loud", audience=EVERYBODY, repeat_after="1 hour"),
        campaign("other", audience=EVERYBODY, repeat_after="1 hour"),
        policy=POLICY | {"winners_per_day": 2},
    )
    for customer in ("a", "b"):
        made.customer(customer, at("2026-05-01 10:00"))
    made.daily(FIRST)
    holds = made.project(FIRST).ledger.holds
    holds.hold("loud", "paused", 'the "price" is wrong', "Anna", FIRST + timedelta(hours=1))
    made.daily(SECOND)
    holds.end("loud", SECOND + timedelta(hours=1))
    holds.hold("other", "cancelled", "sold out", "Anna", SECOND + timedelta(hours=1))
    made.daily(THIRD)
    return made


def _rules(shop: Shop, day: str) -> set[tuple[str, str | None]]:
    project = shop.project(THIRD)
    paths = project.lake.current().files("decisions", f"{day}-daily-1")
    files = ", ".join(f"'{path}'" for path in paths)
    with project.lake.session() as session:
        return set(
            session.rows(
                f"SELECT campaign, rule FROM read_parquet([{files}], union_by_name = true)"
            )
        )


def test_nothing_new_is_decided_while_a_campaign_is_on_hold_or_cancelled(shop: Shop) -> None:
    assert _rules(shop, "2026-05-12") == {("loud", None), ("other", None)}
    assert _rules(shop, "2026-05-13") == {("loud", "paused"), ("other", None)}
    assert _rules(shop, "2026-05-14") == {("loud", None), ("other", "paused")}


def test_a_past_day_is_decided_again_under_the_holds_of_its_moment(shop: Shop) -> None:
    project = shop.project(THIRD)
    for day in (FIRST, SECOND, THIRD):
        (record,) = runs_of(project, day.date())
        assert replay(project, record).comparison.is_equal


def test_why_says_that_a_campaign_is_on_hold_and_since_when(shop: Shop) -> None:
    _, answers = why(shop.project(THIRD), "a", SECOND.date(), "loud")
    (told,) = [answer.words for answer in answers]
    assert 'the campaign is on hold since 12 May (the "price" is wrong)' in told


def test_the_audit_finds_messages_of_a_campaign_on_hold(shop: Shop) -> None:
    project = shop.project(THIRD)
    assert not [one for one in audit_again(project, FIRST.date()) if one.breaches]
    (record,) = runs_of(project, FIRST.date())
    run = _past(project, record)
    day = day_of(run)
    object.__setattr__(day, "holds", {"loud": object()})  # as if it had been on hold then
    ledger = project.ledger
    evidence = Evidence(
        ledger.history.planned_by(record.run_id),
        ledger.history.contacts_before(record.run_id, run.history_mark),
        ledger.people.suppressions_table(record.as_of),
        (),
    )
    rules = {breach.rule for breach in audit_day(day, evidence).breaches}
    assert rules == {"paused"}
