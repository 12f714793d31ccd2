"""The accounts of a channel at work: which one is open, what it may be given, when it is paused.

Pauses are kept in the ledger, so that all dispatchers on all machines obey them; each reads them
at least once a second.
"""

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from antiphon.campaigns.settings import Account, Settings
from antiphon.dispatch.guards import may_reach
from antiphon.dispatch.ledger_thread import LedgerThread
from antiphon.dispatch.outcomes import LONGEST_PAUSE, backoff
from antiphon.dispatch.tally import Tally
from antiphon.errors import UserFilesError
from antiphon.ledger import Message
from antiphon.project import Project
from antiphon.providers import Blame, Outcome, OutcomeKind, Provider
from antiphon.providers.registry import account as rules_of
from antiphon.providers.registry import capabilities_of, open_account

LOCAL = "local"
UNTIL_MENDED = timedelta(minutes=30)
REFRESH = timedelta(seconds=1)
TRIAL_MARGIN = timedelta(seconds=10)  # beyond a request's own time
HALF_OPEN = frozenset({Blame.NETWORK, Blame.ACCOUNT})  # pauses after which one request tries


@dataclass(eq=False)
class OpenAccount:
    """One account, its connections, and how it stands as far as this process knows."""

    provider: Provider
    rules: Account
    slots: asyncio.Semaphore
    paused_until: datetime | None = None
    reason: str = ""
    kind: str = ""
    failures: int = 0  # in a row
    full_until: datetime | None = None  # its hour or day is used up
    under_way: int = 0  # claims being handled

    @property
    def name(self) -> str:
        """As settings and ledger name it."""
        return self.provider.name

    def is_open(self, now: datetime) -> bool:
        """Whether something may be claimed for it now."""
        return self.opens_at is None or self.opens_at <= now

    def is_paused(self, now: datetime) -> bool:
        """Whether what was claimed for it may not leave now."""
        return self.paused_until is not None and self.paused_until > now

    @property
    def opens_at(self) -> datetime | None:
        """When a pause or a full hour ends, past or future."""
        ends = [one for one in (self.paused_until, self.full_until) if one is not None]
        return max(ends) if ends else None

    @property
    def is_on_trial(self) -> bool:
        """Whether it was paused for failures: then one request shows how it is."""
        return self.kind in HALF_OPEN

    @property
    def batch_size(self) -> int:
        """Messages of one skeleton a request takes."""
        return min(self.provider.capabilities.batch_size, self.rules.batch)


@dataclass
class Accounts:
    """Those of one channel, in the order in which they are tried."""

    project: Project
    channel: str
    ledger: LedgerThread
    tally: Tally
    opened: list[OpenAccount] = field(default_factory=list)
    local: OpenAccount | None = None  # where a rehearsal sends what may reach nobody
    _read_at: float = float("-inf")

    @property
    def _settings(self) -> Settings:
        return self.project.configuration.settings

    async def open(self, stack: AsyncExitStack) -> None:
        """Opens them; UserFilesError where none can be. One of several that lacks its
        credentials is named, and the others do its work."""
        names = getattr(self._settings.providers, self.channel)
        problems: list[UserFilesError] = []
        for name in names:
            try:
                account = await self._opened(name, stack)
            except UserFilesError as error:
                problems.append(error)
                continue
            if account not in self.opened:
                self.opened.append(account)
        if not self.opened:
            raise problems[0]
        for problem in problems:
            self.tally.warn(f"{self.channel}: {problem}")

    async def _opened(self, name: str, stack: AsyncExitStack) -> OpenAccount:
        """The account, or the local outbox where a rehearsal has nobody it could reach by it."""
        settings = self._settings
        is_live = settings.environment == "live"
        if not is_live and capabilities_of(settings, name).reaches_people:
            self.local = self.local or await self._connected(LOCAL, stack)
            if not settings.providers.allow_list:
                return self.local
        return await self._connected(name, stack)

    async def _connected(self, name: str, stack: AsyncExitStack) -> OpenAccount:
        project, settings = self.project, self._settings
        opening = open_account(settings, project.environment, name, self.channel, project.root)
        provider = await stack.enter_async_context(opening)
        rules = rules_of(settings, name)
        return OpenAccount(provider, rules, asyncio.Semaphore(rules.at_once))

    async def refresh(self) -> None:
        """Learns what other dispatchers wrote of the accounts, at most once a second."""
        if time.monotonic() - self._read_at < REFRESH.total_seconds():
            return
        standings = await self.ledger.call(self.project.ledger.accounts.standing)
        self._read_at = time.monotonic()
        by_name = {standing.name: standing for standing in standings}
        for account in self.opened:
            standing = by_name.get(account.name)
            if standing is not None:
                account.paused_until = standing.paused_until
                account.reason, account.kind = standing.pause_reason, standing.pause_kind
                account.failures = standing.failures

    async def ready(self, now: datetime) -> OpenAccount | None:
        """The account to claim for: of those that are open the first.

        One that was paused for failures is tried by one request of one dispatcher, while the next
        one does its work; one that just failed is used by one request at a time.
        """
        for account in self.opened:
            if not account.is_open(now):
                continue
            if not account.is_on_trial:
                return None if account.failures and account.under_way else account
            if not account.under_way and await self._admitted(account, now):
                return account
        return None

    async def _admitted(self, account: OpenAccount, now: datetime) -> bool:
        accounts = self.project.ledger.accounts
        trial = timedelta(seconds=account.rules.time_out) + TRIAL_MARGIN
        if await self.ledger.call(lambda: accounts.admit(account.name, now, trial)):
            return True
        account.paused_until = now + REFRESH  # another dispatcher tries it
        return False

    def limit(self, account: OpenAccount) -> int:
        """How many messages to claim at a time: what a dead dispatcher would leave in doubt."""
        if account.is_on_trial:
            return 1
        return account.batch_size if account.batch_size > 1 else 4 * account.rules.at_once

    def opens_at(self) -> datetime | None:
        """When the next of them opens again."""
        ends = [one.opens_at for one in self.opened if one.opens_at is not None]
        return min(ends, default=None)

    def reopens_at(self, now: datetime) -> datetime:
        """When what cannot leave now is claimed again: at once where another account is open."""
        if any(one.is_open(now) for one in self.opened):
            return now
        return self.opens_at() or now

    def split(
        self, account: OpenAccount, claimed: Sequence[Message]
    ) -> tuple[list[Message], list[Message]]:
        """What the account may be given, and what goes to the local outbox."""
        if account is self.local or self._settings.environment == "live":
            return list(claimed), []
        reaches = account.provider.capabilities.reaches_people
        mine: list[Message] = []
        local: list[Message] = []
        for one in claimed:
            may = may_reach(self._settings, reaches, self.channel, one.address or "")
            (mine if may else local).append(one)
        return mine, local

    async def learn(self, account: OpenAccount, answers: Sequence[Outcome], now: datetime) -> None:
        """What the answers to one request say of the account: well again, busy, broken."""
        troubles = {one.blame: one for one in answers if one.kind is not OutcomeKind.ACCEPTED}
        if Blame.ACCOUNT in troubles:
            until = now + UNTIL_MENDED
            await self._pause(account, until, troubles[Blame.ACCOUNT].evidence, Blame.ACCOUNT, now)
        elif Blame.BUSY in troubles:
            times = [one.retry_at for one in answers if one.retry_at and one.blame is Blame.BUSY]
            until = max(times, default=now + backoff(account.failures))
            until = min(until, now + LONGEST_PAUSE)
            await self._pause(account, until, troubles[Blame.BUSY].evidence, Blame.BUSY, now)
        elif Blame.NETWORK in troubles:
            await self._failed(account, troubles[Blame.NETWORK].evidence, now)
        elif account.failures or account.is_on_trial:
            account.failures, account.kind, account.paused_until = 0, "", None
            accounts = self.project.ledger.accounts
            await self.ledger.call(lambda: accounts.succeeded(account.name, now))

    async def _failed(self, account: OpenAccount, evidence: str, now: datetime) -> None:
        """Here it is known at once, in the ledger when that was written."""
        accounts, rules = self.project.ledger.accounts, self._settings.dispatch
        account.failures += 1
        if account.failures >= rules.failures:
            account.paused_until = now + rules.pause
        failures = await self.ledger.call(lambda: accounts.failed(account.name, now))
        account.failures = max(failures, account.failures)
        if account.failures >= rules.failures:
            reason = f"{account.failures} requests in a row failed: {evidence}"
            await self._pause(account, now + rules.pause, reason, Blame.NETWORK, now)

    async def _pause(
        self, account: OpenAccount, until: datetime, reason: str, kind: Blame, now: datetime
    ) -> None:
        """Nobody sends by it until then. Only what a person should mend is a warning."""
        account.paused_until = max(until, account.paused_until or until)
        account.reason, account.kind = reason, kind
        accounts = self.project.ledger.accounts
        is_new = await self.ledger.call(
            lambda: accounts.pause(account.name, until, reason, kind, now)
        )
        if is_new and kind is not Blame.BUSY:
            until_utc = f"{until:%Y-%m-%d %H:%M:%S} UTC"
            self.tally.warn(f"account {account.name} is paused until {until_utc}: {reason}")

    def again_at(self, account: OpenAccount, answer: Outcome, now: datetime) -> datetime:
        """When a message that certainly was not sent is tried again: at once where another
        account can take it over, else when the provider or our backoff says."""
        concerns_account = answer.blame is not Blame.MESSAGE
        is_closed = not account.is_open(now)
        if concerns_account and is_closed and any(one.is_open(now) for one in self.opened):
            return now
        times = [min(one, now + LONGEST_PAUSE) for one in (answer.retry_at,) if one]
        if concerns_account and account.opens_at is not None:
            times.append(account.opens_at)
        return max(times, default=now + backoff(account.failures))
