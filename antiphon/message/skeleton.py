"""Skeletons: what the e-mails of one variant and language share, and where they differ."""

from antiphon.message.content import Email, Personal, Skeleton

MOST_BYTES = 10_000  # of substitutions a person: SendGrid, POST /v3/mail/send
_WHOLE = Skeleton("-AntS-", "-AntH-", "-AntT-", ("-AntS-", "-AntH-", "-AntT-"))


def as_personal(email: Email) -> Personal | Email:
    """An e-mail of which everything differs; unchanged where it would pass the limit."""
    values = (email.subject, email.html, email.text)
    if any(marker in value for marker in _WHOLE.markers for value in values):
        return email
    if weight(_WHOLE.markers, values) > MOST_BYTES:
        return email
    return Personal(_WHOLE, values, email.headers)


def weight(markers: tuple[str, ...], values: tuple[str, ...]) -> int:
    """Bytes of the substitutions of one person."""
    return sum(len(text.encode()) for text in (*markers, *values))
