"""Proofs: every variant and language of a campaign, sent to ourselves, marked and uncounted."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from antiphon import keys
from antiphon.clock import business_day
from antiphon.dispatch.guards import may_reach
from antiphon.errors import UserFilesError
from antiphon.message.content import Email, Sms
from antiphon.project import Project
from antiphon.providers import OutcomeKind, Outgoing, Provider
from antiphon.providers.registry import capabilities_of, open_account
from antiphon.sources.contacts import parse_email, parse_phone
from antiphon.steps.previewing import Preview, preview

MOST = 100  # proofs at a time: more is a mistake, and nobody reads them
VALID = timedelta(hours=1)
LATER = (OutcomeKind.TRY_LATER, "every account is paused")


@dataclass(frozen=True, slots=True)
class Seed:
    """An address of ours that gets proofs."""

    channel: str
    address: str


@dataclass(frozen=True, slots=True)
class Proof:
    """What became of one proof. `account`: who took it; '' where none was asked."""

    of: Preview
    seed: int  # its place among the addresses: no address is printed or logged
    account: str
    kind: OutcomeKind
    evidence: str


def send_test(
    project: Project, campaign: str, to: Sequence[str], customer_id: str | None = None
) -> list[Proof]:
    """Send each step, variant and language of a campaign to each address of its channel.

    They are printed for one customer, marked [Test], and counted nowhere: no cap, no ledger, no
    report. Outside `environment: live` addresses beyond the allow-list are written to the local
    outbox. Raises UserFilesError for addresses that are none, and for more than MOST proofs.
    """
    seeds = _seeds(project, to)
    languages = project.configuration.settings.business.languages
    previews = preview(project, campaign, customer_id, languages)
    asked = [
        (one, number)
        for number, seed in enumerate(seeds)
        for one in previews
        if one.channel == seed.channel
    ]
    if not asked:
        channels = ", ".join(dict.fromkeys(one.channel for one in previews))
        raise UserFilesError(
            f"campaign {campaign} speaks by {channels} only.\n"
            "  Name an e-mail address (with @) or a number (from +) after --to, as it needs."
        )
    if len(asked) > MOST:
        raise UserFilesError(
            f"these would be {len(asked)} proofs, {MOST} at most are sent.\n  Name fewer addresses."
        )
    return asyncio.run(_Sending(project, campaign).to_all(seeds, asked))


def _seeds(project: Project, to: Sequence[str]) -> list[Seed]:
    settings = project.configuration.settings
    seeds = []
    for place, text in enumerate(dict.fromkeys(to), start=1):
        is_mail = "@" in text
        parsed = parse_email(text) if is_mail else parse_phone(text, settings.business.country)
        if parsed.address is None:
            raise UserFilesError(f"--to number {place} is no valid address: {parsed.reason}.")
        seeds.append(Seed("email" if is_mail else "sms", parsed.address))
    return seeds


@dataclass(frozen=True)
class _Sending:
    """Proofs of one campaign on their way."""

    project: Project
    campaign: str

    async def to_all(
        self, seeds: Sequence[Seed], asked: Sequence[tuple[Preview, int]]
    ) -> list[Proof]:
        """What became of each, address by address."""
        stopped = _suppressed(self.project, seeds)
        done: list[Proof] = []
        for number, seed in enumerate(seeds):
            mine = [one for one, of in asked if of == number]
            if seed in stopped:
                reason = "the address is suppressed: antiphon suppress --lift"
                done += [Proof(one, number, "", OutcomeKind.REFUSED, reason) for one in mine]
                continue
            providers = list(_providers(self.project, seed))
            for one in mine:
                if one.content is None:
                    done.append(Proof(one, number, "", OutcomeKind.REFUSED, one.held))
                else:
                    message = self.outgoing(seed, one, one.content)
                    done.append(await self.send(message, Proof(one, number, "", *LATER), providers))
        return done

    async def send(self, message: Outgoing, proof: Proof, providers: Sequence[Provider]) -> Proof:
        """By the first account that does not say "later"; what may have left is not repeated."""
        for provider in providers:
            async with provider:
                (outcome,) = await provider.send([message], self.project.clock())
            proof = replace(
                proof, account=provider.name, kind=outcome.kind, evidence=outcome.evidence
            )
            if outcome.kind is not OutcomeKind.TRY_LATER:
                break
        return proof

    def outgoing(self, seed: Seed, one: Preview, content: Email | Sms) -> Outgoing:
        """The message, marked."""
        project, campaign = self.project, self.campaign
        settings, now = project.configuration.settings, project.clock()
        sender, sender_name = settings.company.sender(seed.channel)
        mark = f"[Test {', '.join(filter(None, (one.step, one.arm, one.language)))}]"
        marked: Email | Sms
        if isinstance(content, Email):
            marked = replace(content, subject=f"{mark} {content.subject}")
        else:
            marked = Sms(f"{mark} {content.text}")
        parts = (campaign, one.step, one.arm, one.language, seed.channel, seed.address)
        return Outgoing(
            message_id=keys.digest("test", settings.salt, now.isoformat(), *parts),
            campaign=campaign,
            category=project.configuration.campaigns[campaign].category,
            arm=one.arm,
            day=business_day(now, settings.business.timezone),
            to=seed.address,
            sender=sender,
            sender_name=sender_name,
            content=marked,
            expires_at=now + VALID,
            is_test=True,
        )


def _suppressed(project: Project, seeds: Sequence[Seed]) -> set[Seed]:
    salt, people = project.configuration.settings.salt, project.ledger.people
    key_of = {seed: keys.address_key(salt, seed.channel, seed.address) for seed in seeds}
    found: set[Seed] = set()
    for channel in {seed.channel for seed in seeds}:
        mine = {key for seed, key in key_of.items() if seed.channel == channel}
        gone = people.suppressed_now(channel, mine)
        found |= {seed for seed, key in key_of.items() if seed.channel == channel and key in gone}
    return found


def _providers(project: Project, seed: Seed) -> Iterator[Provider]:
    """The accounts of the channel that are open, in their order; or the local outbox, where a
    rehearsal may not reach the address."""
    settings, now = project.configuration.settings, project.clock()
    standing = {one.name: one for one in project.ledger.accounts.standing()}
    names = getattr(settings.providers, seed.channel)
    for name in names:
        reaches = capabilities_of(settings, name).reaches_people
        if not may_reach(settings, reaches, seed.channel, seed.address):
            name = "local"  # noqa: PLW2901
        elif name in standing and standing[name].is_paused(now) and len(names) > 1:
            continue
        yield open_account(settings, project.environment, name, seed.channel, project.root)
