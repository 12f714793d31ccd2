"""One process of a test: `python ledger_worker.py TASK URL NAME NUMBER`; prints JSON lines."""

import json
import sys
import time
from contextlib import suppress

from outbox_scene import DAY, HOUR, MINUTE, NOW, claimed, rows

from antiphon.errors import RunBusy
from antiphon.ledger import Lease, Ledger, Outcome
from antiphon.states import MessageState


def say(what: object) -> None:
    print(json.dumps(what), flush=True)


def claim(ledger: Ledger, name: str, number: int) -> None:
    """Claims batches until nothing is due; tells what it got, batch by batch."""
    while batch := claimed(ledger, number, NOW, name, MINUTE):
        say([message.message_id for message in batch])


def dispatch(ledger: Ledger, name: str, number: int) -> None:
    """Claims and records until nothing is due."""
    while batch := claimed(ledger, number, NOW, name, MINUTE):
        say([message.message_id for message in batch])
        outcomes = [Outcome(message.message_id, MessageState.ACCEPTED) for message in batch]
        done = ledger.messages.record(outcomes, NOW, name)
        assert done.moved == len(batch)


def plan(ledger: Ledger, name: str, number: int) -> None:
    """Plans for the run and lease in `name`, as the parent took them; tells when it begins."""
    run_id, token = name.split("/")
    lease = Lease("planner", "test", int(token), NOW, NOW + 10 * MINUTE)
    table = rows(number)
    say("planning")
    done = ledger.messages.plan(table, run_id, lease, NOW)
    say([done.inserted, done.existing])


def slow_claim(ledger: Ledger, name: str, number: int) -> None:
    """Claims one batch and sleeps over it, as one that dies while it sends."""
    batch = claimed(ledger, number, NOW, name, MINUTE)
    say([message.message_id for message in batch])
    time.sleep(HOUR.total_seconds())


def write(ledger: Ledger, name: str, number: int) -> None:
    """Many short writing transactions that read first."""
    for i in range(number):
        lease = ledger.leases.acquire(f"{name}-{i}", name, MINUTE, NOW)
        ledger.leases.release(lease)
        ledger.people.consent_act(
            f"{name}-{i}", "email", "promo", granted=True, acted_at=NOW, source="test"
        )
    say("done")


def begin(ledger: Ledger, name: str, number: int) -> None:
    """Begins runs; tells their ids."""
    say([ledger.runs.begin("daily", DAY, NOW, NOW).run_id for _ in range(number)])


def acquire(ledger: Ledger, name: str, number: int) -> None:
    """Tries for one lease, `number` times; tells how often it got it."""
    won = 0
    for _ in range(number):
        with suppress(RunBusy):
            ledger.leases.acquire("one", name, MINUTE, NOW)
            won += 1
    say(won)


TASKS = {task.__name__: task for task in (claim, dispatch, plan, slow_claim, write, begin, acquire)}

if __name__ == "__main__":
    _, task_name, ledger_url, own_name, how_many = sys.argv
    with Ledger.open(ledger_url) as opened:
        say("open")
        sys.stdin.readline()  # the parent lets all start at once
        TASKS[task_name](opened, own_name, int(how_many))
