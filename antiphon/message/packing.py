"""What is stored with each message of a touch: packed by Python for one, by the engine for many."""

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from itertools import repeat

from antiphon.audience.triggers import ORDER
from antiphon.campaigns.models import Campaign, ChainStart, Offer, Trigger
from antiphon.campaigns.touches import Touch
from antiphon.entities import ColumnType
from antiphon.message.codes import shown
from antiphon.message.links import FIELDS
from antiphon.message.offers import cell_names, filled, filled_sql, is_filled
from antiphon.message.values import NO_CELL, OCCASION_FIELDS, OFFER_FIELDS, encode
from antiphon.quoting import literal, quoted

PROMISE_FIELDS = dict.fromkeys(OFFER_FIELDS, ColumnType.TEXT)  # days as ISO text


@dataclass(frozen=True)
class Given:
    """The fields that a touch fills in, beside those of the customer and the campaign.

    `cell` None: any; so it is for templates that have been checked.
    """

    offer: frozenset[str] = frozenset(OFFER_FIELDS)
    occasion: frozenset[str] = frozenset(OCCASION_FIELDS)
    cell: frozenset[str] | None = None
    links: frozenset[str] = frozenset(FIELDS)


def given_by(touch: Touch, crosses: Mapping[str, Collection[str]]) -> Given:
    """What `offer`, `occasion`, `cell` and `links` have in its templates; `crosses`: their
    dimensions."""
    campaign = touch.campaign
    offer = campaign.offer
    promised: dict[str, object] = {}
    if offer and offer.reminds:
        promised = dict.fromkeys(OFFER_FIELDS, True)
    elif offer:
        promised = {
            "code": offer.code,
            "discount": offer.discount,
            "gift": offer.gift,
            "valid_until": offer.valid,
        }
    starts = campaign.on or (campaign.chain and campaign.chain.start)
    occasion = set(OCCASION_FIELDS if starts and _brings_detail(starts) else ("day",))
    return Given(
        frozenset(name for name, value in promised.items() if value is not None),
        frozenset(occasion if touch.is_occasional else ()),
        cell_names(campaign, crosses),
        frozenset(FIELDS) - {name for name, leads in _leads(campaign).items() if not leads},
    )


def _leads(campaign: Campaign) -> dict[str, bool]:
    """Links of which only the campaign tells whether they lead anywhere."""
    return {"survey": bool(campaign.survey), "confirm": bool(campaign.confirms)}


def _brings_detail(start: Trigger | ChainStart) -> bool:
    """Whether what it starts from may have a product and a value; an order has several."""
    notice = start.notice if isinstance(start, Trigger) else None
    return bool(notice or (start.event and start.event != ORDER))


@dataclass(frozen=True)
class Values:
    """What the messages of one touch are filled with, whoever gets them.

    `customer` and `occasion`: names of the values their templates use. `cell`: name → SQL over the
    frame (`audience.cell_values.cell_texts`); empty without `for_each`. `day`: the business day of
    the plan, from which the offer's validity is counted. `reminded`: the offer that a reminder
    repeats; its values come with each customer.
    """

    touch: Touch
    day: date
    customer: Collection[str]
    occasion: Collection[str] = ()
    cell: Mapping[str, str] = field(default_factory=dict)
    reminded: Offer | None = None

    def pack(
        self,
        customer: Mapping[str, object],
        cell: Mapping[str, str | None] | None = None,
        occasion: Mapping[str, object] | None = None,
    ) -> str:
        """`values_json` of one message, from the values of this customer."""
        cell = cell if cell is not None and self.cell else NO_CELL
        values: dict[str, object] = {
            "customer": {name: encode(customer[name]) for name in sorted(self.customer)},
            "campaign": self._campaign,
            "cell": {name: cell[name] for name in sorted(cell)},
        }
        if self.touch.is_occasional:
            known = occasion or {}
            values["occasion"] = {name: encode(known.get(name)) for name in sorted(self.occasion)}
        if self._offer:
            values["offer"] = {name: filled(text, cell) for name, text in self._offer.items()}
        return _json(values)

    def packed_sql(self, types: Mapping[str, ColumnType]) -> str:
        """DuckDB expression for what `pack` gives of a row that has the structs `frame` (the
        customer's values and what `cell` reads), `occasion` and, of a reminder, `promise` (the
        offer as it was made to this customer)."""
        parts = {
            "customer": _struct_sql("frame", self.customer, types),
            "campaign": literal(_json(self._campaign)),
            "cell": _texts_sql(self.cell) if self.cell else literal(_json(NO_CELL)),
        }
        if self.touch.is_occasional:
            parts["occasion"] = _struct_sql("occasion", self.occasion, OCCASION_FIELDS)
        if self._offer:
            parts["offer"] = literal(_json(self._offer))
            if self.reminded:
                parts["offer"] = _struct_sql("promise", OFFER_FIELDS, PROMISE_FIELDS)
            elif any(is_filled(text) for text in self._offer.values()):
                parts["offer"] = _texts_sql(
                    {name: filled_sql(text, self.cell) for name, text in self._offer.items()}
                )
        written = (literal(f'{sep}"{n}":') + f" || {sql}" for sep, (n, sql) in _listed(parts))
        return " || ".join([*written, "'}'"])

    @property
    def _campaign(self) -> dict[str, str]:
        campaign = self.touch.campaign
        return {
            "name": campaign.campaign,
            "title": campaign.title,
            "category": campaign.category,
        }

    @property
    def _offer(self) -> dict[str, str | None]:
        offer = self.reminded or self.touch.campaign.offer
        if offer is None:
            return {}
        gift = {} if offer.gift is None else {"gift": offer.gift}
        return {
            "code": shown(offer),
            "discount": offer.discount,
            **gift,
            "valid_until": (self.day + offer.valid).isoformat() if offer.valid else None,
        }


def _listed(parts: Mapping[str, str]) -> Iterator[tuple[str, tuple[str, str]]]:
    return zip(["{", *repeat(",", len(parts) - 1)], parts.items(), strict=True)


def _json(values: Mapping[str, object]) -> str:
    return json.dumps(values, ensure_ascii=False, separators=(",", ":"))


def _struct_sql(struct: str, names: Collection[str], types: Mapping[str, ColumnType]) -> str:
    """JSON of some fields of a struct, as `encode` gives them."""
    return _texts_sql({name: _encoded(f"{struct}.{quoted(name)}", types[name]) for name in names})


def _texts_sql(values: Mapping[str, str]) -> str:
    fields = ", ".join(f"{quoted(name)} := {values[name]}" for name in sorted(values))
    return f"to_json(struct_pack({fields}))::VARCHAR" if fields else "'{}'"


def _encoded(value: str, type_: ColumnType) -> str:
    if type_ in (ColumnType.MONEY, ColumnType.DAY):
        return f"{value}::VARCHAR"
    if type_ is ColumnType.INSTANT:
        return f"strftime(timezone('UTC', {value}), '%Y-%m-%dT%H:%M:%S.%f+00:00')"
    return value
