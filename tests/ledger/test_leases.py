"""Leases: one holder at a time, and tokens that fence off the one before."""

import pytest
from outbox_scene import DAY, HOUR, MINUTE, NOW

from antiphon.errors import ExitCode, LeaseLost, RunBusy
from antiphon.ledger import Ledger


def test_a_second_holder_is_told_who_since_when_and_until_when(ledger: Ledger) -> None:
    ledger.leases.acquire("run", "anna@shop:17", 5 * MINUTE, NOW)
    with pytest.raises(RunBusy, match="anna@shop:17") as caught:
        ledger.leases.acquire("run", "boris", MINUTE, NOW + MINUTE)
    assert "since 2026-05-12 08:00:00 UTC, until 2026-05-12 08:05:00 UTC" in str(caught.value)
    assert caught.value.exit_code == ExitCode.USAGE
    assert ledger.leases.acquire("another", "boris", MINUTE, NOW).token == 1


def test_tokens_grow_over_expiry_and_release(ledger: Ledger) -> None:
    tokens = []
    for i in range(3):
        lease = ledger.leases.acquire("run", "a", MINUTE, NOW + i * HOUR)
        tokens.append(lease.token)
    ledger.leases.release(lease)
    assert ledger.leases.holder("run", NOW + 2 * HOUR) is None
    tokens.append(ledger.leases.acquire("run", "b", MINUTE, NOW + 2 * HOUR).token)
    assert tokens == [1, 2, 3, 4]


def test_a_renewed_lease_lives_on_and_guards(ledger: Ledger) -> None:
    lease = ledger.leases.acquire("run", "a", MINUTE, NOW)
    renewed = ledger.leases.renew(lease, HOUR, NOW + MINUTE)
    assert renewed.expires_at == NOW + MINUTE + HOUR
    assert ledger.leases.holder("run", NOW + HOUR) == renewed
    with pytest.raises(RunBusy):
        ledger.leases.acquire("run", "b", MINUTE, NOW + HOUR)
    ledger.runs.begin("daily", DAY, NOW, NOW + HOUR, lease=lease)


def test_one_that_lost_its_lease_neither_writes_renews_nor_frees_it(ledger: Ledger) -> None:
    old = ledger.leases.acquire("run", "a", MINUTE, NOW)
    new = ledger.leases.acquire("run", "b", HOUR, NOW + MINUTE)
    with pytest.raises(LeaseLost, match="b holds it since 2026-05-12 08:01:00 UTC"):
        ledger.runs.begin("daily", DAY, NOW, NOW, lease=old)
    with pytest.raises(LeaseLost):
        ledger.leases.renew(old, HOUR, NOW)
    ledger.leases.release(old)
    assert ledger.leases.holder("run", NOW + MINUTE) == new
    assert ledger.runs.latest() == []


def test_a_lease_that_ran_out_guards_until_another_takes_it(ledger: Ledger) -> None:
    lease = ledger.leases.acquire("run", "a", MINUTE, NOW)
    ledger.runs.begin("daily", DAY, NOW, NOW + HOUR, lease=lease)
    ledger.leases.acquire("run", "b", MINUTE, NOW + HOUR)
    with pytest.raises(LeaseLost, match="was taken over"):
        ledger.runs.begin("daily", DAY, NOW, NOW + HOUR, lease=lease)
    assert len(ledger.runs.latest()) == 1
