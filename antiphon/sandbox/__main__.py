"""`python -m antiphon.sandbox`: serve, and say the address as one line of JSON."""

import argparse
import json
import os
import sys
from pathlib import Path

from antiphon.clock import edge_clock
from antiphon.sandbox.faults import read_script
from antiphon.sandbox.server import PORT, serve


def main() -> None:
    """Serve until stopped; `--faults` is a script of faults."""
    parser = argparse.ArgumentParser(prog="antiphon.sandbox")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--port", type=int, default=PORT)
    parser.add_argument("--faults", type=Path)
    parser.add_argument("--events-to", default="")
    parser.add_argument("--no-requests", action="store_true", help="journal ids only")
    parser.add_argument("--no-activity", action="store_true")
    given = parser.parse_args()
    serve(
        given.folder,
        port=given.port,
        script=read_script(given.faults) if given.faults else None,
        events_to=given.events_to,
        shows_activity=not given.no_activity,
        keeps_requests=not given.no_requests,
        clock=edge_clock(os.environ),
        ready=_say,
    )


def _say(url: str) -> None:
    sys.stdout.write(json.dumps({"url": url}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
