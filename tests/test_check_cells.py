"""What a campaign with `for_each` says of its cells, answered at its word."""

from pathlib import Path

import pytest

from antiphon.check import check
from antiphon.errors import Problem
from antiphon.files import ProjectFiles, read_files

SHIPPED = read_files(Path(__file__).resolve().parent.parent)
FILE = "config/campaigns/vouchers.yaml"
CAMPAIGN = """\
campaign: vouchers
title: A voucher as large as the order
category: promo
priority: 10
runs: {from: 2026-01-10}
for_each: micro_segment
by:
  lifecycle:
    lost_loyal: {least: 20}
    otherwise: {least: 40}
audience: {where: average_order > cell.least}
channels: [email]
message: winback
"""


def _problems(old: str, new: str) -> list[Problem]:
    assert old in CAMPAIGN
    texts = {**SHIPPED.texts, FILE: CAMPAIGN.replace(old, new)}
    return [problem for problem in check(ProjectFiles(texts))[1] if problem.path == FILE]


@pytest.mark.parametrize(
    ("old", "new", "message", "spoken"),
    [
        ("micro_segment", "micro_segmnt", "no cross 'micro_segmnt'", "micro_segmnt"),
        ("cell.least", "cell.leest", "no value 'cell.leest'", "cell.leest"),
        ("lost_loyal: {least", "lost_loyl: {least", "'lost_loyl' is no name of", "lost_loyl:"),
        ("least: 40", "most: 40", "'least' is not given for lead, joined, new", "lifecycle:"),
        ("least: 20", "least: dear", "beside text", "cell.least"),
    ],
)
def test_what_is_wrong_with_a_campaigns_cells_is_shown_at_its_word(
    old: str, new: str, message: str, spoken: str
) -> None:
    assert _problems("for_each", "for_each") == []
    problem = _problems(old, new)[0]
    assert message in problem.message
    assert problem.source_line[problem.column - 1 :].startswith(spoken)


def test_a_wrong_cross_is_answered_once() -> None:
    (problem,) = _problems("micro_segment", "micro_segmnt")
    assert problem.message.startswith("no cross 'micro_segmnt'")
