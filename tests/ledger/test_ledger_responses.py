"""What came back is kept once, read once, and told to the lake from a mark on."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from antiphon.ledger import Arrival, Ledger, Match, Response, Statement

NOW = datetime(2026, 5, 12, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)


def response(number: int, **known: object) -> Response:
    row = Response(f"r{number}", "click", NOW + number * HOUR, NOW + number * HOUR, "sendgrid")
    return replace(row, **known)  # type: ignore[arg-type]


def told(ledger: Ledger, mark: int = 0) -> list[dict[str, object]]:
    with ledger.responses.table_since(mark) as reader:
        return reader.read_all().sort_by("response_id").to_pylist()  # type: ignore[no-any-return]


def test_a_response_is_kept_once_however_often_it_comes(ledger: Ledger) -> None:
    rows = [response(1), response(2, kind="open", is_machine=True), response(1)]
    assert ledger.responses.insert(rows) == {"click": 1, "open": 1}
    assert ledger.responses.insert([response(2), response(3)]) == {"click": 1}
    assert ledger.responses.known(["r1", "r3", "r9"]) == {"r1", "r3"}
    assert ledger.responses.insert([]) == {}
    assert ledger.responses.counts(NOW + 2 * HOUR) == {"open": 1, "click": 1}


def test_a_response_is_read_as_it_was_written(ledger: Ledger) -> None:
    whole = Response(
        "r1", "answer", NOW, NOW + HOUR, "web", "m", "ann", "letter", "email", "key", "provider",
        True, "9", "purchase", "why", "shop", "p7", {"source": "page"},
    )  # fmt: skip
    ledger.responses.insert([whole, response(2, customer_id="bob")])
    assert ledger.responses.of_message("m") == ledger.responses.of_customer("ann") == [whole]
    assert ledger.responses.of_customer("bob") == [response(2, customer_id="bob")]


def test_the_lake_hears_of_people_we_know_from_a_mark_on(ledger: Ledger) -> None:
    ledger.responses.insert([response(1, customer_id="ann", value=""), response(2)])
    first = told(ledger)
    assert [row["customer_id"] for row in first] == ["ann"]
    assert (first[0]["value"], first[0]["survey"], first[0]["is_machine"]) == ("", None, False)
    assert first[0]["occurred_at"] == NOW + HOUR
    mark = ledger.history.mark()
    assert told(ledger, mark) == []
    assert ledger.responses.match([Match("r2", "bob", "m", "letter")]) == 1
    assert ledger.responses.match([Match("r2", "eve")]) == 0
    late = told(ledger, mark)
    assert [(row["customer_id"], row["message_id"], row["campaign"]) for row in late] == [
        ("bob", "m", "letter")
    ]


def test_unmatched_responses_are_those_with_an_address_alone(ledger: Ledger) -> None:
    ledger.responses.insert(
        [
            response(1, address_key="k"),
            response(2, address_key="k", message_id="m"),
            response(3),
            response(4, address_key="k"),
        ]
    )
    found = ledger.responses.unmatched(NOW, 10)
    assert [one.response_id for one in found] == ["r1", "r4"]
    assert [one.response_id for one in ledger.responses.unmatched(NOW + 2 * HOUR, 10)] == ["r4"]


def test_a_request_is_finished_once_and_counted_once(ledger: Ledger) -> None:
    ledger.inbox.put([Arrival("sendgrid_events", NOW, b"[1]"), Arrival("odd", NOW, b"\xff", "m=1")])
    first, second = ledger.inbox.unparsed(10)
    assert (first.body, second.body, second.query) == (b"[1]", b"\xff", "m=1")
    assert first.received_at == NOW
    assert ledger.inbox.waiting().requests == 2
    ids, counts = [first.inbox_id, second.inbox_id], {"seen": 3}
    problems = {second.inbox_id: "no JSON"}
    assert ledger.inbox.finish(ids, NOW, problems=problems, counts=counts) == 2
    assert ledger.inbox.finish(ids, NOW, counts=counts) == 0
    assert ledger.tallies.since(NOW.date()) == {"seen": 3}
    assert ledger.inbox.unparsed(10) == []
    assert ledger.inbox.problems(NOW) == {"no JSON": 1}


def test_only_requests_that_were_read_expire(ledger: Ledger) -> None:
    ledger.inbox.put([Arrival("a", NOW, b"1"), Arrival("a", NOW, b"2"), Arrival("a", NOW, b"3")])
    first = ledger.inbox.unparsed(1)[0].inbox_id
    ledger.inbox.finish([first], NOW)
    assert ledger.inbox.expire(NOW) == 0
    assert ledger.inbox.expire(NOW + HOUR) == 1
    assert [one.body for one in ledger.inbox.unparsed(10, after=first)] == [b"2", b"3"]


def test_the_latest_statement_wins_and_can_be_taken_back(ledger: Ledger) -> None:
    said = [
        Statement("ann", "language", "de", NOW, "preferences"),
        Statement("ann", "language", "en", NOW + HOUR, "preferences"),
        Statement("bob", "language", "de", NOW, "preferences"),
        Statement("bob", "language", None, NOW + HOUR, "preferences"),
    ]
    assert ledger.statements.add(said) == 4
    assert ledger.statements.add(said) == 0
    assert ledger.statements.latest("language", ["ann", "bob"]) == {"ann": "en"}
    assert ledger.statements.of_customer("ann") == said[:2]
    table = ledger.statements.table_since(0).to_pylist()
    assert [row["value"] for row in table if row["customer_id"] == "bob"] == ["de", None]
    assert ledger.statements.table_since(ledger.history.mark()).num_rows == 0
