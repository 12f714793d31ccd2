"""The log of a run: every line of ours in the run's folder, whoever started the run."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from antiphon.errors import AntiphonError

RUN_LOG = "run.log"
_OURS = logging.getLogger("antiphon")


@contextmanager
def logged(folder: Path) -> Iterator[None]:
    """Lines of the `antiphon` loggers go to `run.log` too, in UTC; so does an end by error.

    A resumed run goes on in the same file. Of an error that is not ours only the kind is written:
    its text may hold somebody's data.
    """
    folder.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(folder / RUN_LOG, encoding="utf-8")
    form = logging.Formatter(
        "%(asctime)sZ %(levelname)s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S"
    )
    form.converter = time.gmtime
    handler.setFormatter(form)
    level = _OURS.level
    if _OURS.getEffectiveLevel() > logging.INFO:
        _OURS.setLevel(logging.INFO)
    _OURS.addHandler(handler)
    try:
        yield
    except BaseException as error:
        # Only here: whoever catches it tells the person.
        reason = str(error) if isinstance(error, AntiphonError) else type(error).__name__
        record = logging.makeLogRecord(
            {"name": "antiphon.run", "levelname": "ERROR", "levelno": logging.ERROR}
        )
        record.msg = f"stopped: {reason}"
        handler.handle(record)
        raise
    finally:
        _OURS.removeHandler(handler)
        handler.close()
        _OURS.setLevel(level)
