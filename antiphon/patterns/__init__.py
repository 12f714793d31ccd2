"""Patterns of campaigns: the texts from which `antiphon new` writes a campaign of one's own.

A pattern is a folder: campaign.yaml, whose first line says what it is for, survey.yaml where it
asks something, and templates/, where `message` stands for the new message's name. Each text lies
in a folder of its language.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path, PurePosixPath
from string import Template

from antiphon.campaigns.configuration import campaign_file, survey_file

_HERE = Path(__file__).parent
_CAMPAIGN = "campaign.yaml"
_SURVEY = "survey.yaml"
_EDITOR = "# yaml-language-server: $schema=../schema/{}.json\n"
_LATER = timedelta(days=30)  # until when a campaign that has to end runs


@dataclass(frozen=True)
class Pattern:
    """One pattern. `text` has $name, $today and $later, `survey` $name (None: it asks nothing);
    `templates` is path → text."""

    name: str
    text: str
    survey: str | None
    templates: Mapping[str, str]

    @property
    def meaning(self) -> str:
        """What it is for, in a line."""
        return self.text.partition("\n")[0].removeprefix("# ")

    @cached_property
    def languages(self) -> frozenset[str]:
        """Those it has texts in."""
        return frozenset(_language(path) for path in self.templates)

    def files(self, campaign: str, languages: Collection[str], today: date) -> dict[str, str]:
        """Path in the project → text, of a campaign of that name that begins today.

        Of the languages those it has texts in; where that is none, English, to be translated.
        """
        spoken = self.languages & set(languages) or {"en"}
        filled = Template(self.text).substitute(name=campaign, today=today, later=today + _LATER)
        written = {campaign_file(campaign): _EDITOR.format("campaign") + filled}
        if self.survey is not None:
            asked = Template(self.survey).substitute(name=campaign)
            written[survey_file(campaign)] = _EDITOR.format("survey") + asked
        return written | {
            f"templates/{path.replace('message', campaign, 1)}": text
            for path, text in self.templates.items()
            if _language(path) in spoken
        }


def _language(path: str) -> str:
    return PurePosixPath(path).parent.name


def patterns() -> dict[str, Pattern]:
    """Every pattern by its name."""
    return {path.parent.name: _read(path.parent) for path in sorted(_HERE.glob(f"*/{_CAMPAIGN}"))}


def _read(folder: Path) -> Pattern:
    templates = folder / "templates"
    texts = {
        path.relative_to(templates).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted(templates.rglob("*.j2"))
    }
    survey = folder / _SURVEY
    return Pattern(
        folder.name,
        (folder / _CAMPAIGN).read_text(encoding="utf-8"),
        survey.read_text(encoding="utf-8") if survey.is_file() else None,
        texts,
    )
