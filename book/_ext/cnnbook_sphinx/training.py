"""Train the book's networks before the chapters that need them run.

Whichever chapter happened to be read first would otherwise train them, in silence and
inside one cell.  Here they train in processes of their own, which say how far they are
and give their memory back.
"""

import sys
from functools import partial

from sphinx.util import logging

from cnnbook_sphinx import stamps
from cnnbook_sphinx.jobs import Job, JobError, Program

logger = logging.getLogger(__name__)

# What a chapter that runs one of these modules finds trained already.
COMMANDS = {
    "training.built": "train-for-book",
    "studies.cheating": "train-cheats",
    "studies.trust": "train-for-book --source drawn",
}

# Without photographs these train the same network, once.
AFTER = {"train-for-book --source drawn": {"train-for-book"}}


def commands_for(modules):
    """List the commands that train what some modules need.

    Parameters
    ----------
    modules : container of str
        Full names of modules.

    Returns
    -------
    commands : list of str
        Arguments of ``cnnbook``.
    """
    return [
        command
        for module, command in COMMANDS.items()
        if f"{stamps.PACKAGE}.{module}" in modules
    ]


def job(root, command):
    """Return the job that trains what a command trains, unless it is there already.

    Parameters
    ----------
    root : pathlib.Path
        Where to run the command: the top of the repository.
    command : str
        From `commands_for`.

    Returns
    -------
    job : jobs.Job
        Named as the command is.  It fails if the command does; what that said is on
        the terminal.
    """
    program = Program(
        [sys.executable, "-m", stamps.PACKAGE, *command.split()], cwd=root
    )
    needs = frozenset(AFTER.get(command, ()))
    return Job(command, partial(_run, command, program), program.stop, needs)


def _run(command, program):
    """Run one command of the package; what it says is passed on under its name.

    A training says how far it is.  A command that says nothing had nothing to train.
    """
    lines = []

    def tell(line):
        lines.append(line)
        logger.info("%s: %s", command, line)

    if code := program.run(tell):
        raise JobError(
            f"`cnnbook {command}` ended with exit code {code}; its own message is above"
        )
    return bool(lines)
