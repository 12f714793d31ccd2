"""What a person does on our pages, as responses for the one gate (antiphon.collection)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from antiphon import keys
from antiphon.ledger import Message, Response
from antiphon.states import ResponseKind

PROVIDER = "web"


def told(
    message: Message,
    kind: ResponseKind,
    now: datetime,
    what: str,
    evidence: Mapping[str, Any] | None = None,
    *,
    value: str | None = None,
    address_key: str | None = None,
    is_machine: bool = False,
) -> Response:
    """A response to the message; what was done twice at one instant is one."""
    event = f"{what}:{message.message_id}:{now.isoformat(timespec='microseconds')}"
    return Response(
        response_id=keys.digest("response", PROVIDER, event),
        kind=kind.value,
        occurred_at=now,
        received_at=now,
        provider=PROVIDER,
        message_id=message.message_id,
        customer_id=message.customer_id,
        campaign=message.campaign,
        channel=message.channel,
        address_key=address_key,
        is_machine=is_machine,
        value=value,
        evidence=evidence,
    )
