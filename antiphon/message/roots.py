"""The names that every template sees, with what is known of their values beforehand."""

from collections.abc import Iterable, Mapping
from typing import Any

from antiphon.entities import ColumnType
from antiphon.message.packing import Given
from antiphon.message.shapes import Fields, Leaf, Value
from antiphon.message.values import CAMPAIGN_FIELDS, OCCASION_FIELDS, OFFER_FIELDS


class _AnyText(dict[str, Value]):
    """The fields of a root of which nothing is known: whatever is asked for is a text."""

    def get(self, name: str, default: Any = None) -> Value:
        """A text."""
        return Leaf(ColumnType.TEXT)


def roots_of(
    features: Mapping[str, ColumnType], company: Iterable[str], given: Given
) -> dict[str, Value]:
    """Root → its fields and their types; `given`: those that a touch fills in."""

    def fields(path: str, types: Mapping[str, ColumnType]) -> Fields:
        return Fields({name: Leaf(type_) for name, type_ in types.items()}, path)

    text = ColumnType.TEXT
    return {
        "customer": fields("customer", features),
        "campaign": fields("campaign", CAMPAIGN_FIELDS),
        "cell": Fields(_AnyText(), "cell")
        if given.cell is None
        else fields("cell", dict.fromkeys(given.cell, text)),
        "offer": fields("offer", {n: OFFER_FIELDS[n] for n in given.offer}),
        "occasion": fields("occasion", {n: OCCASION_FIELDS[n] for n in given.occasion}),
        "links": fields("links", dict.fromkeys(given.links, text)),
        "company": fields("company", dict.fromkeys(company, text)),
    }
