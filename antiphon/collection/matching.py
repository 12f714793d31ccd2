"""Whose message a response answers: by our id, by the provider's, or by the address."""

from collections.abc import Sequence
from dataclasses import replace

from antiphon.ledger import Response
from antiphon.project import Project


def with_messages(project: Project, responses: Sequence[Response]) -> list[Response]:
    """The responses, with customer, campaign and channel of the messages that they name."""
    named = {one.message_id for one in responses if one.message_id and not one.customer_id}
    found = project.ledger.messages.addressed(named)
    whole = []
    for one in responses:
        whom = found.get(one.message_id or "")
        if whom is not None:
            one = replace(  # noqa: PLW2901
                one,
                customer_id=one.customer_id or whom.customer_id,
                campaign=one.campaign or whom.campaign,
                channel=one.channel or whom.channel,
            )
        whole.append(one)
    return whole
