"""Parsers are killed, and what they leave behind is as if they had not been."""

import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from back_office import NOW, Office

from antiphon.collection.inbox import parse

WORKER = Path(__file__).with_name("parser_process.py")


def test_parsers_killed_at_any_moment_lose_nothing_and_repeat_nothing(office: Office) -> None:
    people = [f"c{number}" for number in range(100)]
    sent = office.send(*people)
    kinds = ("delivered", "open", "click", "spamreport", "group_unsubscribe")
    events = [
        office.event(kind, message, url="https://office.example/")
        for message in sent
        for kind in kinds
    ]
    waits = office.plan(*people)
    ledger = office.project.ledger
    ledger.inbox.put([office.post(*events[start : start + 25]) for start in range(0, 500, 25)])
    for target in (14, 6):
        _killed_at(target, office)
    parse(office.project)

    assert ledger.inbox.waiting().requests == 0
    told = Counter(ledger.responses.counts(NOW))
    assert told == dict.fromkeys(("open", "click", "complaint", "opt_out"), len(people))
    tallies = ledger.tallies.since(NOW.date())
    assert {kind: tallies[f"sendgrid_events {kind}"] for kind in kinds} == dict.fromkeys(
        kinds, len(people)
    )
    assert [office.state(message) for message in sent] == ["delivered"] * len(people)
    assert [office.state(message) for message in waits] == ["withdrawn"] * len(people)
    ((_, _, reason, count, _),) = ledger.people.suppression_counts()
    assert (reason, count) == ("complaint", len(people))
    assert len(ledger.people.objections_now(people, "email", "promo", NOW)) == len(people)


def _killed_at(target: int, office: Office) -> None:
    """A parser of two requests a batch, killed once no more than `target` of them wait."""
    inbox = office.project.ledger.inbox
    url = office.project.ledger._engine.url.render_as_string(hide_password=False)
    command = [sys.executable, str(WORKER), url, str(office.project.root)]
    worker = subprocess.Popen(command, stderr=subprocess.PIPE)
    while inbox.waiting().requests > target and worker.poll() is None:
        time.sleep(0.002)
    worker.kill()
    assert worker.communicate()[1] == b""
    assert worker.returncode == -signal.SIGKILL, "it ended before it was killed"
    assert inbox.waiting().requests > 0
