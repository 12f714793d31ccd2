"""Responses and notices come the whole way: pulled, validated, merged, seen in features."""

from pathlib import Path
from typing import Any

from demo_project import demo_clock

from antiphon.project import Project, open_project
from antiphon.steps.customer import customer
from antiphon.steps.daily import run_daily

NEW_RESPONSES = """response_id,customer_id,kind,occurred_at,campaign,channel,value
NEW1,{known},survey,2026-05-10T10:00:00+02:00,may-letter,email,4.5
NEW2,{known},complaint,2026-05-10T10:00:00+02:00,may-letter,email,
NEW3,nobody,open,2026-05-10T10:00:00+02:00,may-letter,email,
NEW4,{known},open,2031-01-01T10:00:00+02:00,may-letter,email,
NEW5,{known},open,yesterday,may-letter,email,
"""
NEW_NOTICES = """notice_id,notice,occurred_at,product_id,value
NEW1,back_in_stock,2026-05-10T10:00:00+02:00,{product},
NEW2,back_in_stock,2026-05-10T10:00:00+02:00,P-unknown,
NEW3,incident,2026-05-10T10:00:00+02:00,,Berlin
"""


def rows(project: Project, sql: str) -> list[tuple[Any, ...]]:
    with project.lake.session() as session:
        return session.rows(sql)


def test_responses_and_notices_are_pulled_validated_and_merged(ran: Path) -> None:
    project = open_project(ran, demo_clock())
    ((known,),) = rows(project, "SELECT min(customer_id) FROM customers")
    ((product,),) = rows(project, "SELECT min(product_id) FROM products")
    for name, text in (("responses", NEW_RESPONSES), ("notices", NEW_NOTICES)):
        path = ran / "var" / "demo" / f"{name}.csv"
        path.write_text(text.format(known=known, product=product), encoding="utf-8")
    run_daily(ran, demo_clock(), dry_run=True)
    new = "LIKE 'NEW%' ORDER BY ALL"
    assert rows(project, f"SELECT response_id FROM responses WHERE response_id {new}") == [
        ("NEW1",),
        ("NEW2",),
    ]
    assert rows(project, f"SELECT notice_id FROM notices WHERE notice_id {new}") == [
        ("NEW1",),
        ("NEW3",),
    ]
    frame = customer(project, known).frame
    assert (frame["last_survey_score"], frame["days_since_survey"]) == (4.5, 2)
    assert frame["complaint_count_email_365d"] >= 1
    assert quarantined(project) == {
        ("responses", "response of an unknown customer"),
        ("responses", "happened in the future, or long before our time"),
        ("responses", "occurred_at: not an instant"),
        ("responses", "occurred_at is missing"),
        ("notices", "notice of an unknown product"),
    }


def quarantined(project: Project) -> set[tuple[str, str]]:
    """Entities and reasons of what the last run took out of responses and notices."""
    snapshot = project.lake.current()
    run_id = project.ledger.runs.latest("daily", 1)[0].run_id
    files = ", ".join(f"'{path}'" for path in snapshot.files("quarantine", run_id))
    sql = f"SELECT DISTINCT entity, unnest(reasons) FROM read_parquet([{files}])"
    found = rows(project, f"{sql} WHERE entity IN ('responses', 'notices')")
    return {(entity, reason) for entity, reason in found}
