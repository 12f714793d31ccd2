"""What messages and control rows converted to, one row each, with both ways of giving credit."""

import pyarrow as pa

from antiphon.project import Project
from antiphon.reports.session import EVERYTHING, Scope, report_session

# The columns of `conversions`, and what they hold.
CONVERSIONS = {
    "message_id": "the message, or the control row",
    "campaign": "its campaign, whose goal counts",
    "arm": "variant, control or universal_control",
    "channel": "email or sms",
    "cell": "micro-segment, '' where there is none",
    "customer_id": "who",
    "contact_at": "when it left, or would have",
    "fact_id": "what was counted: the order, the event or the response",
    "converted_at": "when",
    "amount": "what was paid less what was given back; 0 of what is no order",
    "last_touch": "true: of all messages that count it this was the last before it",
    "touches": "how many messages count it; null of control rows",
    "shared_amount": "this message's equal part of the amount",
}


def conversions(project: Project, scope: Scope = EVERYTHING) -> pa.Table:
    """Every conversion within the goals' windows so far: columns as CONVERSIONS says, by moment."""
    columns = ", ".join(
        f"o.{name}" if name in ("arm", "channel", "cell", "contact_at") else f"c.{name}"
        for name in CONVERSIONS
    )
    with report_session(project, scope) as session:
        return session.arrow(
            f"SELECT {columns} FROM conversions AS c "  # noqa: S608 (names are ours)
            "JOIN outcomes AS o ON o.message_id = c.message_id "
            "ORDER BY c.converted_at, c.fact_id, c.message_id"
        )
