"""The flow that reads what came back; no server is started here."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from demo_project import make_project

import flows.responses
from antiphon.ledger import Arrival, Ledger
from antiphon.response.sources import Source
from antiphon.steps.responding import NotAsked


def test_the_flow_reads_what_came_back_though_a_template_is_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = make_project(tmp_path / "shop", 50, ["may-letter"])
    monkeypatch.setenv("ANTIPHON_ROOT", str(project))
    (project / "templates" / "letter" / "subject.j2").write_text("{{ oops", encoding="utf-8")
    now = datetime.now(UTC)
    event = {"email": "ann@example.com", "event": "spamreport", "sg_event_id": "e1"}
    body = json.dumps([{**event, "timestamp": int(now.timestamp())}]).encode()
    with Ledger.open(str(project / "var" / "ledger.db")) as ledger:
        ledger.inbox.put([Arrival(Source.SENDGRID_EVENTS, now, body)])
    assert flows.responses.responses.fn() == {"requests": 1, "suppressed": 1, "complaint": 1}
    assert flows.responses.responses.fn() == {}

    settings = project / "config" / "settings.yaml"
    polling = settings.read_text(encoding="utf-8") + "\nresponses: {poll: sandbox}\n"
    settings.write_text(polling, encoding="utf-8")
    monkeypatch.setenv("ANTIPHON_SANDBOX_URL", "http://127.0.0.1:9")
    with pytest.raises(NotAsked, match="sandbox: SendGrid cannot be asked"):
        flows.responses.responses.fn()
