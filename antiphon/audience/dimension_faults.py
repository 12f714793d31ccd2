"""What is wrong with a dimension: it must hold every customer, each under exactly one name."""

from collections.abc import Iterator, Mapping
from itertools import pairwise

from antiphon.audience.cell_values import OTHERWISE
from antiphon.audience.dictionary import Feature, nearest
from antiphon.audience.dimensions import number_sql, sorted_bands
from antiphon.audience.functions import NUMERIC
from antiphon.campaigns.models import Band, Dimension
from antiphon.entities import ColumnType

Fault = tuple[tuple[str | int, ...], str, str]  # path below the dimension, message, hint
_WAYS = ("bands", "values", "cases")
_REST = "Write 'rest:' and a name for them."


def faults(
    model: Dimension, features: Mapping[str, Feature], names: Mapping[str, tuple[str, ...]]
) -> Iterator[Fault]:
    """All but its conditions. `names`: of every dimension, so that one may join another's."""
    ways = [way for way in _WAYS if getattr(model, way) is not None]
    if len(ways) != 1:
        said = f"both {ways[0]!r} and {ways[1]!r}" if ways else "no names"
        hint = "Write 'of:' with 'bands:' or 'values:', or write 'cases:' alone."
        yield (), f"the dimension has {said}", hint
        return
    (way,) = ways
    if not getattr(model, way):
        yield (way,), f"{way!r} names nothing", "Write at least one name below it."
        return
    if OTHERWISE in model.names:
        hint = "It stands for all other names in a campaign's 'by'; choose another."
        yield (), f"no name may be {OTHERWISE!r}", hint
    if way == "cases":
        yield from _case_faults(model)
    elif model.of is None:
        yield (way,), f"{way!r} of which feature?", "Write 'of:' and a feature."
    elif model.of not in features:
        hint = nearest(model.of, features) or "`antiphon features` lists all columns."
        yield ("of",), f"unknown column {model.of!r}", hint
    elif model.bands is not None:
        yield from _bands(model, model.bands, features[model.of])
    elif model.values is not None:
        yield from _values(model, model.values, features[model.of], names.get(model.of, ()))


def _case_faults(model: Dimension) -> Iterator[Fault]:
    if model.of is not None:
        hint = "Take 'of:' away: each case is a whole condition."
        yield ("of",), "'cases' divide by no single feature", hint
    if model.rest is None:
        yield ("cases",), "no name for customers of whom no case holds", _REST


def _bands(model: Dimension, bands: Mapping[str, Band], of: Feature) -> Iterator[Fault]:
    if of.type not in NUMERIC:
        message = f"{of.name!r} is {of.type.name.lower()}: bands divide numbers and amounts"
        yield ("of",), message, "Write 'values:' for texts, 'cases:' for anything else."
        return
    for name, band in bands.items():
        try:
            _ = [number_sql(end) for end in (band.from_, band.below) if end is not None]
        except ValueError as error:
            yield ("bands", name), str(error), ""
            return
    found = list(_band_faults(bands))
    yield from ((("bands", name), message, hint) for name, message, hint in found)
    if model.rest is None and not found:
        lacking = [f"with {of.name} {end}" for end in _open_ends(bands)]
        lacking += [f"without a value of {of.name}"] if of.nullable else []
        if lacking:
            yield ("bands",), f"no name for customers {' or '.join(lacking)}", _REST


def _values(
    model: Dimension, values: Mapping[str, tuple[str, ...]], of: Feature, domain: tuple[str, ...]
) -> Iterator[Fault]:
    if of.type is not ColumnType.TEXT:
        message = f"{of.name!r} is {of.type.name.lower()}: 'values' are texts"
        yield ("of",), message, "Write 'bands:' for numbers, 'cases:' for anything else."
        return
    owners: dict[str, str] = {}
    is_known = True
    for name, texts in values.items():
        for index, text in enumerate(texts):
            owner = owners.setdefault(text, name)
            if owner != name or text in texts[:index]:
                under = (
                    f"under {owner!r} and {name!r}" if owner != name else f"twice under {name!r}"
                )
                yield ("values", name, index), f"the value {text!r} is {under}", "Keep one."
            elif domain and text not in domain:
                is_known = False
                message = f"{text!r} is no name of the dimension {of.name!r}"
                yield ("values", name, index), message, nearest(text, domain)
    if model.rest is not None or not is_known:
        return
    if not domain:
        message = f"no name for customers with another value of {of.name}"
        yield ("values",), message + (", or none" if of.nullable else ""), _REST
    elif lacking := [name for name in domain if name not in owners]:
        yield ("values",), f"no name for customers under {', '.join(lacking)}", _REST


def _band_faults(bands: Mapping[str, Band]) -> Iterator[tuple[str, str, str]]:
    """(name of the band, what is wrong, what to do): empty bands, overlaps and gaps."""
    for name, band in bands.items():
        if band.from_ is not None and band.below is not None and band.from_ >= band.below:
            yield (
                name,
                f"no value is in the band {name!r}: {_described(band)}",
                "'from' belongs to the band and 'below' does not: 'from' is the smaller one.",
            )
            return
    for (name, band), (following, next_band) in pairwise(sorted_bands(bands)):
        shown = f"{name!r} ({_described(band)}) and {following!r} ({_described(next_band)})"
        if band.below is None or next_band.from_ is None or next_band.from_ < band.below:
            yield following, f"the bands {shown} overlap", "Let each begin where the other ends."
        elif next_band.from_ > band.below:
            gap = f"from {band.below} to below {next_band.from_}"
            yield (
                following,
                f"no band holds the values {gap}, between {shown}",
                f"Write 'from: {band.below}' or another band.",
            )


def _open_ends(bands: Mapping[str, Band]) -> list[str]:
    """The values that no band holds below the lowest and above the highest: for messages."""
    if not bands:
        return []
    ordered = sorted_bands(bands)
    first, last = ordered[0][1].from_, ordered[-1][1].below
    ends = [f"below {first}"] if first is not None else []
    return ends + ([f"from {last}"] if last is not None else [])


def _described(band: Band) -> str:
    """`25 to below 50`, as messages show a band."""
    if band.from_ is None:
        return "every value" if band.below is None else f"below {band.below}"
    return f"from {band.from_}" if band.below is None else f"{band.from_} to below {band.below}"
