"""Try a function on a network: it is right, or refuses, or is wrong."""

import functools
import re
import traceback
import warnings
from collections import namedtuple

import keras

from tests.conformance.functions import FUNCTIONS, NEEDS
from tests.conformance.networks import NETWORKS
from tests.conformance.plain import Plain
from tests.conformance.wrong_today import WRONG_TODAY

RIGHT, REFUSED, WRONG = "right", "refused", "wrong"
Cell = namedtuple("Cell", "outcome words")


def tried(function, plain):
    """Call a function, and compare what came with what the table expects."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # other tests say who warns of what
            function.check(plain)
    except ValueError as error:
        frames = traceback.extract_tb(error.__traceback__)
        if any("/cnnbook/" in frame.filename for frame in frames):
            return Cell(REFUSED, sentence(error))
        return Cell(WRONG, f"the check: {error}")
    except Exception as error:  # whatever it is, it is no answer
        words = f"{type(error).__name__}: " * (type(error) is not AssertionError)
        return Cell(WRONG, words + sentence(error))
    return Cell(RIGHT, None)


def sentence(error):
    """Return what an error says, without what other machines say otherwise."""
    words = " ".join(str(error).split())
    words = re.sub(r"\S*/(?=network\.\w+)", "", words)
    # Behind the colon stands what Keras says.
    words = re.sub(r"(cannot be copied|cannot be loaded)(.*?): .*", r"\1\2", words)
    return words if len(words) <= 400 else words[:400] + " …"


def as_expected(cell, words):
    """Tell whether a cell is right, or refused in the words where it must be."""
    if words is None:
        return cell.outcome == RIGHT
    return cell.outcome == REFUSED and bool(re.search(words, cell.words))


@functools.cache
def row(name):
    """Try all functions on a network.

    Returns the cells by function, and for those that are not as the table says what
    was expected and what came.
    """
    # So that layers have the same names every time; collecting garbage takes long.
    keras.backend.clear_session(free_memory=False)
    plain, cells, off = Plain(NETWORKS[name]), {}, {}
    for function in FUNCTIONS.values():
        if not function.is_tried_on(plain.network):
            continue
        cells[function.name] = cell = tried(function, plain)
        words = function.refusal(plain)
        if not as_expected(cell, words):
            expected = "a right answer" if words is None else f"refused by {words!r}"
            off[function.name] = (
                f"expected {expected}; got {cell.outcome}: {cell.words}"
            )
    return cells, off


def known(name):
    """Return why functions are wrong on a network today: {function: reason}."""
    return {
        function: reason
        for reason, (functions, networks) in WRONG_TODAY.items()
        for function in functions
        if networks(NETWORKS[name]) and FUNCTIONS[function].is_tried_on(NETWORKS[name])
    }


def written(name):
    """Return what the page says of a network: rows of what is refused, and how."""
    network, (cells, _) = NETWORKS[name], row(name)
    rows = []
    for need in network.refused:
        said = [
            cells[function.name].words
            for function in FUNCTIONS.values()
            if function.name in cells
            and need in (function.name, *function.needs)
            and function.is_refused_by(network)
            and cells[function.name].outcome == REFUSED
            and re.search(network.refused[need], cells[function.name].words)
        ]
        if said:
            rows.append([NEEDS.get(need, need), said[0]])
    for reason in dict.fromkeys(known(name).values()):
        rows.append(["not right yet", reason])
    rows = rows or [["nothing", "All functions take it."]]
    return {"name": name, "about": network.about, "rows": rows}
