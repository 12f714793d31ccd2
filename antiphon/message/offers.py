"""Offers that differ by cell: `{cell.x}` within the code and the discount of a campaign."""

import re
from collections.abc import Collection, Iterator, Mapping

from antiphon.campaigns.complaints import nearest
from antiphon.campaigns.models import Campaign
from antiphon.quoting import literal

_PLACE = re.compile(r"\{([^{}]*)\}")
_CELL = "cell."
Fault = tuple[tuple[str, str], str, str]  # path in the campaign's file, message, hint


def cell_names(campaign: Campaign, crosses: Mapping[str, Collection[str]]) -> frozenset[str] | None:
    """What `cell.…` may name in a campaign's templates and offer; `crosses`: their dimensions.

    None where its cross is not among them, which is said elsewhere: then nobody can tell.
    """
    if campaign.for_each is None:
        return frozenset({"id"})
    if campaign.for_each not in crosses:
        return None
    own = {name for names in campaign.by.values() for values in names.values() for name in values}
    return frozenset({"id", *crosses[campaign.for_each], *own})


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
    offer, known = campaign.offer, cell_names(campaign, crosses)
    if offer is None or known is None:
        return
    for key, text in (("code", offer.code), ("discount", offer.discount), ("gift", offer.gift)):
        for part, is_name in _parts(text or ""):
            prefix, dot, name = part.partition(".")
            if not is_name or (f"{prefix}{dot}" == _CELL and campaign.for_each and name in known):
                continue
            hint = "Only a campaign with 'for_each:' has offers that differ."
            if campaign.for_each:
                hint = nearest(part, [_CELL + each for each in known])
            yield ("offer", key), f"no cell has the value {{{part}}}", hint


def reminding_faults(campaign: Campaign, campaigns: Mapping[str, Campaign]) -> Iterator[Fault]:
    """A reminder of codes that no campaign issues; `campaigns`: all, by name."""
    name = campaign.offer.reminds if campaign.offer else None
    if name is None:
        return
    issuing = [one.campaign for one in campaigns.values() if one.offer and one.offer.is_unique]
    if name not in campaigns:
        yield ("offer", "reminds"), f"no campaign {name!r}", nearest(name, issuing)
    elif name not in issuing:
        hint = "Write 'code: unique' there, or remind of one of: " + (", ".join(issuing) or "none")
        yield ("offer", "reminds"), f"the campaign {name} issues no codes of one's own", f"{hint}."


def _parts(text: str) -> Iterator[tuple[str, bool]]:
    """The text in pieces: (written out, False) or (name within braces, True)."""
    for place, part in enumerate(_PLACE.split(text)):
        if part or place % 2:
            yield part, bool(place % 2)
