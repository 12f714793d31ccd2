"""A parser in a process of its own, to be killed. Arguments: the ledger's URL and a folder."""

import sys
from pathlib import Path

from back_office import Clock
from office_files import configuration_in

from antiphon.collection import inbox
from antiphon.ledger import Ledger
from antiphon.project import Project

if __name__ == "__main__":
    inbox.REQUESTS = 2
    root = Path(sys.argv[2])
    project = Project(root, configuration_in(root), {}, Clock())
    project.__dict__["ledger"] = Ledger(sys.argv[1])
    inbox.parse(project)
