"""Fixtures that several test modules share."""

import functools
import shutil

import numpy as np
import pytest

from cnnbook import storage, tensorflow_start

tensorflow_start.prepare()  # as the book and the commands do


@pytest.fixture
def rng():
    """A fresh generator with the same seed for every test."""
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def built_from(tmp_path_factory):
    """Return a function of a source: the book's classifier, as a build trains it.

    The one that the book was built with, if it was; else it is trained, once, and
    not into the checkout.  Who uses it is in the group "built", for one training.
    """
    folder = tmp_path_factory.mktemp("build")
    kept = storage.find_build_folder() / "classifier"
    if kept.is_dir():
        unfinished = shutil.ignore_patterns(".*")
        shutil.copytree(kept, folder / "classifier", ignore=unfinished)

    @functools.cache
    def built(source):
        from cnnbook import training

        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("CNNBOOK_BUILD", str(folder))
            return training.train_for_book(source, progress=False)

    return built
