"""The shipped files with few campaigns, for towns that live quickly."""

from collections.abc import Collection
from pathlib import Path

from demo_project import ROOT

from antiphon.files import ProjectFiles, read_files

CAMPAIGNS = "config/campaigns/"


def files_with(campaigns: Collection[str], **more: str) -> ProjectFiles:
    """The shipped files with only these campaigns; `more`: campaigns of a test, by name."""
    texts = {
        name: text
        for name, text in read_files(ROOT).texts.items()
        if not name.startswith(CAMPAIGNS) or Path(name).stem in campaigns
    }
    return ProjectFiles(texts | {f"{CAMPAIGNS}{name}.yaml": text for name, text in more.items()})
