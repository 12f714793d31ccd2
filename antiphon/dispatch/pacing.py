"""How fast an account may be used: one rate for all dispatchers, kept in the ledger."""

import math
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from antiphon.campaigns.settings import Account
from antiphon.clock import business_day
from antiphon.dispatch.accounts import OpenAccount
from antiphon.dispatch.ledger_thread import LedgerThread
from antiphon.project import Project

SPAN_SECONDS = 1.0  # claimed at a time where a rate holds: so long the last of them waits


@dataclass(frozen=True)
class Turn:
    """So many messages may leave, the first at `start_at`, each `spacing` after the one before."""

    granted: int
    start_at: datetime
    spacing: timedelta


def is_paced(rules: Account) -> bool:
    """Whether anything limits the account's speed."""
    return rules.per_second is not None or rules.per_hour is not None or rules.warm_up is not None


def most_at_once(rules: Account, limit: int) -> int:
    """Of a claim of `limit` messages as many as leave within a second."""
    if rules.per_second is None:
        return limit
    return max(1, min(limit, math.ceil(float(rules.per_second) * SPAN_SECONDS)))


async def turn(
    project: Project, ledger: LedgerThread, account: OpenAccount, messages: int, now: datetime
) -> Turn:
    """The account's next moments; none granted while its hour or its day is used up."""
    rules = account.rules
    if not is_paced(rules):
        return Turn(messages, now, timedelta(0))
    zone = project.configuration.settings.business.timezone
    day = business_day(now, zone)
    per_second = None if rules.per_second is None else float(rules.per_second)
    reserved = await ledger.call(
        lambda: project.ledger.accounts.reserve(
            account.name,
            messages,
            now,
            per_second=per_second,
            per_hour=rules.per_hour,
            day=day,
            per_day=warm_up_of(rules, day),
        )
    )
    return Turn(reserved.granted, reserved.start_at, reserved.spacing)


async def give_back(
    project: Project, ledger: LedgerThread, account: OpenAccount, turn: Turn, used: int
) -> None:
    """What was granted and not claimed counts for nobody's hour or day."""
    unused, accounts = turn.granted - used, project.ledger.accounts
    if unused and is_paced(account.rules):
        now = project.clock()
        await ledger.call(lambda: accounts.give_back(account.name, unused, now))


def warm_up_of(rules: Account, day: date) -> int | None:
    """Messages that a new account may send on that day; None where nothing limits it."""
    if rules.warm_up is None:
        return None
    age = (day - rules.warm_up.from_).days
    if age < 0:
        return 0
    return rules.warm_up.per_day[age] if age < len(rules.warm_up.per_day) else None
