"""Antiphon: marketing campaigns from plain files, never twice, never lost."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from antiphon.reports.notebook import Notebook

__version__ = "0.1.0"


def open(path: Path | str = ".") -> "Notebook":
    """For notebooks: contacts, responses, decisions, reports and lift of a project as DataFrames.

    `path`: the project's folder, or one below it. At another moment with ANTIPHON_AT.
    """
    from antiphon.clock import edge_clock  # noqa: PLC0415
    from antiphon.reports.notebook import open_notebook  # noqa: PLC0415 (imports pandas)

    return open_notebook(path, edge_clock(os.environ))
