"""Train the book's classifier before the first chapter that needs it runs.

Whichever chapter happened to be read first would otherwise train it, in silence and
inside one cell.  Here it trains in a process of its own, which shows its progress on
the terminal and gives its memory back.
"""

import subprocess
import sys
from functools import cache

from sphinx.errors import SphinxError
from sphinx.util import logging

logger = logging.getLogger(__name__)


class TrainingError(SphinxError):
    """The classifier could not be trained."""

    category = "Training failed"


@cache
def train(root):
    """Train the classifier unless it is there already; once per build.

    Parameters
    ----------
    root : pathlib.Path
        Where to run the command: the top of the repository.

    Raises
    ------
    TrainingError
        If the command fails; what it said is on the terminal.
    """
    logger.info("making sure that the book's classifier is trained")
    sys.stdout.flush()
    command = [sys.executable, "-m", "cnnbook", "train-for-book"]
    code = subprocess.run(command, cwd=root, check=False).returncode
    if code:
        raise TrainingError(
            f"`cnnbook train-for-book` ended with exit code {code}; its own message "
            "is above.  No chapter that needs the classifier was run."
        )
