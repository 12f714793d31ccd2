"""Offers that differ by cell: `{cell.x}` within the code and the discount of a campaign."""

import re
from collections.abc import Collection, Iterator, Mapping

from antiphon.campaigns.complaints import nearest
from antiphon.campaigns.models import Campaign
from antiphon.quoting import literal

_PLACE = re.compile(r"\{([^{}]*)\}")
_CELL = "cell."
Fault = tuple[tuple[str, str], str, str, str]  # path in the campaign's file, word, message, hint


def cell_names(campaign: Campaign, crosses: Mapping[str, Collection[str]]) -> frozenset[str]:
    """What `cell.…` may name in a campaign's templates and offer; `crosses`: their dimensions."""
    own = {name for names in campaign.by.values() for values in names.values() for name in values}
    dimensions = crosses.get(campaign.for_each or "", ())
    return frozenset({"id", *dimensions, *(own if campaign.for_each else ())})


def is_filled(text: str | None) -> bool:
    """Whether the text differs by cell."""
    return text is not None and _PLACE.search(text) is not None


def filled(text: str | None, cell: Mapping[str, str | None]) -> str | None:
    """The text with its cell's values; null where one of them is."""
    if text is None:
        return None
    parts = [cell[part.removeprefix(_CELL)] if is_name else part for part, is_name in _parts(text)]
    return None if None in parts else "".join(map(str, parts))


def filled_sql(text: str | None, cell: Mapping[str, str]) -> str:
    """`filled` as a DuckDB expression; `cell`: SQL of each value."""
    if text is None:
        return "NULL::VARCHAR"
    parts = [
        f"({cell[part.removeprefix(_CELL)]})" if is_name else literal(part)
        for part, is_name in _parts(text)
    ]
    return "(" + " || ".join(parts) + ")"


def faults(campaign: Campaign, crosses: Mapping[str, Collection[str]]) -> Iterator[Fault]:
    """Every place in the offer that no cell of the campaign can fill."""
    offer = campaign.offer
    known = cell_names(campaign, crosses)
    for key, text in (("code", offer.code), ("discount", offer.discount)) if offer else ():
        for part, is_name in _parts(text or ""):
            name = part.removeprefix(_CELL)
            if not is_name or (part.startswith(_CELL) and campaign.for_each and name in known):
                continue
            if not campaign.for_each:
                hint = "Only a campaign with 'for_each:' has offers that differ."
            else:
                hint = nearest(part, sorted(_CELL + each for each in known))
            yield ("offer", key), part, f"{{{part}}} in an offer is no value of a cell", hint


def _parts(text: str) -> Iterator[tuple[str, bool]]:
    """The text in pieces: (written out, False) or (name within braces, True)."""
    for place, part in enumerate(_PLACE.split(text)):
        if part or place % 2:
            yield part, bool(place % 2)
