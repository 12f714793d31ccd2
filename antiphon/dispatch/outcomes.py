"""From a provider's answer to what the ledger records, and when to try again."""

import random
from datetime import datetime, timedelta

from antiphon.ledger import Outcome
from antiphon.providers import Blame, OutcomeKind
from antiphon.providers import Outcome as Answer
from antiphon.states import MessageState

FIRST_DELAY, LONGEST_DELAY = timedelta(seconds=30), timedelta(minutes=30)
SHORTEST_DELAY = timedelta(seconds=1)
LONGEST_PAUSE = timedelta(days=1)  # whatever a Retry-After says
STATES = {
    OutcomeKind.ACCEPTED: MessageState.ACCEPTED,
    OutcomeKind.REFUSED: MessageState.REFUSED,
    OutcomeKind.TRY_LATER: MessageState.PLANNED,
    OutcomeKind.UNKNOWN: MessageState.IN_DOUBT,
}
_dice = random.SystemRandom()


def backoff(failures: int) -> timedelta:
    """Exponential with full jitter: up to 30 s · 2^failures, at most 30 minutes, at least 1 s.

    Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015: with full jitter
    many dispatchers that failed together do not come back together.
    """
    ceiling: timedelta = min(LONGEST_DELAY, FIRST_DELAY * 2 ** min(failures, 10))
    return max(SHORTEST_DELAY, ceiling * _dice.random())


def recorded(answer: Answer, account: str, not_before: datetime) -> Outcome:
    """As the ledger keeps it; `not_before` counts where the message is tried again."""
    state = STATES[answer.kind]
    return Outcome(
        answer.message_id,
        state,
        {"evidence": answer.evidence},
        account,
        answer.provider_id or None,
        not_before if state is MessageState.PLANNED else None,
    )


def given_back(message_id: str, reason: str, not_before: datetime) -> Outcome:
    """A claimed message whose request was never begun."""
    return Outcome(message_id, MessageState.PLANNED, {"reason": reason}, None, None, not_before)


def doubtful(message_id: str, account: str, evidence: str) -> Outcome:
    """A message whose request was begun and has no answer."""
    return Outcome(message_id, MessageState.IN_DOUBT, {"evidence": evidence}, account)


def unknown(message_id: str, evidence: str) -> Answer:
    """What a provider would have said, had it said anything."""
    return Answer(message_id, OutcomeKind.UNKNOWN, evidence, blame=Blame.NETWORK)
