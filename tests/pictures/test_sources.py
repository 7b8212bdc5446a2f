"""What is known of a collection of pictures stands in one record."""

import pytest

from cnnbook import pictures, storage, training
from cnnbook.training import recipes

each_source = pytest.mark.parametrize("name", pictures.SOURCES)


@each_source
def test_a_source_is_known_by_its_name_its_credit_and_its_recipe(name):
    source = pictures.SOURCES[name]
    assert source.name == name
    assert source.credit
    assert training.recipe_for(name) == recipes.RECIPES[source.recipe]
    assert (source.sort is None) == (name == "drawn")


@each_source
def test_a_source_that_can_be_fetched_says_so_where_it_is_not(
    name, monkeypatch, tmp_path
):
    monkeypatch.setenv("CNNBOOK_CACHE", str(tmp_path))
    monkeypatch.delenv("CNNBOOK_PHOTOS", raising=False)
    download = pictures.SOURCES[name].download
    if download is None:
        assert pictures.find_source(name) == (name, None)
        return
    with pytest.raises(ValueError, match=f"run `cnnbook fetch {name}`"):
        pictures.find_source(name)
    folder = storage.destination(download)
    folder.mkdir()
    (folder / "a.txt").touch()
    assert pictures.find_source(name) == (name, folder)
    assert pictures.find_source("auto") == (name, folder)


def test_of_several_sources_the_one_that_may_be_shown_comes_first(
    monkeypatch, tmp_path
):
    monkeypatch.setenv("CNNBOOK_CACHE", str(tmp_path))
    monkeypatch.delenv("CNNBOOK_PHOTOS", raising=False)
    for source in pictures.SOURCES.values():
        if source.download is not None:
            folder = storage.destination(source.download)
            folder.mkdir()
            (folder / "a.txt").touch()
    name, _ = pictures.find_source("auto")
    assert pictures.SOURCES[name].publishable


def test_a_folder_of_your_own_is_a_source_of_photographs(tmp_path):
    assert training.recipe_for(str(tmp_path)) == training.recipe_for("photos")


def test_an_unknown_source_is_answered_with_the_known_ones():
    with pytest.raises(ValueError, match='"auto", "drawn", "photos", "oxford-pets" or'):
        pictures.find_source("birds")
