"""What the tests of forgetting share: a shop of six people, and a search of its files."""

import csv
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "steps"))  # for small_shop

import pyarrow.parquet as pq
from small_shop import Shop, at, campaign, make_shop

from antiphon.ledger import Arrival, Response

WHO, PARTNER = "KU10001", "KU10002"
MAIL, PHONE = "anna.beispiel@example.com", "+491711234567"
DAY_ONE, DAY_TWO = at("2026-05-12T10:00"), at("2026-05-13T10:00")
NEXT = at("2026-05-14T10:00")


def letters(*names: str) -> list[dict[str, object]]:
    return [campaign(name, audience={"where": "true"}) for name in names]


def live(root: Path) -> Path:
    """Two daily runs, and whatever a person leaves behind."""
    shop = make_shop(root, *letters("first"))
    long_ago = at("2025-01-01T10:00")
    shop.customer(WHO, long_ago, email=MAIL, phone="0171 1234567", first_name="Anna")
    shop.customer(PARTNER, long_ago, email="ben@example.com", phone="+49 171 1234567")
    for number in range(3, 7):
        shop.customer(f"KU1000{number}", long_ago)
    shop.order(WHO, at("2026-05-01T10:00"))
    shop.order(PARTNER, at("2026-05-02T10:00"))
    shop.event(WHO, "cart_abandoned", at("2026-05-11T10:00"), value="Beispiel")
    shop.add("orders", order_id="bad", customer_id=WHO, ordered_at="never", amount="x")
    shop.daily(DAY_ONE)
    shop.write(*letters("first", "second"))
    shop.daily(DAY_TWO)
    _leave_traces(shop)
    return root


def _leave_traces(shop: Shop) -> None:
    project = shop.project(DAY_TWO)
    ledger, now = project.ledger, DAY_TWO
    [message, *_] = ledger.messages.by_customer(WHO)
    one = Response("r1", "click", now, now, "sendgrid", message_id=message.message_id)
    ledger.responses.insert([replace(one, customer_id=WHO, campaign="first", channel="email")])
    ledger.people.consent_act(
        WHO, "email", "promo", granted=True, acted_at=now, source="preferences"
    )
    event = {"email": MAIL.upper(), "event": "click", "message_id": message.message_id}
    others = {"email": "ben@example.com", "event": "open"}
    ledger.inbox.put([Arrival("sendgrid", now, json.dumps([event, others]).encode())])
    var = shop.root / "var"
    (var / "tasks").mkdir()
    lines = ["customer,task", f"{WHO},call them", f"{PARTNER},call them too", ""]
    (var / "tasks" / "2026-05.csv").write_text("\n".join(lines), encoding="utf-8")
    (var / "preview").mkdir()
    (var / "preview" / "first-a.html").write_text(f"<p>To {MAIL}</p>", encoding="utf-8")
    (var / "runs" / "note.log").write_text(f"something of {WHO} here\n", encoding="utf-8")


def rows_of(root: Path) -> dict[str, list[dict[str, str]]]:
    found = {}
    for path in (root / "data").glob("*.csv"):
        with path.open(encoding="utf-8") as file:
            found[path.stem] = [dict(row) for row in csv.DictReader(file)]
    return found


def traces(root: Path, words: Sequence[str] = (WHO, MAIL, PHONE, "0171 1234567")) -> list[str]:
    """Places below var/ where any of the words stands, found by other code than ours: the bytes of
    every file, the cells of every Parquet file."""
    found = []
    for path in sorted((root / "var").rglob("*")):
        if not path.is_file():
            continue
        text = path.read_bytes().decode("utf-8", "replace").lower()
        if path.suffix == ".parquet":
            text = str(pq.read_table(path).to_pylist()).lower()
        found += [f"{path.relative_to(root)}: {word}" for word in words if word.lower() in text]
    return found
