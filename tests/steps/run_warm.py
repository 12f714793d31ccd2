"""Lived through once before runs are forked: what a first one costs its process, no fork pays."""

import logging
import tempfile
from pathlib import Path

from demo_project import FEW, demo_clock, make_project

from antiphon.project import with_files
from antiphon.steps.daily import run_daily

with tempfile.TemporaryDirectory() as folder:
    logging.disable(logging.ERROR)
    run_daily(make_project(Path(folder), 60, FEW), demo_clock())
    logging.disable(logging.NOTSET)
with_files.cache_clear()  # no store of it stays open
