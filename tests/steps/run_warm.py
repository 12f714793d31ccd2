"""Imported once before daily runs are forked: what a first check costs, no fork pays again."""

from demo_project import ROOT

from antiphon.check import load
from antiphon.files import read_files

load(read_files(ROOT))
