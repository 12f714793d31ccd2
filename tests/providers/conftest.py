"""The contract suite, importable by the tests of every adapter."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "contract"))
