"""Names of the rules, as every decision, table and explanation has them."""

from enum import StrEnum


class Rule(StrEnum):
    """What can hold a candidate back besides the policy's named rules, whose titles decisions bear
    (`cap:two-promos-a-week`): PolicyRule.title.

    Asked in this order, named rules in between: NOT_RUNNING, PAUSED (somebody put the campaign on
    hold, or it is cancelled), brakes, TEST_GROUP, suppress, CONSENT
    and consents, SUPPRESSED, NO_ADDRESS, times (no allowed moment before it is stale),
    ALREADY_SENT, ATTEMPTS, DAY_SLOT, sequences, exclusions, pauses, cool_downs, chains, caps and
    gaps of a customer, ratios, LOST_TO; then across customers: caps and gaps of a household, LIMIT,
    warm_up, capacity; at last MISSING_VALUE (the message would print a null), OFFER (no code, or no
    money for codes, is left of the campaign's offer) and budgets.
    """

    NOT_RUNNING = "not_running"
    PAUSED = "paused"
    TEST_GROUP = "test_group"
    CONSENT = "consent"
    SUPPRESSED = "suppressed"
    NO_ADDRESS = "no_address"
    ALREADY_SENT = "already_sent"
    ATTEMPTS = "attempts"
    DAY_SLOT = "day_slot"
    LOST_TO = "lost_to"
    LIMIT = "limit"
    BUDGET = "budget"
    MISSING_VALUE = "missing_value"
    OFFER = "offer_budget"


class Outcome(StrEnum):
    """What was decided."""

    SEND = "send"
    CONTROL = "control"
    HELD = "held"


CONTROL_ARM = "control"
UNIVERSAL_ARM = "universal_control"
CAP = "cap:"
MAX_ATTEMPTS = 3
