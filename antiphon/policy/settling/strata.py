"""Control and variants in exact shares within strata, drawn among those who would be written to."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from antiphon import keys
from antiphon.campaigns.models import Campaign
from antiphon.campaigns.rules import Policy
from antiphon.policy.arms import is_stratified
from antiphon.policy.chance import Numbers
from antiphon.policy.columns import one_of, positions, texts
from antiphon.policy.rules import CONTROL_ARM, UNIVERSAL_ARM, Outcome


def draw(
    table: pa.Table,
    campaigns: Sequence[Campaign],
    policy: Policy,
    *,
    salt: str,
    numbers: Numbers,
) -> pa.Table:
    """The survivors (with a column `stratum`) with the arms of stratified campaigns.

    Units of the universal control keep it and are not among those drawn. Within a stratum units
    stand in an order by chance: the first are control, the next the first variant, and so on; each
    share is rounded to a whole number up or down by chance, so that many small strata do not all
    round alike.
    """
    drawn = [one for one in campaigns if is_stratified(one, policy)]
    if not drawn or not table.num_rows:
        return table
    campaign = positions(texts(table, "campaign"), [one.campaign for one in drawn])
    arm = texts(table, "arm").dictionary_encode()
    words: list[str] = arm.dictionary.to_pylist()
    code = arm.indices.to_numpy(zero_copy_only=False).astype(np.int16)
    universal = words.index(UNIVERSAL_ARM) if UNIVERSAL_ARM in words else -1
    rows = np.flatnonzero((campaign >= 0) & (code != universal))
    if not len(rows):
        return table
    mine = table.select(["campaign", "unit", "stratum"]).take(pa.array(rows))
    stratum = pc.fill_null(texts(mine, "stratum"), "").dictionary_encode()
    number = numbers("stratum", [salt, texts(mine, "campaign"), texts(mine, "unit")])
    width = len(stratum.dictionary)
    group = campaign[rows].astype(np.int64) * width
    group += stratum.indices.to_numpy(zero_copy_only=False)
    order = np.lexsort((number, group))
    first = np.flatnonzero(np.diff(group[order], prepend=-1))
    sizes = np.diff(np.append(first, len(order)))
    names = stratum.dictionary.to_pylist()
    for start, size in zip(first.tolist(), sizes.tolist(), strict=True):
        position, place = divmod(int(group[order[start]]), width)
        one = drawn[position]
        arms = [CONTROL_ARM, *one.arms]
        words += [word for word in arms if word not in words]
        counts = shares_of(one, names[place], size, salt)
        codes = np.array([words.index(word) for word in arms], np.int16)
        code[rows[order[start : start + size]]] = np.repeat(codes, counts)
    return _with_arms(table, code, words)


def shares_of(campaign: Campaign, stratum: str, size: int, salt: str) -> list[int]:
    """How many of a stratum are control, and how many each variant; together `size`."""
    control, variant = (
        keys.number("rounding", salt, campaign.campaign, stratum, what) / keys.TWO_TO_64
        for what in ("control", "variant")
    )
    held_out = min(math.floor(campaign.control * size + control), size)
    rest, edge, counts, before = size - held_out, 0.0, [held_out], 0
    shares = list(campaign.arms.values())
    for share in shares[:-1]:
        edge += share
        until = min(math.floor(edge * rest + variant), rest)
        counts.append(until - before)
        before = until
    return [*counts, rest - before]


def _with_arms(table: pa.Table, code: npt.NDArray[np.int16], words: Sequence[str]) -> pa.Table:
    held_out = np.isin(code, [k for k, word in enumerate(words) if word in _HELD_OUT])
    outcomes = one_of(held_out.astype(np.int16), [Outcome.SEND, Outcome.CONTROL], pa.int16())
    for name, column in (("arm", one_of(code, words, pa.int16())), ("outcome", outcomes)):
        table = table.set_column(table.schema.get_field_index(name), name, column)
    return table


_HELD_OUT = (CONTROL_ARM, UNIVERSAL_ARM)
