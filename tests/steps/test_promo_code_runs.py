"""Codes through whole runs: issued, printed, budgeted, redeemed by orders, reminded of."""

import csv
import email
import json
from dataclasses import replace
from datetime import timedelta
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

import pytest
from small_shop import Shop, at, campaign, make_shop

from antiphon.campaigns.models import OfferBudget
from antiphon.cli import exit_code
from antiphon.keys import code_key
from antiphon.states import RedemptionVerdict as V
from antiphon.steps.issuing import overdrawn
from antiphon.steps.previewing import preview

DAY = timedelta(days=1)
FIRST = at("2026-05-12T10:00")
OFFER = {"code": "unique", "prefix": "WB", "discount": "15%", "valid": "5 days"}
PRINTED = (
    "<p>{{ offer.discount }}: {{ offer.code }} "
    "until {{ offer.valid_until | date('day_month') }}.</p>"
)
PEOPLE = ("ann", "bob", "cleo", "dan", "eve")


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """Five customers, a campaign with codes for three, and one that reminds of them."""
    made = make_shop(
        tmp_path,
        campaign("voucher", audience={"where": "true"}, offer={**OFFER, "budget": {"codes": 3}}),
        campaign(
            "hurry",
            audience={"where": "code_open('voucher', within => '2 days')"},
            offer={"reminds": "voucher"},
        ),
    )
    body = made.root / "templates" / "note" / "body.html.j2"
    body.write_text(body.read_text(encoding="utf-8") + PRINTED, encoding="utf-8")
    for name in PEOPLE:
        made.customer(name, at("2026-01-01T10:00"))
    return made


def letters(shop: Shop) -> dict[tuple[str, str], str]:
    """(campaign, customer) → the text of the letter."""
    ledger = shop.project(FIRST + 90 * DAY).ledger
    found = {}
    for path in (shop.root / "var" / "outbox").rglob("*.eml"):
        mail = email.message_from_bytes(path.read_bytes(), policy=default)
        assert isinstance(mail, EmailMessage)
        part = mail.get_body(("plain",))
        assert part is not None
        message = ledger.messages.get(path.stem.rsplit("-")[-1])
        customer = str(mail["To"]).split("@")[0].split("<")[-1]
        found[message.campaign if message else path.stem, customer] = part.get_content()
    return found


def codes(shop: Shop) -> dict[str, str]:
    ledger = shop.project(FIRST + 90 * DAY).ledger
    return {name: one.code for name in PEOPLE for one in ledger.codes.of_customer(name)}


def test_each_letter_prints_the_code_of_its_customer_until_the_budget_is_used_up(
    shop: Shop,
) -> None:
    run_id = shop.daily(FIRST)
    issued = codes(shop)
    assert len(issued) == 3
    texts = letters(shop)
    assert len(texts) == 3
    printed = {code_key(text.split("15%: ")[1].split(" ")[0]) for text in texts.values()}
    assert printed == set(issued.values())
    assert all("until 17 May" in text for text in texts.values())
    project = shop.project(FIRST)
    (folder,) = {path.parent for path in project.lake.current().files("decisions", run_id)}
    with project.lake.session() as session:
        held = session.rows(
            f"SELECT rule, counters FROM read_parquet('{folder}/*.parquet', union_by_name = true) "
            "WHERE campaign = 'voucher' AND outcome = 'held'"
        )
    assert [(rule, json.loads(seen)) for rule, seen in held] == [
        ("offer_budget", {"codes": 3, "issued": 0})
    ] * 2
    shop.daily(FIRST + DAY)
    assert codes(shop) == issued


def test_orders_redeem_codes_and_an_order_given_back_undoes_it(shop: Shop) -> None:
    shop.daily(FIRST)
    (ann, own), *_ = codes(shop).items()
    written = f"{own[:2]}-{own[2:6]}-{own[6:10]}-{own[10:]}".lower()
    order = shop.order(ann, FIRST + 0.5 * DAY, promo_code=written, discount=1.5)
    shop.order("zoe", FIRST + 0.5 * DAY, promo_code="NEWSPAPER")
    shop.daily(FIRST + DAY)
    ledger = shop.project(FIRST + DAY).ledger
    (one,) = ledger.redemptions.of_code(own)
    assert (one.verdict, one.order_id, one.customer_id) == (V.COUNTED, order, ann)
    assert ledger.codes.spent_e4(["voucher"]) == {"voucher": 15_000}
    assert ledger.redemptions.counts() == {("voucher", "counted"): 1}
    with shop.project(FIRST + DAY).lake.session() as session:
        told = session.rows("SELECT customer_id, kind, campaign, value FROM responses")
        used = session.rows("SELECT code FROM codes WHERE redeemed_at IS NOT NULL")
    assert told == [(ann, "redemption", "voucher", own)]
    assert used == [(own,)]

    late = (FIRST + 1.5 * DAY).isoformat()
    shop.rows["orders"][0] = {**shop.rows["orders"][0], "amount": 0, "updated_at": late}
    shop.customer("fay", FIRST)  # writes nothing of orders
    shop.add("orders", **shop.rows["orders"].pop())
    shop.daily(FIRST + 2 * DAY)
    (one,) = ledger.redemptions.of_code(own)
    assert one.verdict == V.RETURNED
    with shop.project(FIRST + 2 * DAY).lake.session() as session:
        assert session.rows("SELECT code FROM codes WHERE redeemed_at IS NOT NULL") == []


def test_a_reminder_repeats_the_open_code_and_leaves_those_who_used_theirs_alone(
    shop: Shop,
) -> None:
    shop.daily(FIRST)
    issued = codes(shop)
    first, second, third = sorted(issued)
    shop.order(first, FIRST + DAY, promo_code=issued[first])
    shop.daily(FIRST + 2 * DAY)
    assert [one for one in shop.told() if one[0] == "hurry"] == []  # too early
    # the run that reminds is the first to hear of this order
    shop.order(second, FIRST + 2.5 * DAY, promo_code=issued[second])
    shop.daily(FIRST + 3 * DAY)
    assert [one[2] for one in shop.told() if one[0] == "hurry"] == [third]
    assert codes(shop) == issued  # no second code
    (text,) = [text for (_, who), text in letters(shop).items() if who == third][-1:]
    assert code_key(text.split("15%: ")[1].split(" ")[0]) == issued[third]
    assert "until 17 May" in text


def test_a_preview_shows_a_code_that_nobody_has(shop: Shop) -> None:
    shop.daily(FIRST)
    found = list(preview(shop.project(FIRST), "voucher", "ann"))
    assert "WB-2345-6789" in str(found[0].content)
    assert not {code for code in codes(shop).values() if code in code_key(str(found[0].content))}


def command(shop: Shop, *words: str) -> int:
    later = (FIRST + DAY).isoformat()
    return exit_code(["--project", str(shop.root), "codes", *words, "--at", later])


def test_tills_get_every_code_and_bring_them_back(
    shop: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.daily(FIRST)
    issued = codes(shop)
    ledger = shop.project(FIRST).ledger
    ledger.messages.withdraw("by a test", FIRST, campaign="voucher")
    out = tmp_path / "codes.csv"
    assert command(shop, "export", str(out)) == 0
    with out.open(encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert {line["plain"] for line in lines} == set(issued.values())
    assert all(code_key(line["code"]) == line["plain"] != line["code"] for line in lines)
    first = {name: value for name, value in lines[0].items() if name not in ("code", "plain")}
    assert first == {
        "campaign": "voucher",
        "discount": "15%",
        "gift": "",
        "valid_from": "2026-05-12",
        "valid_until": "2026-05-17",
        "is_unique": "true",
        "redeemed": "false",
        "withdrawn": "false",
    }
    assert not any(name in out.read_text(encoding="utf-8") for name in PEOPLE)

    used = tmp_path / "used.csv"
    (ann, own), *_ = issued.items()
    used.write_text(f"code;receipt;discount\n{own.lower()};7;1,50\nXX;8;\n;9;\n", encoding="utf-8")
    capsys.readouterr()
    assert command(shop, "redeem", str(used)) == 1  # one line has no code
    told = capsys.readouterr()
    assert "2 uses read, 2 of them new" in told.out
    assert "used.csv:4: 'code' is empty" in told.err
    command(shop, "redeem", str(used))
    assert "2 uses read, 0 of them new" in capsys.readouterr().out

    assert command(shop, "show", own) == 0
    shown = capsys.readouterr().out
    assert f"issued to {ann} by voucher" in shown
    assert "counted" in shown
    wrong = own[:-1] + ("2" if own[-1] != "2" else "3")
    assert command(shop, "show", wrong) == 1
    assert "mistyped" in capsys.readouterr().err
    assert command(shop) == 0
    assert "1 use of codes that nobody issued" in capsys.readouterr().out


def test_the_audit_counts_the_codes_that_are_out_by_itself(shop: Shop) -> None:
    run_id = shop.daily(FIRST)
    project = shop.project(FIRST)
    assert overdrawn(project, run_id) == []
    voucher = project.configuration.campaigns["voucher"]
    assert voucher.offer is not None
    less = voucher.offer.model_copy(update={"budget": OfferBudget(codes=2)})
    changed = {"voucher": voucher.model_copy(update={"offer": less})}
    tighter = replace(project, configuration=replace(project.configuration, campaigns=changed))
    assert overdrawn(tighter, run_id) == ["campaign voucher has 3 codes out, and may have 2"]
    assert overdrawn(tighter, "another run") == []  # which issues none: nothing to hold back
