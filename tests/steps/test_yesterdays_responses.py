"""What came back since yesterday is read, stored in the lake and decided on, by today's run."""

import json
from pathlib import Path

from small_shop import at, campaign, make_shop

from antiphon.ledger import Arrival, Statement
from antiphon.response.sources import Source

FIRST, SECOND = at("2026-05-12 09:00"), at("2026-05-13 09:00")
WHO = ("ann", "bob", "eve")


def test_today_decides_on_what_came_back_since_yesterday(tmp_path: Path) -> None:
    letter = campaign("letter", audience={"where": "email_reachable"}, repeat_after="1 day")
    reminder = campaign("reminder", audience={"where": "click_count_30d > 0"}, priority=90)
    shop = make_shop(tmp_path / "shop", letter, reminder, features=("contact", "response"))
    for who in WHO:
        shop.customer(who, at("2026-01-01 09:00"))
    shop.daily(FIRST)
    assert len(shop.told()) == len(WHO)

    evening = at("2026-05-12 20:00")
    sent = {one["customer_id"]: one["message_id"] for one in shop.contacts()}
    events = [
        {"event": event, "antiphon_message": sent[who], "sg_event_id": f"{event}-{who}", **more}
        for event, who, more in (
            ("click", "ann", {"url": "https://shop.example/"}),
            ("open", "eve", {"sg_machine_open": True}),
            ("spamreport", "bob", {}),
        )
    ]
    for event in events:
        event |= {"timestamp": int(evening.timestamp()), "email": "somebody@example.com"}
    ledger = shop.project(evening).ledger
    ledger.inbox.put([Arrival(Source.SENDGRID_EVENTS, evening, json.dumps(events).encode())])
    ledger.statements.add([Statement("eve", "interest", "skin care", evening, "preferences")])

    shop.daily(SECOND)
    assert shop.told()[1:] == [("letter", "", "eve", "2"), ("reminder", "", "ann", "once")]
    with shop.project(SECOND).lake.session() as session:
        kept = session.rows("SELECT customer_id, kind, is_machine FROM responses ORDER BY ALL")
        said = session.rows("SELECT customer_id, name, value FROM statements")
    assert kept == [("ann", "click", False), ("bob", "complaint", False), ("eve", "open", True)]
    assert said == [("eve", "interest", "skin care")]
