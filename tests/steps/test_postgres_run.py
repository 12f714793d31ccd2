"""The whole chain with its ledger on PostgreSQL."""

from collections import Counter
from pathlib import Path

import pytest
from demo_project import antiphon, demo_clock, make_project
from postgres_server import running_server

from antiphon.ledger import Ledger
from antiphon.steps.daily import run_daily


@pytest.mark.postgres
def test_a_day_runs_on_postgresql_and_repeating_it_sends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = make_project(tmp_path / "company", customers=300)
    settings = project / "config" / "settings.yaml"
    text = settings.read_text(encoding="utf-8")
    assert "\nledger: {}" in text
    settings.write_text(
        text.replace("\nledger: {}", "\nledger: {url_from: ANTIPHON_LEDGER_URL}"), encoding="utf-8"
    )
    with running_server() as url:
        if url is None:
            pytest.skip("no PostgreSQL: set ANTIPHON_TEST_POSTGRES or install its binaries")
        monkeypatch.setenv("ANTIPHON_LEDGER_URL", url)
        first = run_daily(project, demo_clock())
        second = run_daily(project, demo_clock())
        with Ledger.open(url) as ledger:
            sent = Counter[str]()
            for count in ledger.messages.counts(first):
                sent[count.state.value] += count.messages
            assert set(sent) <= {"accepted", "control"}
            assert sent["accepted"] > 20
            assert ledger.messages.counts(second) == []
        files = [path for path in (project / "var" / "outbox").rglob("*.*") if path.is_file()]
        assert len(files) == sent["accepted"]
        shown = antiphon(project, "runs", "--json")
        assert shown.returncode == 0, shown.stderr
        assert second in shown.stdout
    assert not (project / "var" / "ledger.db").exists()
