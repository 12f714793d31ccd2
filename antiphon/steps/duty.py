"""What a person on duty decides: campaigns held back, doubts settled by hand."""

import getpass
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from antiphon.campaigns.complaints import nearest
from antiphon.campaigns.models import CHANNELS
from antiphon.errors import UserFilesError
from antiphon.ledger import Message, Outcome
from antiphon.project import Project
from antiphon.states import MessageState

AT_A_TIME = 1_000


def this_person() -> str:
    """The name under which somebody is at work on this machine."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container without a user table
        return "a person"


def known_campaign(project: Project, name: str) -> str:
    """The name; UserFilesError where neither files nor outbox nor a hold know such a campaign.

    The file of a campaign may be gone while its messages still wait.
    """
    if name in project.configuration.campaigns or project.ledger.holds.history(name):
        return name
    waiting = {one.campaign for one in project.ledger.messages.outbox(project.clock())}
    if name in waiting:
        return name
    hint = nearest(name, sorted({*project.configuration.campaigns, *waiting}))
    raise UserFilesError(f"there is no campaign {name!r}. {hint}".rstrip())


def known_account(project: Project, name: str) -> str:
    """The name; UserFilesError where settings.yaml and the ledger know no such account."""
    settings = project.configuration.settings
    known = {
        *settings.accounts,
        *settings.providers.email,
        *settings.providers.sms,
        *(one.name for one in project.ledger.accounts.standing()),
    }
    if name in known:
        return name
    raise UserFilesError(f"there is no account {name!r}. {nearest(name, sorted(known))}".rstrip())


class Decision(StrEnum):
    """What a person says of messages in doubt."""

    SENT = "sent"  # taken for sent: they count, nobody is written to twice
    NOT_SENT = "not sent"  # nobody got them: refused, and the next run may decide anew
    AGAIN = "again"  # nobody got them, or it does no harm: the same messages leave once more


@dataclass(frozen=True, slots=True)
class Doubts:
    """Which messages in doubt: those that fit all that is given."""

    ids: frozenset[str] | None = None
    campaign: str | None = None
    channel: str | None = None
    account: str | None = None

    def find(self, project: Project) -> list[Message]:
        """Them, by channel and id."""
        found: list[Message] = []
        for channel in CHANNELS if self.channel is None else (self.channel,):
            after = ""
            while some := project.ledger.messages.in_doubt(channel, self.account, AT_A_TIME, after):
                after = some[-1].message_id
                found += [one for one in some if self._fits(one)]
        return found

    def _fits(self, message: Message) -> bool:
        return (self.ids is None or message.message_id in self.ids) and (
            self.campaign is None or message.campaign == self.campaign
        )


@dataclass(frozen=True, slots=True)
class Settled:
    """How many doubts were settled; how many were not: settled meanwhile by evidence, or (for
    `again`) past their `expires_at`."""

    settled: int
    left: int


def settle(
    project: Project, doubts: Sequence[Message], decision: Decision, reason: str, now: datetime
) -> Settled:
    """A person's word on messages in doubt, kept as the evidence of each."""
    evidence = {"settled": decision.value, "by": this_person(), "reason": reason}
    outbox, done = project.ledger.messages, 0
    for start in range(0, len(doubts), AT_A_TIME):
        some = doubts[start : start + AT_A_TIME]
        if decision is Decision.AGAIN:
            salt = project.configuration.settings.salt
            again = {one.message_id: one.next_id(salt) for one in some if one.expires_at > now}
            done += outbox.try_again(again, evidence, now)
        else:
            is_sent = decision is Decision.SENT
            state = MessageState.ACCEPTED if is_sent else MessageState.REFUSED
            told = [Outcome(one.message_id, state, evidence) for one in some]
            done += outbox.record(told, now).moved
    return Settled(done, len(doubts) - done)
