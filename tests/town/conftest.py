"""Where tests of towns find the small worlds of other rooms."""

import sys
from pathlib import Path

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "steps"), str(TESTS / "policy")]
