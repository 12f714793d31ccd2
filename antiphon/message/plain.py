"""The text body of an e-mail, derived from its HTML."""

import re
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inscriptis.model.config import ParserConfig  # type: ignore[import-untyped]

_HIDDEN = re.compile(r"<(style|title)\b.*?</\1\s*>", re.DOTALL | re.IGNORECASE)
_EMPTY_LINES = re.compile(r"\n\s*\n\s*")


def plain_text(html: str) -> str:
    """`html` as text: links written out after their words, no layout tables, no blank runs."""
    from inscriptis import get_text  # type: ignore[import-untyped]  # noqa: PLC0415

    lines = (line.strip() for line in get_text(_HIDDEN.sub("", html), _style()).splitlines())
    return _EMPTY_LINES.sub("\n\n", "\n".join(lines)).strip() + "\n"


@cache
def _style() -> "ParserConfig":
    from inscriptis.css_profiles import (  # type: ignore[import-untyped]  # noqa: PLC0415
        CSS_PROFILES,
    )
    from inscriptis.model.config import ParserConfig  # noqa: PLC0415

    return ParserConfig(css=CSS_PROFILES["strict"], display_links=True, table_cell_separator=" ")
