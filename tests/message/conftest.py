"""Fixtures for tests of messages."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from message_fixtures import LINKS, campaign_of, templates_of, values_of


@pytest.fixture
def complaints() -> Callable[..., list[str]]:
    """What check says about a service e-mail with this HTML body (and other files)."""

    def check(body: str, languages: tuple[str, ...] = ("de",), **changes: Any) -> list[str]:
        files = {"hello/subject.j2": "Hi", "hello/body.html.j2": body} | changes.pop("files", {})
        problems = templates_of(files, languages).check(campaign_of(**changes))
        return [str(problem) for problem in problems]

    return check


@pytest.fixture
def rendered() -> Callable[..., Any]:
    """One part rendered: `html`, `text`, `subject` or `sms` from one template text."""

    def render(
        source: str, part: str = "html", language: str = "de", files: Any = (), **customer: Any
    ) -> str:
        name = {"html": "body.html.j2", "text": "body.txt.j2"}.get(part, f"{part}.j2")
        own = {"hello/subject.j2": "Hi", "hello/body.html.j2": "<p>Hi</p>", f"hello/{name}": source}
        templates = templates_of(own | dict(files), ("de", "en", "ru"))
        channel = "sms" if part == "sms" else "email"
        page = templates.render("hello", "default", language, channel, values_of(**customer), LINKS)
        return str(getattr(page, "text" if part == "sms" else part))

    return render
