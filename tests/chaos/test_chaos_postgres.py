"""Dispatchers of a ledger on PostgreSQL killed at random moments: see test_chaos_kills.py."""

from pathlib import Path

import pytest
from chaos_databases import Databases

from antiphon.sandbox.process import SandboxProcess
from bench.chaos import FAULTS, KILLS, storm

pytestmark = [pytest.mark.timeout(600), pytest.mark.postgres]


@pytest.mark.parametrize("at_once", [1, 3])
def test_on_postgres_too_no_message_is_accepted_twice_nor_lost(
    at_once: int, databases: Databases, sandbox: SandboxProcess, tmp_path: Path
) -> None:
    with storm(tmp_path, databases.new(), f"postgres-{at_once}", sandbox) as one:
        one.plan()
        one.fail(*FAULTS)
        one.kill(KILLS, at_once)
        one.calm()
        assert one.findings() == []
        assert one.states()["accepted"] > KILLS, one.states()  # or nobody was at work
