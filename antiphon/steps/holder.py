"""Who holds a lease: named so that the same machine can tell a dead holder from a living one."""

import os
import socket
from pathlib import Path
from secrets import token_hex


def this_process() -> str:
    """`host/pid/start`: names this process even after its pid was given to another."""
    return f"{socket.gethostname()}/{os.getpid()}/{_started(os.getpid())}"


def this_work() -> str:
    """Names one piece of this process's work: two at a time never pass for each other."""
    return f"{this_process()}/{token_hex(4)}"


def is_dead(holder: str) -> bool:
    """True only when the holder ran on this machine and is certainly gone."""
    host, pid, started, *_ = (*holder.split("/"), "", "")
    if host != socket.gethostname() or not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return _started(int(pid)) != started


def _started(pid: int) -> str:
    """The kernel's start time of a process; '' where the system does not tell, or it is over."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return ""
    state, *rest = stat.rpartition(")")[2].split()
    return "" if state == "Z" else rest[18]
