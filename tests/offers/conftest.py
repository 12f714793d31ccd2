"""Projects of other rooms' tests: the small shop."""

import sys
from pathlib import Path

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "steps"), str(TESTS / "sources")]
