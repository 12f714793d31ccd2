"""What `antiphon doctor` looks at before real people are written to; nothing is sent."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import perf_counter
from types import ModuleType
from typing import cast
from zoneinfo import ZoneInfo

import dns.resolver

from antiphon.alerts.schedule import next_hour
from antiphon.alerts.telling import has_listeners, try_out
from antiphon.alerts.watching import troubles
from antiphon.campaigns.models import CHANNELS
from antiphon.check import check
from antiphon.clock import Clock, system_clock
from antiphon.errors import AntiphonError
from antiphon.guards import domains, machine
from antiphon.guards.backup import BACKED_UP
from antiphon.guards.domains import Finding, Level
from antiphon.project import Project
from antiphon.providers.registry import account, capabilities_of, kind_of, open_account
from antiphon.secrets import read_secret

SELECTORS = ("s1", "s2")  # of SendGrid's domain authentication
OLD_BACKUP = timedelta(days=2)
PROBE_SECONDS = 30
SLOW_SECONDS = 0.25


@dataclass(frozen=True)
class Doctor:
    """Looks at one project. `resolver` and `clock` are arguments: the machine's in earnest.

    `selectors`: of the DKIM keys; absent: SendGrid's. `is_alert_sent`: try alerts out too.
    """

    project: Project
    resolver: Callable[[], dns.resolver.Resolver] = domains.resolver
    clock: Clock = system_clock
    selectors: Sequence[str] = ()
    is_alert_sent: bool = False
    _times: list[datetime] = field(default_factory=list)

    def findings(self) -> Iterator[Finding]:
        """One after the other, as they are found; no look keeps the others from being made."""
        looks = (
            self._configuration,
            self._environment,
            self._accounts,
            self._domain,
            self._links,
            self._webhooks,
            self._clock,
            self._disk,
            self._database,
            self._schedule,
            self._backup,
            self._alerts,
            self._troubles,
        )
        for look in looks:
            area = look.__name__.strip("_")
            try:
                yield from look()
            except AntiphonError as error:
                found, _, todo = str(error).partition("\n")
                yield Finding(area, Level.WRONG, found, todo.strip())
            except Exception as error:  # a look must not end the others
                found = f"could not be looked at ({type(error).__name__})"
                yield Finding(area, Level.WRONG, found, "Please report it.")

    # ------------------------------------------------------------ who is written to

    def _configuration(self) -> Iterator[Finding]:
        _, problems = check(self.project.configuration.files)
        wrong = sum(not one.is_warning for one in problems)
        if wrong:
            found = f"{wrong:,} things in config/, templates/ or sql/ are wrong: no run can begin"
            yield Finding("configuration", Level.WRONG, found, "antiphon check shows each.")
        else:
            found = f"nothing is wrong, {len(problems):,} warnings"
            yield Finding("configuration", Level.OK, found)

    @property
    def _is_live(self) -> bool:
        return self.project.configuration.settings.environment == "live"

    def _environment(self) -> Iterator[Finding]:
        settings = self.project.configuration.settings
        if self._is_live:
            yield Finding("environment", Level.OK, "live: real people are written to")
            name = settings.links.key_from
            if not read_secret(self.project.environment, name):
                yield Finding(
                    "links",
                    Level.WARNING,
                    f"links are signed with a key of this machine, as {name} is not set",
                    f"Set {name}, the same on every machine: else a new machine breaks the "
                    "unsubscribe links of old messages.",
                )
            return
        allowed = len(settings.providers.allow_list)
        who = f"the {allowed} addresses or domains of the allow-list" if allowed else "nobody"
        found = f"rehearsal: {who} may be reached"
        yield Finding("environment", Level.OK, found)

    # ------------------------------------------------------------ providers

    def _accounts(self) -> Iterator[Finding]:
        settings = self.project.configuration.settings
        for channel in CHANNELS:
            for name in getattr(settings.providers, channel):
                area = f"{channel} by {name}"
                try:
                    if capabilities_of(settings, name).reaches_people:
                        yield self._reached(area, name)
                    wrong = asyncio.run(self._probe(name, channel))
                except AntiphonError as error:
                    found, _, todo = str(error).partition("\n")
                    yield Finding(area, Level.WRONG, found, todo.strip())
                    continue
                for one in wrong:
                    yield Finding(area, Level.WRONG, one, "Mend it at the provider, and repeat.")
                if not wrong:
                    yield Finding(area, Level.OK, "it answers, and takes our credentials")
                if self._is_live and not capabilities_of(settings, name).reaches_people:
                    todo = "Write another account after `providers:`, or `environment: rehearsal`."
                    found = "live, but this account reaches nobody"
                    yield Finding(area, Level.WARNING, found, todo)

    def _reached(self, area: str, name: str) -> Finding:
        settings = self.project.configuration.settings
        module = cast(ModuleType, kind_of(settings, name))
        address = str(account(settings, name).url or getattr(module, "URL", ""))
        if not address:
            return Finding(area, Level.OK, "its address is the provider's own")
        found, time = machine.look_at_address(area, address)
        self._times.extend([time] if time else [])
        return found

    async def _probe(self, name: str, channel: str) -> list[str]:
        project, settings = self.project, self.project.configuration.settings
        provider = open_account(settings, project.environment, name, channel, project.root)
        async with provider:
            try:
                wrong = await asyncio.wait_for(provider.probe(), PROBE_SECONDS)
                ask = getattr(provider, "sender_faults", None)  # not every provider knows senders
                if ask is not None and not wrong:
                    sender = settings.company.email_from
                    wrong = await asyncio.wait_for(ask(sender), PROBE_SECONDS)
            except TimeoutError:
                wrong = [f"no answer within {PROBE_SECONDS} seconds"]
            return list(wrong)

    # ------------------------------------------------------------ names and addresses

    def _domain(self) -> Iterator[Finding]:
        if not self._reaches_people("email"):
            yield Finding("domain", Level.OK, "not looked at: no account mails to people")
            return
        domain = self.project.configuration.settings.company.email_from.rpartition("@")[2]
        yield from domains.look_at(domain, tuple(self.selectors) or SELECTORS, self.resolver())

    def _links(self) -> Iterator[Finding]:
        address = self.project.configuration.settings.links.base_url
        if not self._is_live:
            return
        found, time = machine.look_at_address("links", str(address))
        self._times.extend([time] if time else [])
        yield found

    def _webhooks(self) -> Iterator[Finding]:
        if not self._is_live:
            return
        from antiphon.web.keys import keys_of, missing  # noqa: PLC0415 - slow to import

        lacking = missing(self.project, keys_of(self.project))
        for found in lacking:
            yield Finding("webhooks", Level.WARNING, found, "docs/web.md says where it is shown.")
        if not lacking:
            yield Finding("webhooks", Level.OK, "signatures of our providers can be checked")

    def _reaches_people(self, *channels: str) -> bool:
        settings = self.project.configuration.settings
        names = [name for channel in channels for name in getattr(settings.providers, channel)]
        return any(capabilities_of(settings, name).reaches_people for name in names)

    # ------------------------------------------------------------ machine

    def _clock(self) -> Iterator[Finding]:
        if not self._times and not self._reaches_people(*CHANNELS):
            return
        yield machine.look_at_clock(self.clock(), self._times[-1] if self._times else None)

    def _disk(self) -> Iterator[Finding]:
        project, settings = self.project, self.project.configuration.settings
        lake, outbox = project.root / settings.lake.path, project.root / settings.providers.outbox
        yield from machine.look_at_disk([project.var, lake, outbox])

    def _database(self) -> Iterator[Finding]:
        began = perf_counter()
        ledger = self.project.ledger
        ledger.facts.put("doctor", "was here", self.project.clock())
        began = perf_counter()
        ledger.facts.put("doctor", "was here again", self.project.clock())
        seconds = perf_counter() - began
        found = f"the ledger at {ledger.place} writes in {seconds * 1000:,.0f} ms"
        if seconds > SLOW_SECONDS:
            todo = "Each batch waits so long: look at the disk or the network to the database."
            yield Finding("database", Level.WARNING, found, todo)
        else:
            yield Finding("database", Level.OK, found)

    # ------------------------------------------------------------ the days

    def _schedule(self) -> Iterator[Finding]:
        project = self.project
        zone = ZoneInfo(project.configuration.settings.business.timezone)
        due = next_hour(project.root, project.clock())
        if due is None:
            yield Finding(
                "schedule",
                Level.WARNING,
                "prefect.yaml has no hour for the daily run, so a missing run is not noticed",
                "Write its hour there, though cron may start it (docs/operations.md).",
            )
        else:
            found = f"the next daily run is due on {due.astimezone(zone):%a %d %b, %H:%M}"
            yield Finding("schedule", Level.OK, found)
        latest = project.ledger.runs.newest()
        found = f"the last finished run is {latest.run_id}" if latest else "no run has finished yet"
        yield Finding("schedule", Level.OK, found)

    def _backup(self) -> Iterator[Finding]:
        fact = self.project.ledger.facts.fact(BACKED_UP)
        if fact is not None and self.project.clock() - fact.at <= OLD_BACKUP:
            yield Finding("backup", Level.OK, f"the last one is of {fact.at:%Y-%m-%d %H:%M} UTC")
        elif self._is_live:
            found = f"the last one is of {fact.at:%Y-%m-%d}" if fact else "there is none"
            todo = "Let cron call `antiphon backup FILE` every day, and copy the file elsewhere."
            yield Finding("backup", Level.WARNING, found, todo)

    def _alerts(self) -> Iterator[Finding]:
        if not has_listeners(self.project.configuration.settings.alerts):
            if self._is_live:
                todo = "Write `alerts: {email: …}` or `alerts: {webhook: …}` in settings.yaml."
                yield Finding("alerts", Level.WARNING, "nobody hears of failures", todo)
            return
        wrong = try_out(self.project) if self.is_alert_sent else []
        for one in wrong:
            yield Finding("alerts", Level.WRONG, one, "The log says why.")
        if not wrong:
            said = "a trial alert was sent" if self.is_alert_sent else "--alert sends a trial"
            yield Finding("alerts", Level.OK, f"somebody is told ({said})")

    def _troubles(self) -> Iterator[Finding]:
        for one in troubles(self.project):
            yield Finding(one.kind.value, Level.WRONG, one.subject, one.detail)
