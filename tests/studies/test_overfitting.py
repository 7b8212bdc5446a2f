"""Few photographs, shown often: what is compared, and what the record holds."""

import numpy as np
import pytest
from PIL import Image

from cnnbook import pictures, studies
from cnnbook.studies import overfitting, records
from cnnbook.training import CHOSEN

pytestmark = pytest.mark.xdist_group("overfitting")


def history(losses, accuracy):
    return {
        "loss": losses,
        "accuracy": [accuracy] * len(losses),
        "val_loss": losses,
        "val_accuracy": [accuracy] * len(losses),
    }


def two_pairs(changed=(3.0, 2.0, 1.75, 1.5, 1.0, 1.0), better=0.8):
    """Without changes the loss turns after the second epoch, and after the first."""
    return [
        overfitting.LongTraining(True, 0, 40, 30, history([*changed], better)),
        overfitting.LongTraining(False, 0, 40, 30, history([3, 2, 3, 4, 5, 6.0], 0.7)),
        overfitting.LongTraining(True, 1, 40, 30, history([*changed], better)),
        overfitting.LongTraining(False, 1, 40, 30, history([1, 2, 3, 4, 5, 6.0], 0.5)),
    ]


# --- What is concluded


def test_turns_rises_and_shares_are_those_counted_by_hand():
    found = studies.overfitting.compare(two_pairs())
    assert (found.learned, found.judged, found.epochs) == (40, 30, 6)
    assert (found.first_turn, found.last_turn) == (1, 2)
    assert (found.least_rise, found.most_rise, found.changed_rise) == (4, 5, 0)
    assert (found.known, found.right, found.changed_right) == (0.5, 0.6, 0.8)
    assert found.always_better
    assert found.overfits


@pytest.mark.parametrize(
    ("changed", "overfits"),
    [((3, 2, 1, 1, 1, 2.9), True), ((3, 2, 1, 1, 1, 3.1), False)],
)
def test_a_rise_counts_only_if_it_is_twice_that_with_augmentation(changed, overfits):
    assert studies.overfitting.compare(two_pairs(changed)).overfits == overfits


def test_one_seed_that_is_no_better_with_augmentation_is_told():
    assert not studies.overfitting.compare(two_pairs(better=0.7)).always_better


def test_curves_are_averages_over_the_seeds():
    curves = studies.overfitting.mean_curves(two_pairs())
    np.testing.assert_allclose(curves["aside, alike"], [2, 2, 3, 4, 5, 6])
    np.testing.assert_allclose(curves["learned, changed"], [3, 2, 1.75, 1.5, 1, 1])


# --- What is measured


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """Small photographs: noise, reddish cats and bluish dogs."""
    rng = np.random.default_rng(0)
    for split, count in (("train", 20), ("validation", 5)):
        for channel, name in ((0, "cats"), (2, "dogs")):
            folder = tmp_path / "photos" / split / name
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = rng.integers(0, 150, (16, 16, 3), np.uint8)
                pixels[..., channel] += 60
                Image.fromarray(pixels).save(folder / f"{number}.png")
    monkeypatch.setenv("CNNBOOK_PHOTOS", str(tmp_path / "photos"))
    monkeypatch.setenv("CNNBOOK_BUILD", str(tmp_path / "build"))
    monkeypatch.setattr(records, "FOLDER", tmp_path / "results")
    for name, value in (("PICTURES", 12), ("SIZE", 16), ("EPOCHS", 2), ("SEEDS", (3,))):
        monkeypatch.setattr(overfitting, name, value)


def test_both_kinds_learn_from_the_same_training_pictures_alone(photos, monkeypatch):
    seen = []

    def train(network, learned, judged, *, epochs, seed, ingredients, **options):
        seen.append((learned, judged, epochs, seed, ingredients))
        return history([0.7] * epochs, 0.5)

    monkeypatch.setattr(overfitting, "train", train)
    studies.overfitting.record(progress=False)
    (one, judged, *_, with_it), (other, same, *_, without) = seen
    assert with_it == CHOSEN
    assert without == CHOSEN - {"augmentation"}
    assert [epochs for _, _, epochs, *_ in seen] == [2, 2]
    assert [seed for *_, seed, _ in seen] == [3, 3]
    np.testing.assert_array_equal(one.images, other.images)
    np.testing.assert_array_equal(judged.images, same.images)
    pets = pictures.load_pets("photos", size=16)
    of_training = {image.tobytes() for image in pets.train.images}
    learned, aside = (
        {image.tobytes() for image in part.images} for part in (one, judged)
    )
    assert (len(learned), len(aside)) == (12, 8)
    assert learned < of_training and aside < of_training and not learned & aside

    trainings = studies.overfitting.recorded()
    assert [training.augmented for training in trainings] == [True, False]
    assert studies.read_record("overfitting")["size"] == 16
    assert studies.overfitting.measure(progress=False) == trainings
    assert len(seen) == 2  # every training was kept


# --- What is recorded


def test_the_record_holds_three_pairs_of_whole_trainings():
    record = studies.read_record("overfitting")
    assert record["size"] == overfitting.SIZE
    trainings = studies.overfitting.recorded()
    kinds = [(training.seed, training.augmented) for training in trainings]
    assert kinds == [(s, a) for s in overfitting.SEEDS for a in (True, False)]
    for training in trainings:
        assert training.learned == overfitting.PICTURES
        for values in training.history.values():
            assert len(values) == overfitting.EPOCHS
            assert np.isfinite(values).all()


def test_what_the_chapter_says_of_overfitting_is_so():
    trainings = studies.overfitting.recorded()
    for training in trainings:
        losses = np.array(training.history["val_loss"])
        if not training.augmented:
            assert training.history["accuracy"][-1] > 0.99
            assert losses.argmin() < len(losses) / 2
            assert losses[-1] > losses.min() + 0.1
        else:
            assert losses[-1] < losses.min() + 0.03
    found = studies.overfitting.compare(trainings)
    assert found.overfits and found.always_better
