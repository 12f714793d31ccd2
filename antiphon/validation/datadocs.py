"""Data Docs of one run: Great Expectations' own pages of the added-up results, for any browser.

The pages as Great Expectations writes them load styles and scripts from the internet and show
failing values. Ours are rendered by it from counts alone, and stand on their own: whatever
points outside is replaced by a small style sheet in the page.
"""

import html
import re
from collections.abc import Sequence
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from antiphon.validation.circumstances import Circumstances
from antiphon.validation.results import Result, Verdict, shown
from antiphon.validation.rules import Scope
from antiphon.validation.suite import arguments

_OUTSIDE = re.compile(
    r"<script\b.*?</script>|<link\b[^>]*>|<(?:img|iframe)\b[^>]*>|url\([^)]*\)|\bon\w+=\"[^\"]*\"",
    re.DOTALL | re.IGNORECASE,
)
_LINK = re.compile(r"\bhref=(\"|')(?:https?:)?//.*?\1", re.IGNORECASE)
_STYLE = """<style>
body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 70rem; margin: 2rem auto;
       padding: 0 1rem }
table { border-collapse: collapse; width: 100%; margin: 1rem 0 }
th, td { border-bottom: 1px solid #ddd; padding: .35rem .6rem; text-align: left;
         vertical-align: top }
.failed, .text-danger { color: #b00020 } .passed, .text-success { color: #1b7f3b }
.badge { border: 1px solid #bbb; border-radius: .3rem; padding: 0 .3rem }
/* what needs scripts we leave out, and advertisements */
.cooltip .top, .modal, .navbar, .ge-cta, footer, .card-body > .mb-2 { display: none }
</style>"""


def write(verdicts: Sequence[Verdict], circumstances: Circumstances, folder: Path) -> Path:
    """Writes index.html and one page an entity that was pulled; the index's path."""
    folder.mkdir(parents=True, exist_ok=True)
    pulled = [verdict for verdict in verdicts if verdict.rows_in or verdict.results]
    for verdict in pulled:
        page = alone(_page(verdict, circumstances))
        (folder / f"{verdict.entity}.html").write_text(page, encoding="utf-8")
    index = folder / "index.html"
    index.write_text(_index(pulled, circumstances), encoding="utf-8")
    return index


def alone(page: str) -> str:
    """The page without anything it would load from elsewhere, and with our style."""
    page = _LINK.sub("", _OUTSIDE.sub("", page))
    return page.replace("</head>", f"{_STYLE}</head>", 1)


def _page(verdict: Verdict, circumstances: Circumstances) -> str:
    from great_expectations.core.expectation_validation_result import (  # noqa: PLC0415
        ExpectationSuiteValidationResult,
    )
    from great_expectations.render.renderer import ValidationResultsPageRenderer  # noqa: PLC0415

    judged = [result for result in verdict.results if result.judged]
    passed = sum(result.passed for result in judged)
    suite = ExpectationSuiteValidationResult(
        success=passed == len(judged),
        results=[_as_theirs(result) for result in judged],
        suite_name=verdict.entity,
        statistics={
            "evaluated_expectations": len(judged),
            "successful_expectations": passed,
            "unsuccessful_expectations": len(judged) - passed,
            "success_percent": 100 * passed / len(judged) if judged else None,
        },
        meta={
            "run_id": {
                "run_name": circumstances.run_id,
                "run_time": circumstances.as_of.isoformat(),
            },
            "validation_time": circumstances.as_of.isoformat(),
        },
    )
    page = ValidationResultsPageRenderer(run_info_at_end=True).render(suite)
    return str(_view().render(page))


@cache
def _view() -> Any:
    """Their view, which compiles its templates anew in each of its instances: a third of a second
    a run."""
    from great_expectations.render.view import DefaultJinjaPageView  # noqa: PLC0415

    return DefaultJinjaPageView()


def _as_theirs(result: Result) -> Any:
    from great_expectations.core.expectation_validation_result import (  # noqa: PLC0415
        ExpectationValidationResult,
    )
    from great_expectations.expectations.expectation_configuration import (  # noqa: PLC0415
        ExpectationConfiguration,
    )

    check = result.check
    kwargs = arguments(check)
    for key, value in check.arguments.items():
        if key in kwargs and not check.reference:
            kwargs[key] = float(value) if isinstance(value, Decimal) else shown(value)
    if check.mostly != 1:
        kwargs["mostly"] = float(check.mostly)
    configuration = ExpectationConfiguration(
        type=check.rule.name,
        kwargs=kwargs,
        meta={"notes": {"format": "markdown", "content": [f"{check.reason} ({check.on_failure})"]}},
    )
    counts: dict[str, Any] = {"observed_value": result.observed}
    if check.rule.scope is not Scope.SET:
        values = result.rows - result.missing
        counts = {
            "element_count": result.rows,
            "unexpected_count": result.unexpected,
            "unexpected_percent": 100 * result.unexpected / values if values else 0.0,
            "missing_count": result.missing,
            "missing_percent": 100 * result.missing / result.rows if result.rows else 0.0,
            "partial_unexpected_list": [],
        }
    return ExpectationValidationResult(
        success=result.passed,
        expectation_config=configuration,
        result=counts,
        exception_info={
            "raised_exception": False,
            "exception_message": None,
            "exception_traceback": None,
        },
    )


def _index(verdicts: Sequence[Verdict], circumstances: Circumstances) -> str:
    rows = "".join(
        f'<tr><td><a href="{verdict.entity}.html">{verdict.entity}</a></td>'
        f"<td>{verdict.rows_in:,}</td><td>{verdict.clean:,}</td><td>{verdict.quarantined:,}</td>"
        f"<td>{len(verdict.warnings)}</td><td>{len(verdict.stopped)}</td></tr>"
        for verdict in verdicts
    )
    failed = "".join(
        f"<li class='failed'>{html.escape(line)}</li>"
        for verdict in verdicts
        for line in (*verdict.stopped, *verdict.warnings)
    )
    run = html.escape(f"Validation of run {circumstances.run_id}, {circumstances.business_day}")
    heads = ("entity", "rows in", "clean", "quarantined", "warnings", "stopped")
    head = "".join(f"<th>{name}</th>" for name in heads)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{run}</title>'
        f"{_STYLE}</head><body><h1>{run}</h1><table><tr>{head}</tr>{rows}</table>"
        f"<ul>{failed}</ul></body></html>"
    )
