"""Every function on every network of the table: right, or refused with a sentence."""

import importlib

import pytest

from cnnbook import studies
from tests.conformance import cells
from tests.conformance.functions import FUNCTIONS, LEFT_OUT, takes_a_model
from tests.conformance.networks import NETWORKS
from tests.test_rooms import ROOMS

REMAKE = "the page is of another day: run `python -m tests.conformance`, which remakes"


@pytest.fixture(autouse=True)
def files_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("CNNBOOK_BUILD", str(tmp_path))


@pytest.mark.parametrize("name", NETWORKS)
def test_every_function_is_right_or_refuses_a_model(name):
    _, off = cells.row(name)
    known = cells.known(name)
    new = {function: words for function, words in off.items() if function not in known}
    assert not new, "\n".join(f"{function}: {words}" for function, words in new.items())
    mended = known.keys() - off.keys()
    assert not mended, f"as expected now, so take them out of wrong_today: {mended}"
    (there,) = [n for n in studies.read_record("which-models")["networks"]
                if n["name"] == name] or [None]  # fmt: skip
    assert there == cells.written(name), f"{REMAKE} it"
    if off:
        pytest.xfail("; ".join(sorted({known[function] for function in off})))


def test_the_page_lists_the_networks_of_the_table():
    there = studies.read_record("which-models")["networks"]
    assert [network["name"] for network in there] == list(NETWORKS), f"{REMAKE} it"


def test_every_public_function_that_takes_a_model_is_tried_or_left_out_for_a_reason():
    public = set()
    for room in ROOMS:
        face = importlib.import_module(f"cnnbook.{room}")
        public |= {name for name in face.__all__ if takes_a_model(getattr(face, name))}
    assert public == FUNCTIONS.keys() | LEFT_OUT.keys()
    assert not FUNCTIONS.keys() & LEFT_OUT.keys()
    assert all(LEFT_OUT.values())


def test_what_is_wrong_today_names_functions_and_networks_of_the_tables():
    for reason, (functions, networks) in cells.WRONG_TODAY.items():
        assert set(functions) <= FUNCTIONS.keys(), reason
        assert any(map(networks, NETWORKS.values())), reason
