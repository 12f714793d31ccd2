"""Dispatchers killed at random moments: nobody is written to twice, and nobody is forgotten.

On SQLite; on PostgreSQL in test_chaos_postgres.py. `python -m bench.chaos` does the same two
thousand times. That these tests can fail is shown in test_chaos_proof.py.
"""

from pathlib import Path

import pytest

from antiphon.sandbox.process import SandboxProcess
from bench.chaos import FAULTS, KILLS, storm

pytestmark = pytest.mark.timeout(600)


@pytest.mark.parametrize("at_once", [1, 3])
def test_whoever_is_killed_whenever_no_message_is_accepted_twice_nor_lost(
    at_once: int, sandbox: SandboxProcess, tmp_path: Path
) -> None:
    with storm(tmp_path, "", f"sqlite-{at_once}", sandbox) as one:
        one.plan()
        one.fail(*FAULTS)
        one.kill(KILLS, at_once)
        one.calm()
        assert one.findings() == []
        assert one.states()["accepted"] > KILLS, one.states()  # or nobody was at work
