"""Who takes the webhooks of a town: the real checks of signatures, then the ledger's inbox."""

from collections.abc import Mapping

from antiphon.ledger.inbox import Arrival
from antiphon.project import Project
from antiphon.response.sources import Source
from antiphon.town.post import EVENTS, INBOUND


class InboxReceiver:
    """Puts what comes into the inbox of the town's ledger."""

    def __init__(self, project: Project) -> None:
        self._project = project

    def post(self, path: str, query: str, headers: Mapping[str, str], body: bytes) -> int:
        """One request, answered."""
        source = Source.SENDGRID_EVENTS if path == EVENTS else Source.TWILIO_STATUS
        if path == INBOUND:
            source = Source.TWILIO_INBOUND
        self._project.ledger.inbox.put([Arrival(source, self._project.clock(), body, query)])
        return 200
