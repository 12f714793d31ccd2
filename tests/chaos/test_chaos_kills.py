"""Dispatchers killed at random moments: nobody is written to twice, and nobody is forgotten.

`python -m bench.chaos` does the same two thousand times.
"""

from pathlib import Path

import pytest

from antiphon.sandbox.process import SandboxProcess
from bench.chaos import FAULTS, storm

pytestmark = pytest.mark.timeout(900)
KILLS = 52  # in each of four storms: more than two hundred
AT_WORK = 0.5  # share of them that must hit messages under way, or they prove little


@pytest.mark.parametrize("at_once", [1, 3])
@pytest.mark.parametrize(
    "database", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]
)
def test_whoever_is_killed_whenever_no_message_is_accepted_twice_nor_lost(
    database: str,
    at_once: int,
    sandbox: SandboxProcess,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    url = request.getfixturevalue("databases").new() if database == "postgres" else ""
    with storm(tmp_path, url, f"{database}-{at_once}", sandbox) as one:
        one.plan()
        one.fail(*FAULTS)
        one.kill(KILLS, at_once)
        one.calm()
        assert one.findings() == []
        states = one.outbox.states()
        assert one.kills_at_work >= AT_WORK * KILLS, one.kills_at_work
        assert states["accepted"] > states.get("in_doubt", 0), states


def test_a_dispatcher_that_claims_after_its_request_is_caught(
    sandbox: SandboxProcess, tmp_path: Path
) -> None:
    with storm(tmp_path, "", "mutant", sandbox, claims_late=True) as one:
        one.plan(500, 100)
        one.fail(*FAULTS)
        for _ in range(5):
            one.kill(4, at_once=1)
            one.calm()
            if found := [line for line in one.findings() if "accepted 2 times" in line]:
                break
            one.plan(500, 100)
        assert found, "the proof would miss it"
