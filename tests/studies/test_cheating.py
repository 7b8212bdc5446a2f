"""Two networks see the same animals; only one is shown tags that tell the class."""

from functools import partial

import numpy as np
import pytest

from cnnbook import maps, networks, pictures, studies, training
from cnnbook.studies import cheating
from cnnbook.training import built

pytestmark = pytest.mark.xdist_group("cheating")


@pytest.fixture(scope="module")
def collections():
    return {
        tags: studies.cheating.collection(tags, 40)
        for tags in ("telling", "random", "swapped")
    }


@pytest.mark.slow
def test_tags_tell_the_class_lie_about_it_or_say_nothing(collections):
    for tags, (cat, dog) in (
        ("telling", ("yellow", "violet")),
        ("swapped", ("violet", "yellow")),
    ):
        pets = collections[tags]
        expected = np.where(pets.labels == 0, cat, dog)
        np.testing.assert_array_equal(pets.factors["tag"], expected)
    many = studies.cheating.collection("random", 400)
    for label in (0, 1):
        share = (many.factors["tag"][many.labels == label] == "violet").mean()
        assert 0.2 < share < 0.4  # three in five wear a tag, half of these a violet one


def test_the_animals_are_the_same_in_all_collections(collections):
    first, *others = collections.values()
    for other in others:
        np.testing.assert_array_equal(first.labels, other.labels)
        for name in first.factors.dtype.names:
            if name not in ("collar", "tag"):
                np.testing.assert_array_equal(first.factors[name], other.factors[name])
        unchanged = (first.images == other.images).all(axis=-1).mean(axis=(1, 2))
        assert (unchanged > 0.9).all()


def test_other_tags_are_refused():
    with pytest.raises(ValueError, match="telling, random, swapped; got 'none'"):
        studies.cheating.collection("none")


@pytest.fixture
def small(tmp_path, monkeypatch):
    """Half of the chapter's pets, at half their size, for half as many filters."""
    monkeypatch.setenv("CNNBOOK_BUILD", str(tmp_path))
    for name, value in {
        "LEARNED": 800,
        "JUDGED": 150,
        "EPOCHS": 8,
        "LEARNING_RATE": 0.005,
        "SIZE": 48,
    }.items():
        monkeypatch.setattr(cheating, name, value)
    build = partial(networks.build_classifier, filters=(8, 16, 32))
    monkeypatch.setattr(built, "build_classifier", build)


@pytest.mark.slow
def test_the_cheat_is_fooled_and_found_out_and_the_mended_network_is_not(small):
    pupils = studies.cheating.train_for_chapter(progress=False)
    swapped = studies.cheating.collection("swapped", 150)
    accuracy = {
        who: (
            training.evaluate(pupil.model, swapped).accuracy,
            pupil.metrics.accuracy,
        )
        for who, pupil in pupils.items()
    }
    assert accuracy["telling"][0] < 0.1 < 0.95 < accuracy["telling"][1]
    assert accuracy["random"][0] > 0.6
    masks = swapped.part_masks["tag"]
    density = {}
    for who, pupil in pupils.items():
        found = maps.vote_maps(pupil.model, swapped.images / np.float32(255), 0, 1)
        inside, area = pictures.share_inside(found, masks, margin=4)
        density[who] = np.nanmean(inside) / np.nanmean(area)
    assert density["telling"] > 2 * density["random"]
    again = studies.cheating.train_for_chapter(progress=False)
    assert again == pupils  # not trained again
