"""A survey as one message asks it."""

from dataclasses import dataclass
from datetime import datetime

from antiphon.campaigns.surveys import Survey
from antiphon.errors import AntiphonError
from antiphon.keys import digest
from antiphon.ledger import Message, Response
from antiphon.message.values import unpack
from antiphon.project import Project
from antiphon.states import ResponseKind

PROVIDER = "web"


class Closed(AntiphonError):
    """The message asks nothing, or nothing any more."""


@dataclass(frozen=True)
class Asked:
    """A survey and the message that asks it."""

    survey: Survey
    message: Message

    @property
    def product_id(self) -> str | None:
        """The product asked about, as the message knew it."""
        if self.survey.product is None:
            return None
        found = unpack(self.message.values_json).get("customer", {}).get(self.survey.product)
        return str(found) if found is not None else None

    def response(
        self, question: str, value: str | None, at: datetime, now: datetime, *, confirmed: bool
    ) -> Response:
        """An answer as a response, whose id is `response_id`."""
        survey, message = self.survey, self.message
        kind = ResponseKind.SURVEY if question == survey.score else ResponseKind.ANSWER
        return Response(
            response_id=self._response_id(question, value, at, confirmed),
            kind=kind.value,
            occurred_at=at,
            received_at=now,
            provider=PROVIDER,
            message_id=message.message_id,
            customer_id=message.customer_id,
            campaign=message.campaign,
            channel=message.channel,
            value=value,
            survey=survey.survey,
            question=question,
            touchpoint=survey.touchpoint,
            product_id=self.product_id,
            evidence={"confirmed": confirmed},
        )

    def _response_id(self, question: str, value: str | None, at: datetime, confirmed: bool) -> str:
        """A tap is one, however often it is settled; of the button's answers each is its own."""
        how = at.isoformat(timespec="microseconds") if confirmed else f"tap:{value}"
        return digest("response", PROVIDER, "survey", self.message.message_id, question, how)


def asked(project: Project, message: Message, now: datetime) -> Asked:
    """The survey of the message's campaign; raises Closed. Who was forgotten (their messages have
    no address any more) is asked nothing: an answer would be one of somebody."""
    configuration = project.configuration
    campaign = configuration.campaigns.get(message.campaign)
    survey = configuration.surveys.get(campaign.survey or "") if campaign else None
    if survey is None or message.address is None or now > message.planned_at + survey.open_for:
        raise Closed(f"the message {message.message_id} asks nothing any more")
    return Asked(survey, message)
