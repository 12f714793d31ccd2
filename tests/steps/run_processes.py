"""Runs in processes of their own, forked from one that has imported everything already.

A process may be told to kill itself (SIGKILL, nothing is flushed or undone) at a named place, or to
stop there (SIGSTOP) until it is told to go on.
"""

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import wraps
from importlib import import_module
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Any

import pytest

from antiphon.clock import Clock
from antiphon.demo import AS_OF
from antiphon.ledger.runs import Runs
from antiphon.providers.local import LocalOutbox
from antiphon.steps import decide
from antiphon.steps.daily import run_daily

KILLED = -signal.SIGKILL
JOURNAL = "journal.txt"
BATCH = 8  # messages planned or claimed at once: several batches even of few messages
PATIENCE_SECONDS = 120
_PRELOADED = [
    "pytest",
    "great_expectations",
    "run_processes",
    "run_warm",
    "antiphon.validation.validate",
    "antiphon.validation.datadocs",
    "antiphon.validation.frames",
    "antiphon.validation.suite",
]


@dataclass(frozen=True)
class Kill:
    """Before or after the n-th call of `place` (module:attribute) while `step` is at work."""

    step: str
    place: str
    when: str
    call: int = 1
    by: signal.Signals = signal.SIGKILL


def frozen() -> datetime:
    """The demo day at ten, for ever: runs of copies are then the same to the microsecond."""
    return AS_OF


def forks() -> ForkServerContext:
    """Where processes come from; imports cost their seconds once."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    with pytest.MonkeyPatch.context() as environment:  # it imports before it is told our sys.path
        environment.setenv("PYTHONPATH", os.pathsep.join(sys.path))
        forkserver.ensure_running()
    return context


def start(
    root: Path,
    kill: Kill | None = None,
    setup: Callable[[], None] | None = None,
    work: Callable[[Path, Clock], object] = run_daily,
) -> ForkServerProcess:
    """A run of `root` (a daily one, unless other work is given) in a process of its own."""
    process = forks().Process(target=_run, args=(root, kill, setup, work))
    process.start()
    return process


def run(
    root: Path,
    kill: Kill | None = None,
    setup: Callable[[], None] | None = None,
    work: Callable[[Path, Clock], object] = run_daily,
) -> int:
    """The exit code of a run in a process of its own; KILLED where it was."""
    process = start(root, kill, setup, work)
    process.join(PATIENCE_SECONDS)
    assert process.exitcode is not None, "the run hangs"
    return process.exitcode


def _run(
    root: Path,
    kill: Kill | None,
    setup: Callable[[], None] | None,
    work: Callable[[Path, Clock], object],
) -> None:
    decide.ROWS_A_PLAN = BATCH
    LocalOutbox.capabilities = replace(LocalOutbox.capabilities, batch_size=BATCH)
    _keep_journal(root / JOURNAL)
    if setup is not None:
        setup()
    if kill is not None:
        _install(kill)
    work(root, frozen)


def _keep_journal(path: Path) -> None:
    """A line for each message the outbox is about to write: a folder alone cannot tell twice."""
    write = LocalOutbox._write

    def noted(self: LocalOutbox, file: Path, data: bytes) -> None:
        with path.open("a", encoding="utf-8") as journal:
            journal.write(f"{file.stem}\n")
        write(self, file, data)

    LocalOutbox._write = noted  # type: ignore[method-assign]


def _install(kill: Kill) -> None:
    now_in = [""]
    calls = [0]

    def lethal(original: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(original)
        def call(*arguments: Any, **options: Any) -> Any:
            if now_in[0] != kill.step:
                return original(*arguments, **options)
            calls[0] += 1
            reached = calls[0] == kill.call
            if reached and kill.when == "before":
                os.kill(os.getpid(), kill.by)
            result = original(*arguments, **options)
            if reached and kill.when == "after":
                os.kill(os.getpid(), kill.by)
            return result

        return call

    _wrap(kill.place, lethal)
    begin = Runs.begin_step

    def begin_step(self: Runs, run_id: str, step: str, *rest: Any, **options: Any) -> None:
        now_in[0] = step
        begin(self, run_id, step, *rest, **options)

    Runs.begin_step = begin_step  # type: ignore[method-assign]


def _wrap(place: str, wrap: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    module, _, path = place.partition(":")
    *owners, name = path.split(".")
    owner: Any = import_module(module)
    for step in owners:
        owner = getattr(owner, step)
    setattr(owner, name, wrap(getattr(owner, name)))
