"""Whole days of a town: what the reports count is what its people did, to the last one."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow.csv
import pytest
from small_town import files_with

from antiphon.commands.simulate import _tell
from antiphon.errors import ConfigError, UserFilesError
from antiphon.reports.rates import report_table
from antiphon.states import MessageState, ResponseKind
from antiphon.town.days import QUIET, Town, inhabited
from antiphon.town.founding import FILE, found, is_town
from antiphon.town.happenings import reactions_to
from antiphon.town.truth import promoters, responses, worths

LETTER = """
campaign: everybody
title: A letter to everybody
category: lifecycle
priority: 50
runs: {from: 2026-01-01}
audience: {where: email_reachable}
repeat_after: 1 day
channels: [email]
tags: [letter]
survey: purchase
message: letter
control: 30%
goal: {event: order, within: 1 day}
"""
BEHAVIOUR = """
version: 1
customers: 300
shopping: {rate: 6, soon: 6 hours, returned: 20%, code: 50%}
delivery: {bounce: 5%, soft_bounce: 3%, undelivered: 10%}
reading: {open: 60%, machine_open: 30%, click: 50%, reply: 5%}
leaving: {opt_out: 4%, complaint: 2%}
surveys: {share: 30%, satisfied: 70%}
effects: {everybody: {regular: 30%, occasional: 30%, gone: 30%}}
"""
DAYS, SEED = 2, 5


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """A town of people who do a lot, after some days."""
    folder = tmp_path_factory.mktemp("somewhere")
    declared = folder / "behaviour.yaml"
    declared.write_text(BEHAVIOUR)
    files = files_with(["winback-lost-loyal"], everybody=LETTER)
    truth = found(folder / "town", files, behaviour=declared, seed=SEED)
    with inhabited(folder / "town", truth, SEED) as town:
        assert len(list(town.live(DAYS))) == DAYS
        town.close()
        yield town


def test_every_report_was_taken_and_read(town: Town) -> None:
    assert town.post.refused == 0
    assert town.project.ledger.inbox.waiting().requests == 0
    assert len(town.sent) > 100


def test_the_report_counts_what_people_did_with_each_campaigns_messages(town: Town) -> None:
    sent = list(town.sent.values())
    happened = reactions_to(town.behaviour, town.seed, sent)
    now = town.clock() - QUIET  # the last quarter of an hour nobody did anything
    truth: dict[str, Counter[str]] = {}
    for place, one in enumerate(sent):
        age = (now - one.at).total_seconds()
        counts = truth.setdefault(one.campaign, Counter())
        opened = happened.opens[place] <= age  # never: NaN
        counts["sent"] += 1
        counts["bounced"] += bool(one.letter.is_email and not happened.arrives[place])
        counts["opened"] += bool(opened)
        counts["clicked"] += bool(happened.clicks[place] <= age)
        counts["complained"] += bool(happened.complains[place] <= age)
        counts["machine_opened"] += bool(happened.machine_opens[place] and not opened)
    measured = report_table(town.project, "campaigns").counts.to_pylist()
    assert {
        row["campaign"]: {name: row[name] for name in truth["everybody"]} for row in measured
    } == {name: dict(counts) for name, counts in truth.items()}
    assert all(truth["everybody"].values())  # everything happened at all


def test_conversions_are_counted_as_by_hand_for_messages_and_for_control(town: Town) -> None:
    window = timedelta(days=1)
    with town.project.ledger.history.contacts_since(0) as reader:
        contacts = [r for r in reader.read_all().to_pylist() if r["campaign"] == "everybody"]
    orders: dict[str, list[datetime]] = {}
    for row in pyarrow.csv.read_csv(town.root / "var/demo/orders.csv").to_pylist():
        if row["order_id"].startswith("T") and row["status"] != "returned":
            moment = town.clock.instant(datetime.fromisoformat(row["ordered_at"]))
            orders.setdefault(row["customer_id"], []).append(moment)
    left = {MessageState.ACCEPTED, MessageState.DELIVERED, MessageState.BOUNCED}
    by_hand = Counter[str]()
    for row in contacts:
        start = row["contact_at"]
        bought = any(start <= at < start + window for at in orders.get(row["customer_id"], []))
        if row["state"] in left:
            by_hand["converted"] += bought
        elif row["state"] == MessageState.CONTROL and row["arm"] == "control":
            by_hand["control_converted"] += bought
    [measured] = [
        row
        for row in report_table(town.project, "campaigns").counts.to_pylist()
        if row["campaign"] == "everybody"
    ]
    assert {name: measured[name] for name in by_hand} == dict(by_hand)
    assert min(by_hand.values()) > 0


def test_who_bounced_complained_or_left_is_not_written_to_again(town: Town) -> None:
    ledger = town.project.ledger
    for one in town.sent.values():
        found = ledger.responses.of_message(one.letter.message_id)
        ends = [
            r.received_at
            for r in found
            if r.kind in {ResponseKind.BOUNCE, ResponseKind.COMPLAINT, ResponseKind.OPT_OUT}
        ]
        later = [
            message
            for message in ledger.messages.by_customer(one.customer)
            if ends
            and message.left_at
            and message.left_at > min(ends)
            and message.channel == ("email" if one.letter.is_email else "sms")
            and message.category != "service"
        ]
        assert later == []


def test_surveys_are_answered_by_a_tap_and_the_score_that_was_meant_is_counted(town: Town) -> None:
    sent = [one for one in town.sent.values() if one.asks]
    happened = reactions_to(town.behaviour, town.seed, sent)
    meant = [
        int(happened.scores[place])
        for place, one in enumerate(sent)
        if happened.answers[place] <= (town.clock() - QUIET - one.at).total_seconds()
    ]
    score, truly = promoters(town)
    assert score.answers == len(meant) > 10
    assert score.promoters == sum(one >= 9 for one in meant)
    assert score.detractors == sum(one <= 6 for one in meant)
    low, high = score.interval() or (0, 0)
    assert low < truly < high


def test_the_truth_about_a_campaign_stands_beside_its_measure(town: Town) -> None:
    [worth] = [one for one in worths(town) if one.campaign == "everybody"]
    assert worth.measured.treated.rows > worth.measured.control.rows > 10
    assert worth.truth is not None
    assert 0.1 < worth.truth < 0.3  # 30 % of those reached and untired, less who bought anyway
    assert worth.holds is not False
    found = responses(town)
    assert sum(one.holds for one in found) >= len(found) - 1


def test_the_report_of_a_town_says_that_it_is_simulated_and_shows_both_numbers(
    town: Town, capsys: pytest.CaptureFixture[str]
) -> None:
    _tell(town)
    told = capsys.readouterr().out
    assert told.count("SIMULATED") == 2
    for words in ("truly opened", "truth", "points", "Net Promoter Score", "hold the truth"):
        assert words in told


def test_a_town_never_touches_a_folder_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(UserFilesError, match="is no town"):
        found(tmp_path, files_with([]))
    assert [one.name for one in tmp_path.iterdir()] == ["letter.txt"]


def test_a_town_leaves_accounts_alerts_and_databases_of_its_project_behind(tmp_path: Path) -> None:
    files = files_with([])
    settings = files.texts["config/settings.yaml"]
    assert "ledger: {}" in settings
    given = settings.replace("ledger: {}", "ledger: {url_from: SECRET_LEDGER}") + (
        "\nenvironment: live\nalerts: {webhook: 'https://chat.example/x'}\n"
        "accounts: {main: {uses: sendgrid}}\nresponses: {poll: main}\n"
        "offers: {till_from: SECRET_TILLS}\n"
    )
    project = type(files)({**files.texts, "config/settings.yaml": given})
    found(tmp_path / "town", project)
    written = (tmp_path / "town" / "config" / "settings.yaml").read_text()
    for word in ("SECRET_TILLS", "poll", "SECRET_LEDGER", "live", "chat.example", "accounts"):
        assert word not in written
    assert is_town(tmp_path / "town")


def test_founding_again_replaces_the_town_and_nothing_beside_it(tmp_path: Path) -> None:
    place = tmp_path / "town"
    found(place, files_with([]))
    (place / "var" / "ledger.db").write_text("old")
    (place / "notes.txt").write_text("mine")
    found(place, files_with([]))
    assert not (place / "var" / "ledger.db").exists()
    assert (place / "notes.txt").read_text() == "mine"
    assert (place / FILE).exists()


def test_a_wrong_word_in_the_behaviour_is_answered_with_its_line(tmp_path: Path) -> None:
    declared = tmp_path / "tired.yaml"
    declared.write_text("version: 1\nreading:\n  opn: 20%\n")
    with pytest.raises(ConfigError, match=r"tired.yaml:3:3: .*opn[\s\S]*Did you mean 'open'"):
        found(tmp_path / "town", files_with([]), behaviour=declared)
    assert not (tmp_path / "town").exists()
