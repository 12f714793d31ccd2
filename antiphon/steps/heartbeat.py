"""What is done again and again while something else is at work: a lease renewed, a word left."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def beating(name: str, seconds: float, beat: Callable[[], bool]) -> Iterator[None]:
    """Calls `beat` every so many seconds from a thread while the body works, or until it says
    false. When this ends no beat is under way."""
    stop = threading.Event()

    def keep() -> None:
        while not stop.wait(seconds) and beat():
            pass

    heart = threading.Thread(target=keep, name=name, daemon=True)
    heart.start()
    try:
        yield
    finally:
        stop.set()
        heart.join()
