"""The proof by killing can fail: it finds a dispatcher that claims after its request."""

from pathlib import Path

import pytest

from antiphon.sandbox.process import SandboxProcess
from bench.chaos import FAULTS, storm

pytestmark = pytest.mark.timeout(600)


def test_a_dispatcher_that_claims_after_its_request_is_caught(
    sandbox: SandboxProcess, tmp_path: Path
) -> None:
    with storm(tmp_path, "", "mutant", sandbox, claims_late=True) as one:
        one.plan(200, 50)
        one.fail(*FAULTS)
        for _ in range(8):
            one.kill_some(4)
            one.calm()
            if found := [line for line in one.findings() if "accepted 2 times" in line]:
                break
            one.plan(200, 50)
        assert found, "the proof would miss it"
