"""Modules of this folder that are no tests are importable by their plain names."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
