"""Names of the rules, as every decision, table and explanation has them."""

from enum import StrEnum


class Rule(StrEnum):
    """What can hold a candidate back, in the order in which it is asked.

    A cap is named `cap:` and its own name, and stands between DAY_SLOT and LOST_TO.
    MISSING_VALUE comes last and from outside: the message would print a null.
    """

    NOT_RUNNING = "not_running"
    CONSENT = "consent"
    SUPPRESSED = "suppressed"
    NO_ADDRESS = "no_address"
    ALREADY_SENT = "already_sent"
    ATTEMPTS = "attempts"
    DAY_SLOT = "day_slot"
    LOST_TO = "lost_to"
    LIMIT = "limit"
    MISSING_VALUE = "missing_value"


class Outcome(StrEnum):
    """What was decided."""

    SEND = "send"
    CONTROL = "control"
    HELD = "held"


CONTROL_ARM = "control"
UNIVERSAL_ARM = "universal_control"
CAP = "cap:"
MAX_ATTEMPTS = 3
