"""The bench of reports measures what it says."""

from pathlib import Path

from antiphon.reports.lifts import lifts
from antiphon.reports.rates import report_table
from bench.reports import EVENTS_EACH, company, fill

MESSAGES = 2_000


def test_its_company_has_messages_held_out_rows_answers_and_orders(tmp_path: Path) -> None:
    project = company(tmp_path)
    fill(project, MESSAGES)
    table = report_table(project, "campaigns").counts
    totals = {name: sum(table[name].to_pylist()) for name in table.column_names[1:]}
    assert totals["sent"] + totals["control"] == MESSAGES
    assert 0.07 < totals["control"] / MESSAGES < 0.13
    assert min(totals[name] for name in ("opened", "machine_opened", "clicked", "converted")) > 0
    with project.lake.session() as session:
        ((events, of_messages),) = session.rows(
            "SELECT count(*), count(*) FILTER (message_id IN (SELECT message_id FROM contacts)) "
            "FROM responses"
        )
    assert events == of_messages == MESSAGES * EVENTS_EACH
    assert len(lifts(project)) == table.num_rows
