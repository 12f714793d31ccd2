"""What may lie in the ledger's inbox: which provider's request, and in which form."""

from enum import StrEnum


class Source(StrEnum):
    """Of which kind one signed request is."""

    SENDGRID_EVENTS = "sendgrid_events"  # a JSON array of events
    TWILIO_STATUS = "twilio_status"  # a form; our message id stands in the query (`m`)
    TWILIO_INBOUND = "twilio_inbound"  # a form: somebody wrote to us


SOURCES = frozenset(Source)
