"""Train the book's networks before the first chapter that needs them runs.

Whichever chapter happened to be read first would otherwise train them, in silence and
inside one cell.  Here they train in a process of their own, which shows its progress on
the terminal and gives its memory back.
"""

import subprocess
import sys
from functools import cache

from sphinx.errors import SphinxError
from sphinx.util import logging

from cnnbook_sphinx import stamps

logger = logging.getLogger(__name__)


# What a chapter that runs one of these modules finds trained already.
COMMANDS = {
    "model": "train-for-book",
    "cheating": "train-cheats",
    "trust": "train-for-book --source drawn",
}


class TrainingError(SphinxError):
    """A network could not be trained."""

    category = "Training failed"


def train(root, modules):
    """Train what a chapter needs, unless it is there already; once per build.

    Parameters
    ----------
    root : pathlib.Path
        Where to run the commands: the top of the repository.
    modules : container of str
        Full names of the modules that the chapter runs.

    Raises
    ------
    TrainingError
        If a command fails; what it said is on the terminal.
    """
    for module, command in COMMANDS.items():
        if f"{stamps.PACKAGE}.{module}" in modules:
            _run(root, command)


@cache
def _run(root, command):
    """Run one command of the package, once."""
    logger.info("making sure that networks are trained (cnnbook %s)", command)
    sys.stdout.flush()
    call = [sys.executable, "-m", stamps.PACKAGE, *command.split()]
    code = subprocess.run(call, cwd=root, check=False).returncode
    if code:
        raise TrainingError(
            f"`cnnbook {command}` ended with exit code {code}; its own message is "
            "above.  No chapter that needs its networks was run."
        )
