"""A training goes on from its checkpoint, and from no other."""

import errno
import shutil

import numpy as np
import pytest

from cnnbook import networks, training
from cnnbook.pictures import Split
from cnnbook.training import checkpoints

ALL = frozenset(training.INGREDIENTS)

pytestmark = pytest.mark.xdist_group("checkpoints")


@pytest.fixture(scope="module")
def splits():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (48, 16, 16, 3), np.uint8)
    return Split(images, np.arange(48) % 2), Split(images[:8], np.arange(8) % 2)


def train(splits, *, filters=(4, 8), stop_after=None, **options):
    """Train a small network, perhaps until Ctrl-C: (network, history or None)."""
    model = networks.build_classifier((16, 16, 3), filters=filters)

    def after_epoch(done):
        if done == stop_after:
            raise KeyboardInterrupt

    options = {"epochs": 4, "batch_size": 16, "seed": 5} | options
    try:
        history = training.train(
            model, *splits, after_epoch=after_epoch, progress=False, **options
        )
    except KeyboardInterrupt:
        history = None
    return model, history


def assert_same(network, other):
    """Compare weights bit for bit."""
    for ours, theirs in zip(network.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.fixture(scope="module")
def never_stopped(splits):
    """Trainings without an interruption: {ingredients: (network, history)}."""
    return {names: train(splits, ingredients=names) for names in (training.CHOSEN, ALL)}


@pytest.fixture(scope="module")
def left_behind(splits, tmp_path_factory):
    """The checkpoint of a training that was stopped after two of its four epochs."""
    path = tmp_path_factory.mktemp("stopped") / "training.npz"
    train(splits, stop_after=2, checkpoint=path)
    return path


@pytest.fixture
def stopped(left_behind, tmp_path):
    """A copy of it, to be used up."""
    return shutil.copy(left_behind, tmp_path / "training.npz")


@pytest.fixture(scope="module")
def resumed(splits, tmp_path_factory):
    """Trainings that were interrupted three times: {ingredients: (..., checkpoint)}."""
    trainings = {}
    for names in (training.CHOSEN, ALL):
        path = tmp_path_factory.mktemp("resumed") / "training.npz"
        for epochs_done in (0, 1, 3):
            train(splits, stop_after=epochs_done, checkpoint=path, ingredients=names)
        trainings[names] = *train(splits, checkpoint=path, ingredients=names), path
    return trainings


@pytest.mark.slow
@pytest.mark.parametrize("ingredients", [training.CHOSEN, ALL], ids=["chosen", "all"])
def test_a_training_interrupted_again_and_again_ends_as_one_that_never_stopped(
    never_stopped, resumed, ingredients
):
    network, history = never_stopped[ingredients]
    its_network, its_history, _ = resumed[ingredients]
    assert_same(its_network, network)  # bit for bit
    assert its_history == history


@pytest.mark.slow
def test_a_finished_training_is_not_done_again(splits, resumed):
    first, history, path = resumed[ALL]
    epochs = []
    model = networks.build_classifier((16, 16, 3), filters=(4, 8))
    again = training.train(
        model,
        *splits,
        epochs=4,
        batch_size=16,
        seed=5,
        ingredients=ALL,
        checkpoint=path,
        after_epoch=epochs.append,
        progress=False,
    )
    assert epochs == [4]
    assert again == history
    assert_same(model, first)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 5}, "epochs was 4 and is 5"),
        ({"seed": 6}, "seed was 5 and is 6"),
        ({"batch_size": 8}, "batch_size was 16 and is 8"),
        ({"learning_rate": 0.1}, "learning_rate was 0.004 and is 0.1"),
        ({"ingredients": ()}, "ingredients was"),
        ({"filters": (4, 4)}, r"filters was \[4, 8\] and is \[4, 4\]"),
        ({"filters": (4, 8, 8)}, r"filters was \[4, 8\] and is \[4, 8, 8\]"),
    ],
)
def test_the_checkpoint_of_another_training_is_refused(
    splits, stopped, options, message
):
    before = stopped.read_bytes()
    with pytest.raises(ValueError, match=f"another training: .*{message}"):
        train(splits, checkpoint=stopped, **options)
    assert stopped.read_bytes() == before


@pytest.mark.slow
def test_a_checkpoint_is_not_used_for_other_pictures(splits, stopped):
    labels = splits[0].labels.copy()
    labels[7] = 1 - labels[7]
    with pytest.raises(ValueError, match="pictures was"):
        train((Split(splits[0].images, labels), splits[1]), checkpoint=stopped)


@pytest.mark.slow
def test_a_damaged_checkpoint_is_refused(splits, stopped):
    stopped.write_bytes(stopped.read_bytes()[:-200])
    with pytest.raises(ValueError, match=r"not a whole checkpoint.*remove it"):
        train(splits, checkpoint=stopped)


@pytest.mark.slow
def test_a_full_disk_leaves_the_older_checkpoint_good(
    splits, stopped, never_stopped, monkeypatch
):
    before = stopped.read_bytes()

    def full(file):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(OSError, match=r"No space left.*older .* is still good"):
            train(splits, checkpoint=stopped)
    assert stopped.read_bytes() == before
    assert [path.name for path in stopped.parent.iterdir()] == [stopped.name]
    resumed, _ = train(splits, checkpoint=stopped)
    assert_same(resumed, never_stopped[training.CHOSEN][0])


def test_a_folder_that_is_not_there_is_named(splits, tmp_path):
    with pytest.raises(OSError, match=r"nowhere/training\.npz cannot be written"):
        train(splits, checkpoint=tmp_path / "nowhere" / "training.npz")


def test_pictures_are_told_apart_by_a_digest_of_some(rng):
    images = rng.integers(0, 256, (3000, 2, 2, 3), np.uint8)
    split = Split(images, np.zeros(3000, int))
    assert checkpoints.digest(split) == checkpoints.digest(split)
    other = Split(images[::-1], split.labels)
    assert checkpoints.digest(split) != checkpoints.digest(other)
