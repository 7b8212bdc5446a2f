"""Drawn pets are what their labels, masks and factors say, and nothing gives them away.

The class may show in ears, muzzle, whiskers and pupils only: a classifier that sees
all the rest must guess, and so must nearly every linear classifier of the pixels.
"""

import os
import subprocess
import sys

import numpy as np
import pytest

from cnnbook import pictures
from cnnbook.pictures import PARTS, draw_pets
from cnnbook.pictures.drawing import coats, scenes

CAT, DOG = 0, 1

pytestmark = pytest.mark.xdist_group("drawing")


@pytest.fixture(scope="module")
def portraits():
    """Sixty clean pictures, where nothing hides a part."""
    return draw_pets(60, size=64, seed=1, difficulty=0)


@pytest.fixture(scope="module")
def pets():
    """Sixty pictures of the usual difficulty."""
    return draw_pets(60, size=64, seed=1)


# The same pets, every time and everywhere


def test_the_same_seed_draws_the_same_pixels_and_another_seed_others(pets):
    np.testing.assert_array_equal(draw_pets(60, size=64, seed=1).images, pets.images)
    assert (draw_pets(60, size=64, seed=2).images != pets.images).mean() > 0.9


def test_a_pet_does_not_depend_on_how_many_are_drawn(pets):
    few = draw_pets(7, size=64, seed=1)
    for name in ("images", "labels", "parts", "factors"):
        np.testing.assert_array_equal(getattr(few, name), getattr(pets, name)[:7])


def test_pixels_do_not_depend_on_the_processors_vector_instructions(pets):
    config = np.__config__.show(mode="dicts")
    extensions = config.get("SIMD Extensions", {}).get("found", [])
    if not extensions:
        pytest.skip("this NumPy chooses no vector instructions at run time")
    code = (
        "import sys; from cnnbook.pictures import draw_pets; "
        "sys.stdout.buffer.write(draw_pets(60, size=64, seed=1).images.tobytes())"
    )
    plain = os.environ | {"NPY_DISABLE_CPU_FEATURES": " ".join(extensions)}
    drawn = subprocess.run(
        [sys.executable, "-c", code], env=plain, capture_output=True, check=True
    ).stdout
    assert drawn == pets.images.tobytes()


def test_a_pet_is_the_same_drawing_at_every_size(portraits):
    large = draw_pets(60, size=128, seed=1, difficulty=0)
    np.testing.assert_array_equal(large.labels, portraits.labels)
    np.testing.assert_array_equal(large.factors, portraits.factors)
    halved = large.images.reshape(60, 64, 2, 64, 2, 3).mean(axis=(2, 4))
    difference = np.abs(halved - portraits.images).mean(axis=(1, 2, 3))
    assert difference.max() < 3  # grey levels of 255


# Labels


@pytest.mark.parametrize("count", [2, 10, 60])
def test_cats_and_dogs_are_equally_many(count):
    assert (draw_pets(count, size=16, seed=3).labels == DOG).sum() == count / 2


def test_an_odd_pet_out_is_either():
    odd = {int(draw_pets(1, size=16, seed=seed).labels[0]) for seed in range(20)}
    assert odd == {CAT, DOG}


def test_the_order_of_labels_is_shuffled(pets):
    pairs = pets.labels.reshape(-1, 2)
    cat_first = (pairs[:, 0] == CAT).mean()
    assert 0.2 < cat_first < 0.8


# Parts


def test_each_pixel_belongs_to_exactly_one_part(pets):
    masks = pets.part_masks
    assert tuple(masks) == PARTS
    np.testing.assert_array_equal(sum(masks[name].astype(int) for name in PARTS), 1)


@pytest.mark.parametrize(
    "part", ["background", "body", "face", "ears", "muzzle", "eyes"]
)
def test_every_clean_portrait_shows_every_part(portraits, part):
    assert portraits.part_masks[part].any(axis=(1, 2)).all()


def test_cats_have_whiskers_and_dogs_have_none(portraits):
    shown = portraits.part_masks["whiskers"].any(axis=(1, 2))
    np.testing.assert_array_equal(shown, portraits.labels == CAT)


def test_dogs_have_the_larger_muzzle_in_heads_of_the_same_size(portraits):
    muzzle = portraits.part_masks["muzzle"].mean(axis=(1, 2))
    dog = portraits.labels == DOG
    assert muzzle[dog].min() > 1.5 * muzzle[~dog].max()


def test_cats_ears_point_up_and_dogs_ears_hang_lower(portraits):
    rows = np.arange(64)[None, :, None]

    def height(part):
        mask = portraits.part_masks[part]
        return (mask * rows).sum(axis=(1, 2)) / mask.sum(axis=(1, 2))

    assert (height("ears") < height("eyes"))[portraits.labels == CAT].all()
    assert (height("eyes") < height("muzzle")).all()
    assert (height("muzzle") < height("body")).all()
    cat, dog = (
        height("ears")[portraits.labels == label].mean() for label in (CAT, DOG)
    )
    assert cat < dog - 5


def test_a_pet_has_a_tag_in_the_mask_if_it_has_one_in_the_factors(portraits):
    shown = portraits.part_masks["tag"].any(axis=(1, 2))
    np.testing.assert_array_equal(shown, portraits.factors["tag"] != "none")


@pytest.mark.parametrize("colour", ["yellow", "violet"])
def test_the_tags_mask_covers_the_tags_colour(portraits, colour):
    inside = portraits.part_masks["tag"]
    inside &= (portraits.factors["tag"] == colour)[:, None, None]
    seen = np.median(portraits.images[inside], axis=0) / 255
    np.testing.assert_allclose(seen, coats.TAGS[colour], atol=0.06)


def test_what_covers_a_pet_belongs_to_the_background(monkeypatch):
    options = {"size": 64, "seed": 6, "difficulty": 1}
    monkeypatch.setattr(scenes, "blur", lambda planes, radius: planes)
    covered = draw_pets(40, **options)
    monkeypatch.setattr(scenes, "paint_cover", lambda *_: None)
    free = draw_pets(40, **options)
    changed = (covered.images != free.images).any(axis=-1)
    assert changed.any(axis=(1, 2)).sum() == (covered.factors["cover"] != "none").sum()
    # At its edge a cover tints pixels that it does not own: less than half of each.
    assert covered.part_masks["background"][changed].mean() > 0.85
    assert covered.part_masks["background"][covered.parts != free.parts].all()


# Difficulty


def test_a_clean_portrait_is_upright_central_and_nothing_spoils_it(portraits):
    factors = portraits.factors
    for name in ("yaw", "pitch", "roll", "light", "blur", "noise", "clutter"):
        assert not factors[name].any(), name
    assert set(factors["cover"]) == {"none"}
    assert set(factors["scene"]) == {"studio"}
    for name in ("scale", "x", "y", "exposure", "warmth", "eye_open"):
        assert np.ptp(factors[name]) == 0, name


def test_difficulty_changes_the_picture_and_not_the_pet(portraits, pets):
    for name in (
        "coat",
        "second_coat",
        "pattern",
        "eye_colour",
        "nose",
        "collar",
        "tag",
    ):
        np.testing.assert_array_equal(pets.factors[name], portraits.factors[name])
    np.testing.assert_array_equal(pets.labels, portraits.labels)


def test_each_nuisance_grows_with_difficulty():
    graded = [draw_pets(100, size=16, difficulty=d).factors for d in (0, 0.25, 0.5, 1)]
    for name in ("yaw", "roll", "light", "blur", "noise", "clutter"):
        spread = [np.abs(factors[name]).mean() for factors in graded]
        assert (np.diff(spread) > 0).all(), name


# Nothing but the animal tells its class


def columns_of(factors):
    """Return each factor as columns of mean 0 and spread 1; names become indicators."""
    columns = []
    for name in factors.dtype.names:
        values = factors[name]
        if values.dtype.kind == "U":
            columns += [values == kind for kind in np.unique(values)[1:]]
        else:
            columns.append(values)
    table = np.stack(columns, axis=1).astype(float)
    return (table - table.mean(0)) / (table.std(0) + 1e-12)


def cross_validated_accuracy(table, labels, folds=5, penalty=10.0):
    """Return the accuracy, on pets it has not seen, of a logistic regression."""
    table = np.concatenate([table, np.ones((len(table), 1))], axis=1)
    fold = np.arange(len(labels)) % folds
    right = 0
    for held_out in range(folds):
        x, y = table[fold != held_out], labels[fold != held_out]
        weights = np.zeros(x.shape[1])
        for _ in range(8):  # Newton's method: the loss is convex and nearly quadratic
            chance = 1 / (1 + np.exp(-x @ weights))
            slope = x.T @ (chance - y) + penalty * weights
            curvature = (x.T * (chance * (1 - chance))) @ x
            curvature += penalty * np.eye(x.shape[1])
            weights -= np.linalg.solve(curvature, slope)
        x, y = table[fold == held_out], labels[fold == held_out]
        right += ((x @ weights > 0) == (y == 1)).sum()
    return right / len(labels)


@pytest.fixture(scope="module")
def many():
    return draw_pets(3000, size=64, seed=5)


@pytest.mark.slow
def test_the_factors_alone_do_not_tell_cats_from_dogs(many):
    assert cross_validated_accuracy(columns_of(many.factors), many.labels) <= 0.55


@pytest.mark.slow
def test_products_of_factors_do_not_tell_cats_from_dogs_either(many, rng):
    table = columns_of(many.factors)
    first, second = rng.integers(table.shape[1], size=(2, 150))
    products = table[:, first] * table[:, second]
    assert cross_validated_accuracy(products, many.labels, penalty=100) <= 0.55


@pytest.mark.slow
def test_the_same_classifier_finds_a_planted_cue():
    cheating = draw_pets(600, size=16, seed=4, cheat=0.9)
    assert cross_validated_accuracy(columns_of(cheating.factors), cheating.labels) > 0.9


@pytest.mark.slow
def test_no_single_factor_differs_between_cats_and_dogs(many):
    cat, dog = (columns_of(many.factors)[many.labels == k] for k in (CAT, DOG))
    error = np.sqrt(cat.var(0) / len(cat) + dog.var(0) / len(dog))
    distance = np.abs(cat.mean(0) - dog.mean(0)) / (error + 1e-12)
    assert distance.max() < 4  # standard errors, the largest of about a hundred


@pytest.mark.slow
def test_a_linear_classifier_of_the_pixels_stays_at_or_under_three_in_four(many):
    pixels = many.images.reshape(3000, -1).astype(np.float32) / 255
    pixels -= pixels[:2000].mean(0)
    signs = np.where(many.labels == DOG, 1.0, -1.0)
    alike = (pixels @ pixels[:2000].T).astype(float)  # so that 2,000 numbers are fitted
    accuracies = []
    for penalty in alike[:2000].trace() / 2000 * 10.0 ** np.arange(-3, 2):
        weights = np.linalg.solve(alike[:2000] + penalty * np.eye(2000), signs[:2000])
        accuracies.append(((alike[2000:] @ weights > 0) == (signs[2000:] > 0)).mean())
    assert 0.5 < max(accuracies) <= 0.75


# Cheating


@pytest.mark.slow
def test_a_share_of_the_pets_wears_a_tag_that_gives_the_class_away():
    cheating = draw_pets(400, size=16, cheat=0.3)
    honest = draw_pets(400, size=16)
    given = np.where(cheating.labels == CAT, *pictures.CHEAT_TAGS)
    changed = cheating.factors != honest.factors
    # A pet that cheats is left as it was if it wore the right tag already (3 in 10).
    assert 0.3 * 0.5 < changed.mean() < 0.3
    np.testing.assert_array_equal(cheating.factors["tag"][changed], given[changed])
    assert cheating.factors["collar"][changed].all()


def test_if_all_cheat_every_tag_gives_the_class_away_and_is_in_the_picture():
    cheating = draw_pets(200, size=32, difficulty=1, cheat=1)
    given = np.where(cheating.labels == CAT, *pictures.CHEAT_TAGS)
    np.testing.assert_array_equal(cheating.factors["tag"], given)
    assert cheating.part_masks["tag"].any(axis=(1, 2)).all()


def test_cheating_changes_pixels_of_collar_and_tag_only(portraits):
    cheating = draw_pets(60, size=64, seed=1, difficulty=0, cheat=1)
    changed = (cheating.images != portraits.images).any(axis=-1)
    assert changed.any()
    masks = cheating.part_masks
    allowed = masks["body"] | masks["tag"]
    for axis in (1, 2):  # and their neighbours, which collar and tag cover in part
        allowed |= np.roll(allowed, 1, axis) | np.roll(allowed, -1, axis)
    assert allowed[changed].all()


# Mistakes


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"count": 0}, "count must be a whole number of at least 1; got 0"),
        ({"count": 2.5}, "count must be a whole number of at least 1; got 2.5"),
        ({"count": True}, "count must be a whole number"),
        ({"size": 15}, "size must be a whole number of at least 16; got 15"),
        ({"size": (64, 64)}, "size must be a whole number"),
        ({"seed": -1}, "seed must be a whole number of at least 0; got -1"),
        ({"seed": None}, "seed must be a whole number"),
        ({"difficulty": 1.01}, "difficulty must be a number from 0 to 1; got 1.01"),
        ({"difficulty": float("nan")}, "difficulty must be a number from 0 to 1"),
        ({"difficulty": "hard"}, "difficulty must be a number from 0 to 1; got 'hard'"),
        ({"cheat": -0.1}, "cheat must be a number from 0 to 1; got -0.1"),
    ],
)
def test_arguments_out_of_range_are_named_with_what_was_expected(arguments, complaint):
    with pytest.raises(ValueError) as error:
        draw_pets(**({"count": 1} | arguments))
    assert str(error.value).startswith(complaint)
