"""What an SMS will cost, said by `check`: characters that double it, and too many segments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from antiphon.entities import ColumnType
from antiphon.errors import AntiphonError, Problem
from antiphon.message.codes import shown
from antiphon.message.content import Sms
from antiphon.message.links import Links
from antiphon.message.packing import Given
from antiphon.message.sms import foreign, segments
from antiphon.message.values import EMPTY, OCCASION_FIELDS, OFFER_FIELDS, Unsendable

if TYPE_CHECKING:
    from antiphon.campaigns.touches import Touch
    from antiphon.message.expressions import Survey
    from antiphon.message.templates import Templates

# A text in which more of the letters than this are of another script is sent as UCS-2 anyway.
_OTHER_SCRIPT = 0.2
_BLANKS = "\u00a0\u202f\u2009"  # these become plain ones
_SAMPLES: dict[ColumnType, str | int | float | bool] = {
    ColumnType.TEXT: "Alexander",
    ColumnType.INTEGER: 12,
    ColumnType.NUMBER: 12.5,
    ColumnType.MONEY: "49.9000",
    ColumnType.BOOLEAN: True,
    ColumnType.DAY: "2026-12-24",
    ColumnType.INSTANT: "2026-12-24T09:30:00+00:00",
}
_TOKEN = "k1." + "a" * 22 + "." + "a" * 27  # as long as those of message/links.py


def sms_warnings(  # noqa: PLR0917
    templates: Templates, touch: Touch, variant: str, language: str, survey: Survey, given: Given
) -> set[Problem]:
    """Warnings on the SMS of one variant and language; an error where it is too long to be sent."""
    path = f"templates/{survey.entry}"
    tried = _tried(templates, touch, variant, language, given)
    texts = [one for one in tried if isinstance(one, str)]
    if not tried:
        return set()
    if not texts:
        (wrong, *_) = tried
        assert isinstance(wrong, Unsendable)
        is_empty = wrong.variable == EMPTY
        message = f"with sample values the SMS cannot be sent in {language!r}: {wrong.variable}"
        hint = "" if is_empty else "Write less; a link may tell the rest."
        return {Problem(path, 0, 0, message, hint=hint, is_warning=is_empty)}
    found = _doubling(templates, survey) if not any(map(_is_other_script, texts)) else set()
    longest = max(texts, key=segments)
    if segments(longest) > templates.sms_segments:
        message = (
            f"an SMS of {segments(longest)} segments in {language!r}, with sample values: "
            f"{len(longest)} characters"
        )
        hint = f"{templates.sms_segments} at most by sms.segments in config/settings.yaml."
        found.add(Problem(path, 0, 0, message, hint=hint, is_warning=True))
    return found


def _is_other_script(text: str) -> bool:
    letters = [letter for letter in text if letter.isalpha()]
    return sum(map(bool, map(foreign, letters))) > _OTHER_SCRIPT * len(letters)


def _doubling(templates: Templates, survey: Survey) -> set[Problem]:
    """Characters written out in the template that no 7-bit alphabet has."""
    found: set[Problem] = set()
    for path, line, text in survey.places:
        for character in foreign(text):
            if character in _BLANKS:
                continue
            lines = templates.tree.files[path].splitlines()
            at = next((n for n in range(line - 1, len(lines)) if character in lines[n]), line - 1)
            shown = lines[at] if at < len(lines) else ""
            found.add(
                Problem(
                    *(f"templates/{path}", at + 1, shown.find(character) + 1),
                    f"{character!r} makes a segment hold 70 characters instead of 160",
                    shown.strip(),
                    "An SMS with any character beyond GSM-7 is sent as UCS-2 whole.",
                    is_warning=True,
                )
            )
    return found


def _tried(
    templates: Templates, touch: Touch, variant: str, language: str, given: Given
) -> list[str | Unsendable]:
    """The SMS of somebody of whom everything is known, and of whom nothing is, or why it cannot
    be sent; nothing where that cannot be told."""
    base = templates.base_url.rstrip("/")
    links = Links(lambda purpose: f"{base}/{purpose.value}/{_TOKEN}")
    tried: list[str | Unsendable] = []
    for is_known in (True, False):
        try:
            made = templates.render(
                *(touch.message, variant, language, "sms"),
                _sample(templates, touch, given, is_known),
                links,
            )
        except Unsendable as wrong:
            tried.append(wrong)
            continue
        except AntiphonError:  # held back for want of a value, or a fault that is told elsewhere
            if is_known:
                return []
            continue
        assert isinstance(made, Sms)
        tried.append(made.text)
    return tried


def _sample(templates: Templates, touch: Touch, given: Given, is_known: bool) -> dict[str, Any]:
    """Values of a message (`Values.pack`) that nobody has."""
    campaign = touch.campaign
    customer = {
        name: _SAMPLES[type_] if is_known else None for name, type_ in templates.features.items()
    }
    if "timezone" in customer:
        customer["timezone"] = templates.timezone
    offer = campaign.offer
    promised = {
        "code": offer and shown(offer),
        "discount": offer and (offer.discount or (offer.reminds and "15%")),
        "gift": offer and (offer.gift or (offer.reminds and _SAMPLES[ColumnType.TEXT])),
        "valid_until": _SAMPLES[ColumnType.DAY],
    }
    return {
        "customer": customer,
        "campaign": {
            "name": campaign.campaign,
            "title": campaign.title,
            "category": campaign.category,
        },
        "cell": dict.fromkeys(given.cell or {"id"}, "sample"),
        "offer": {name: promised[name] for name in OFFER_FIELDS if name in given.offer},
        "occasion": {
            name: _SAMPLES[type_]
            for name, type_ in OCCASION_FIELDS.items()
            if name in given.occasion
        },
    }
