"""One page of a day for analysts, in one file: no network, no script, readable in print."""

from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from antiphon import __version__
from antiphon.errors import UserFilesError
from antiphon.project import Project
from antiphon.reports import charts, sections
from antiphon.reports.charts import Scale
from antiphon.reports.lifts import ALL_ARMS, CampaignLift, lifts
from antiphon.reports.ran import RunStory, run_story, step_seconds
from antiphon.reports.rates import BY, ReportTable, report_table
from antiphon.reports.session import Scope
from antiphon.response.verdicts import Finding, figures

FOLDER = Path(__file__).parent / "pages"
DAYS = 30  # messages of so many business days make the rates
SHOWN_DAYS = 14
TOWN = "town.yaml"  # stands in the folder of a simulated town
_ENVIRONMENT = Environment(
    loader=FileSystemLoader(FOLDER),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_ENVIRONMENT.filters["number"] = lambda value: f"{value:,}"
_ENVIRONMENT.filters["percent"] = lambda value: "" if value is None else f"{value:.1%}"


def write_page(
    project: Project, path: Path, run_id: str | None = None, days: int = DAYS
) -> RunStory:
    """Write the page of a run (absent: the newest) with the rates of so many days before now.

    Whole or not at all; UserFilesError where the file cannot be written or there is no run.
    """
    story = run_story(project, run_id)
    text = page(project, story, days)
    fresh = path.with_name(f".{path.name}.new")
    try:
        fresh.write_text(text, encoding="utf-8")
        fresh.replace(path)
    except OSError as error:
        raise UserFilesError(
            f"{path} cannot be written: {error.strerror}.\n  Name a file in a folder of yours."
        ) from None
    return story


def page(project: Project, story: RunStory, days: int = DAYS) -> str:
    """The page as HTML."""
    scope = Scope(days=days)
    campaigns = report_table(project, BY["campaign"], scope)
    by_day = report_table(project, BY["day"], scope)
    compared = lifts(project)
    zone = ZoneInfo(project.configuration.settings.business.timezone)
    folder = project.var / "runs" / story.record.run_id
    since, moved = sections.moved(project, story)
    values: dict[str, Any] = {
        "style": Markup((FOLDER / "style.css").read_text(encoding="utf-8")),  # noqa: S704 (ours)
        "company": project.configuration.settings.company.name,
        "version": __version__,
        "is_simulated": (project.root / TOWN).exists(),
        "story": story,
        "as_of": story.record.as_of.astimezone(zone),
        "written_at": project.clock().astimezone(zone),
        "days": days,
        "totals": _totals(story),
        "candidates": [one for one in story.summaries if one.audience],
        "idle": [one.campaign for one in story.summaries if not one.audience],
        "sent_bars": _bars([one.sent for one in story.summaries if one.audience]),
        "held": _with_bars(sections.held_back(story, project.configuration.policy)),
        "funnel": _rates(sections.funnel(campaigns), whole=True),
        "rates": _rates_by_campaign(campaigns),
        "clicks": _rates(sections.by_name(by_day, "day", "clicked")[:SHOWN_DAYS]),
        "lift": _lift(compared, project.configuration.settings.business.currency),
        "since": since,
        "moved": _moved(moved),
        "drift": sections.drift(folder),
        "quality": sections.quality(folder),
        "trouble": sections.provider_trouble(project),
        "steps": [(one, step_seconds(one)) for one in story.steps],
    }
    return _ENVIRONMENT.get_template("report.html.j2").render(values)


def _rates_by_campaign(table: ReportTable) -> list[tuple[str, dict[str, Any]]]:
    """Of each rate that anything came of: its words and a chart of all campaigns."""
    found = [
        (words, sections.by_name(table, "campaign", name)) for name, words in sections.RATES.items()
    ]
    return [(words, _rates(lines)) for words, lines in found if any(one.rate.part for one in lines)]


def _totals(story: RunStory) -> dict[str, int]:
    """Of the day: candidates, those chosen, held out and held back."""
    return {
        "candidates": sum(one.audience for one in story.summaries),
        "sent": sum(one.sent for one in story.summaries),
        "control": sum(one.control for one in story.summaries),
        "held": sum(sum(one.held.values()) for one in story.summaries),
    }


def _bars(counts: list[int]) -> list[Markup]:
    scale = Scale.over(counts)
    return [charts.bar(scale, one) for one in counts]


def _with_bars(found: list[sections.Bar]) -> list[tuple[sections.Bar, Markup]]:
    return list(zip(found, _bars([one.count for one in found]), strict=True))


def _rates(found: list[sections.Share], *, whole: bool = False) -> dict[str, Any]:
    """Lines with their charts, and the scale below them; `whole`: it reaches to 100 %."""
    ends = [end for one in found for end in one.ends]
    scale = Scale.over([*ends, 1.0] if whole else ends)
    lines = [
        (one, charts.interval(scale, one.ends[0], one.rate.rate, one.ends[1])) for one in found
    ]
    return {"lines": lines, "axis": charts.axis(scale, 100.0, "%")}


def _moved(found: list[sections.Moved]) -> list[tuple[sections.Moved, Markup]]:
    scale = Scale.over([one.change for one in found])
    return [(one, charts.bar(scale, one.change, "less" if one.change < 0 else "")) for one in found]


def _lift(found: list[CampaignLift], currency: str) -> dict[str, Any]:
    """Campaigns against their control: words, numbers, and intervals on one scale of points.

    The scale goes by the narrower half of them: one hopeless interval would flatten all others.
    """
    compared = [one for one in found if one.arm == ALL_ARMS]
    shown = []
    for one in compared:
        low, high = one.verdict.low, one.verdict.high
        if one.rate is not None and (low is None or high is None):
            low, high = one.rate.always_low, one.rate.always_high
        shown.append((one, low, high))
    widths = sorted(high - low for _, low, high in shown if low is not None and high is not None)
    widest = 4 * widths[len(widths) // 2] if widths else 1.0
    scale = Scale.over(
        end
        for _, low, high in shown
        if low is not None and high is not None
        for end in (max(low, -widest), min(high, widest))
    )
    lines = [
        {
            "one": one,
            "difference": _difference(one),
            "chart": charts.interval(
                scale,
                low,
                one.rate.difference if one.rate else None,
                high,
                "sure" if one.verdict.finding is Finding.EFFECT else "",
            ),
        }
        for one, low, high in shown
    ]
    axis = charts.axis(scale, 100.0) if widths else ""
    return {"lines": lines, "axis": axis, "currency": currency}


def _difference(one: CampaignLift) -> str:
    """What the verdict leaves out: the difference so far where none is shown, its p-value."""
    if one.rate is None:
        return ""
    difference, interval, always = figures(one.rate)
    if one.verdict.finding is Finding.EFFECT:
        return f"p {one.rate.p_value:.2g}"
    told = always if one.verdict.finding is Finding.TOO_EARLY else interval
    return f"So far {difference} points, {told}"
