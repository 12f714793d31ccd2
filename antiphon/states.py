"""States of a message, and which may follow which: forward only (DESIGN §7)."""

from enum import StrEnum


class MessageState(StrEnum):
    """Where one message stands."""

    PLANNED = "planned"  # written, waiting for its moment and its run's release
    SENDING = "sending"  # claimed: the request may have left
    ACCEPTED = "accepted"  # the provider has it
    DELIVERED = "delivered"
    BOUNCED = "bounced"
    REFUSED = "refused"  # the provider refused it for good: nobody got it
    IN_DOUBT = "in_doubt"  # unclear whether it left; never resent by itself
    WITHDRAWN = "withdrawn"  # taken back before it left, with a reason
    EXPIRED = "expired"  # stale before it left
    CONTROL = "control"  # would have been sent; held out to measure the effect


NEXT: dict[MessageState, frozenset[MessageState]] = {
    MessageState.PLANNED: frozenset(
        {MessageState.SENDING, MessageState.WITHDRAWN, MessageState.EXPIRED}
    ),
    MessageState.SENDING: frozenset(
        {
            MessageState.ACCEPTED,
            MessageState.DELIVERED,
            MessageState.BOUNCED,
            MessageState.REFUSED,
            MessageState.IN_DOUBT,
            MessageState.WITHDRAWN,  # stopped at the last moment: opted out, cannot be rendered
            MessageState.PLANNED,  # certainly not sent (connection refused, 429): try later
        }
    ),
    MessageState.ACCEPTED: frozenset({MessageState.DELIVERED, MessageState.BOUNCED}),
    MessageState.DELIVERED: frozenset({MessageState.BOUNCED}),
    MessageState.IN_DOUBT: frozenset(
        {
            MessageState.ACCEPTED,
            MessageState.DELIVERED,
            MessageState.BOUNCED,
            MessageState.REFUSED,
        }
    ),
    MessageState.BOUNCED: frozenset(),
    MessageState.REFUSED: frozenset(),
    MessageState.WITHDRAWN: frozenset(),
    MessageState.EXPIRED: frozenset(),
    # only before its run's release: nobody was written to, so nobody was held out
    MessageState.CONTROL: frozenset({MessageState.WITHDRAWN, MessageState.EXPIRED}),
}

# These count against caps: the message left, may have left, or is about to leave.
CONTACT_STATES = frozenset(
    {
        MessageState.PLANNED,
        MessageState.SENDING,
        MessageState.ACCEPTED,
        MessageState.DELIVERED,
        MessageState.BOUNCED,
        MessageState.IN_DOUBT,
    }
)
# These used up the occurrence: the campaign has spoken, or held its tongue on purpose.
OCCURRENCE_STATES = CONTACT_STATES | {MessageState.CONTROL}


class ResponseKind(StrEnum):
    """What came back. A source of the user's own may bring words of its own beside these."""

    OPEN = "open"
    CLICK = "click"
    REPLY = "reply"
    SURVEY = "survey"  # a score
    ANSWER = "answer"  # to another question of a survey
    CONVERSION = "conversion"
    REDEMPTION = "redemption"  # a code was used, and counts
    BOUNCE = "bounce"  # for good: the address is dead
    SOFT_BOUNCE = "soft_bounce"  # for now: the box is full, the server refuses
    COMPLAINT = "complaint"
    OPT_OUT = "opt_out"
    OPT_IN = "opt_in"


class RedemptionVerdict(StrEnum):
    """Whether a code that came back counts, and why not."""

    COUNTED = "counted"
    AGAIN = "again"  # a unique code, redeemed before
    LATE = "late"  # after its validity
    OTHER = "other"  # by somebody else than it was issued to
    UNKNOWN = "unknown"  # nobody issued it
    RETURNED = "returned"  # its order was given back in full
