"""A run in a few lines of Markdown, for the Prefect page: counts and verdicts, no customer."""

from pathlib import Path

from antiphon.policy.words.titles import title
from antiphon.project import Project
from antiphon.reports.lifts import ALL_ARMS, lifts
from antiphon.reports.page import write_page
from antiphon.reports.ran import RunStory
from antiphon.reports.sections import held_back, provider_trouble

MOST_LINES = 15


def write_and_digest(project: Project, run_id: str) -> str:
    """Leave the page of the run in its folder, and return what it comes to as Markdown."""
    path = project.var / "runs" / run_id / "report.html"
    story = write_page(project, path, run_id)
    return digest(project, story, path)


def digest(project: Project, story: RunStory, path: Path) -> str:
    """The verdict, why candidates were held back, what campaigns were worth, what to look at."""
    policy = project.configuration.policy
    held = [
        f"| {one.name} | {title(one.name, policy)} | {one.count:,} |"
        for one in held_back(story, policy)[:MOST_LINES]
    ]
    worth = [
        f"| {one.campaign} | {one.verdict} | {one.money_verdict} |"
        for one in lifts(project)
        if one.arm == ALL_ARMS
    ]
    look = [*story.warnings, *provider_trouble(project)][:MOST_LINES]
    parts = [
        f"# {story.record.run_id}\n\n{story.record.verdict or story.record.state.value}",
        _table("Held back", ("rule", "meaning", "candidates"), held),
        _table("Worth", ("campaign", "conversions", "money"), worth),
        "## To look at\n\n" + "\n".join(f"- {line}" for line in look) if look else "",
        f"The whole page: `{path}`",
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def _table(heading: str, columns: tuple[str, ...], rows: list[str]) -> str:
    if not rows:
        return ""
    head = [f"| {' | '.join(columns)} |", f"|{' --- |' * len(columns)}"]
    return "\n".join([f"## {heading}", "", *head, *rows])
