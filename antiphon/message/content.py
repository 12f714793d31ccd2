"""What a provider is given to deliver."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Email:
    """One rendered e-mail. `headers` are those beyond the usual ones (RFC 8058)."""

    subject: str
    html: str
    text: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Skeleton:
    """What all e-mails of one variant and language share; a marker stands where they differ.

    No marker occurs in another one, nor in the texts but where a value belongs.
    """

    subject: str
    html: str
    text: str
    markers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Personal:
    """One e-mail as a skeleton, shared with others, and its own value for each marker.

    No value contains a marker, so that it does not matter in which order they are put in.
    """

    skeleton: Skeleton
    values: Sequence[str]
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def substitutions(self) -> dict[str, str]:
        """Marker → value."""
        return dict(zip(self.skeleton.markers, self.values, strict=True))

    def whole(self) -> Email:
        """The e-mail with everything in its place."""
        subject, html, text = self.skeleton.subject, self.skeleton.html, self.skeleton.text
        for marker, value in self.substitutions.items():
            subject = subject.replace(marker, value)
            html = html.replace(marker, value)
            text = text.replace(marker, value)
        return Email(subject, html, text, self.headers)


@dataclass(frozen=True, slots=True)
class Sms:
    """One rendered SMS."""

    text: str
