"""Training learns what can be learned, and the same again from the same seed."""

import contextlib
import io
import random

import numpy as np
import pytest

from cnnbook import networks, training
from cnnbook.pictures import Split

EPOCHS = 3

pytestmark = pytest.mark.xdist_group("training")


def build():
    return networks.build_classifier((16, 16, 3), filters=(4, 8))


def flat(model):
    return np.concatenate([array.ravel() for array in model.get_weights()])


def stripes(rng, count):
    """Noisy pictures with stripes across (0) or down (1): no single pixel tells."""
    labels = np.arange(count) % 2
    phases = rng.integers(0, 4, count)
    waves = 128 + 60 * np.sign(np.sin((np.arange(16) + phases[:, None] + 0.5) * 1.57))
    down = np.broadcast_to(waves[:, None, :, None], (count, 16, 16, 3))
    images = np.where(labels[:, None, None, None] == 1, down, down.swapaxes(1, 2))
    noise = rng.normal(0, 20, images.shape)
    return Split((images + noise).clip(0, 255).astype(np.uint8), labels)


@pytest.fixture(scope="module")
def splits():
    rng = np.random.default_rng(0)
    return stripes(rng, 128), stripes(rng, 64)


def train(model, splits, **options):
    options = {"epochs": EPOCHS, "batch_size": 16, "progress": False} | options
    return training.train(model, *splits, **options)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def told(model, splits, *, stderr=io.StringIO, **options):
    """Train, and listen: (history, what went to stdout, what went to stderr)."""
    out, err = io.StringIO(), stderr()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        history = train(model, splits, **options)
    return history, out.getvalue(), err.getvalue()


@pytest.fixture(scope="module")
def trained(splits):
    """One with seed 5: (network, history, {epochs done: weights}, what was printed)."""
    model, weights = build(), {}
    history, *said = told(
        model,
        splits,
        seed=5,
        after_epoch=lambda done: weights.update({done: model.get_weights()}),
    )
    return model, history, weights, said


@pytest.fixture(scope="module")
def again(splits):
    """The same from other weights, and telling of it: (network, stdout, stderr)."""
    model = build()
    model.set_weights([array + 1 for array in model.get_weights()])
    _, *said = told(model, splits, seed=5, progress=True)
    return model, *said


def global_seeds():
    # Keras draws from Python's generator whatever it is given no seed for.
    return random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002


@pytest.fixture(scope="module")
def other(splits):
    """One with seed 6 in a terminal: (network, stderr, global seeds before, after)."""
    model, before = build(), global_seeds()
    _, _, err = told(model, splits, seed=6, progress=True, stderr=Terminal)
    return model, err, before, global_seeds()


@pytest.mark.slow
def test_stripes_across_are_told_from_stripes_down(splits):
    model = build()
    history = train(
        model, splits, epochs=6, ingredients=training.CHOSEN - {"augmentation"}
    )
    assert training.evaluate(model, splits[1]).accuracy == 1
    assert history["accuracy"][-1] > 0.95


@pytest.mark.slow
def test_the_same_seed_gives_the_same_weights_whatever_they_were_before(again, trained):
    np.testing.assert_array_equal(flat(again[0]), flat(trained[0]))  # bit for bit


@pytest.mark.slow
def test_another_seed_gives_other_weights_and_none_touches_global_ones(other, trained):
    model, _, before, after = other
    assert not np.allclose(flat(model), flat(trained[0]), atol=1e-3)
    assert after == before


def test_history_has_every_measure_of_every_epoch(trained):
    _, history, *_ = trained
    assert set(history) == {"accuracy", "loss", "val_accuracy", "val_loss"}
    assert all(len(values) == EPOCHS for values in history.values())


def test_after_every_epoch_the_plain_network_is_as_good_as_the_one_in_training(
    splits, trained
):
    _, history, weights, _ = trained
    assert list(weights) == [0, 1, 2, 3]
    model = build()
    for epoch in range(EPOCHS):
        model.set_weights(weights[epoch + 1])
        measured = training.evaluate(model, splits[1])
        assert measured.loss == pytest.approx(history["val_loss"][epoch], rel=1e-4)
        assert measured.accuracy == pytest.approx(history["val_accuracy"][epoch])


def test_training_ends_with_the_weights_of_the_last_epoch(trained):
    model, _, weights, _ = trained
    for ours, theirs in zip(model.get_weights(), weights[EPOCHS], strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("epochs", [1, 3])
def test_fewer_pictures_than_a_batch_are_one_batch(splits, rng, epochs):
    few = stripes(rng, 5)
    history = train(build(), (few, splits[1]), batch_size=64, epochs=epochs)
    assert len(history["loss"]) == epochs
    assert np.isfinite(history["val_loss"]).all()


def test_three_classes_can_be_told_apart(rng):
    labels = np.arange(96) % 3
    images = rng.integers(0, 60, (96, 16, 16, 3))
    images[np.arange(96), :, :, labels] += 150  # red, green or blue
    split = Split(images.astype(np.uint8), labels)
    model = networks.build_classifier((16, 16, 3), 3, filters=(4,))
    train(model, (split, split), epochs=6)
    assert training.evaluate(model, split).accuracy == 1


# --- What goes wrong, and what is reported


def test_a_last_step_that_diverges_is_noticed_and_leaves_no_checkpoint(
    splits, tmp_path
):
    path = tmp_path / "training.npz"
    options = {"epochs": 1, "batch_size": 128, "ingredients": (), "checkpoint": path}
    with pytest.raises(ValueError, match=r"diverged.*after epoch 1.*learning_rate"):
        train(build(), splits, learning_rate=1e20, **options)
    assert not path.exists()


def test_a_loss_that_is_not_a_number_ends_training_with_the_likely_cause(splits):
    message = r"diverged.* at step \d+ of epoch 1\..*learning_rate \(now 1e\+30\)"
    with pytest.raises(ValueError, match=message):
        train(build(), splits, learning_rate=1e30)


@pytest.mark.parametrize("wrong", [0, -0.004, np.nan, np.inf])
def test_a_learning_rate_is_above_zero(splits, wrong):
    with pytest.raises(ValueError, match="a finite number above 0; got"):
        train(build(), splits, learning_rate=wrong)


def test_pictures_of_one_class_alone_are_refused(splits):
    ones = Split(splits[0].images, np.ones_like(splits[0].labels))
    message = f"two or more; all {len(ones):,} are of class 1"
    with pytest.raises(ValueError, match=message):
        train(build(), (ones, splits[1]))


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (np.zeros((4, 9, 16, 3), np.uint8), [0, 1, 0, 1], r"got \(4, 9, 16, 3\)"),
        (np.zeros((0, 16, 16, 3), np.uint8), [], "at least one image"),
        (np.full((2, 16, 16, 3), 255.0), [0, 1], "divide by 255"),
        (np.zeros((2, 16, 16, 3), np.uint8), [0, 2], "classes from 0 to 1"),
        (np.zeros((2, 16, 16, 3), np.uint8), [0], "2 images and 1 labels"),
    ],
)
def test_pictures_that_do_not_fit_are_refused_wherever_they_are(
    splits, images, labels, message
):
    wrong = Split(images, np.array(labels, int))
    for pair in ((wrong, splits[1]), (splits[0], wrong)):
        with pytest.raises(ValueError, match=message):
            train(build(), pair)


@pytest.mark.parametrize(
    ("option", "least"), [("epochs", 1), ("batch_size", 1), ("seed", 0)]
)
def test_epochs_batch_size_and_seed_are_whole_numbers(splits, option, least):
    for wrong in (least - 1, least + 0.5):
        message = f"{option} must be a whole number of at least {least}; got {wrong}"
        with pytest.raises(ValueError, match=message):
            train(build(), splits, **{option: wrong})


@pytest.mark.slow
def test_away_from_a_terminal_each_epoch_is_one_line_with_the_time_left(again):
    _, out, err = again
    lines = err.splitlines()
    assert out == ""
    assert [line.split(":")[0] for line in lines] == [
        f"epoch {epoch}/{EPOCHS}" for epoch in (1, 2, 3)
    ]
    assert all("validation" in line and line.endswith(" left") for line in lines)
    assert "\r" not in err


@pytest.mark.slow
def test_on_a_terminal_a_bar_runs_over_all_steps(other):
    last = other[1].rstrip().split("\r")[-1]
    assert "100%" in last
    assert "24/24" in last  # 128 pictures by 16, three times


def test_without_progress_nothing_is_printed(trained):
    *_, said = trained
    assert said == ["", ""]
