"""Batches of training pictures: each once an epoch, and the same from the same seed."""

import numpy as np
import pytest

from cnnbook.pictures import Split
from cnnbook.training import batches


@pytest.fixture
def split(rng):
    """Noise, so that no two pictures are alike."""
    images = rng.integers(0, 256, (128, 8, 8, 3), np.uint8)
    return Split(images, np.arange(128) % 2)


def batches_of(split, **options):
    defaults = {"batch_size": 16, "steps": 16, "seed": 0, "augment": False}
    options = {"num_classes": 2} | defaults | options
    stream = batches.training_batches(split.images, split.labels, **options)
    return [(pictures.numpy(), shown.numpy()) for pictures, shown in stream]


def test_an_epoch_shows_every_picture_once_and_the_next_in_another_order(split):
    stream = batches_of(split)
    pictures = np.concatenate([pictures for pictures, _ in stream])
    seen = (pictures * 255).round().astype(np.uint8).reshape(2, 128, -1)
    expected = np.unique(split.images.reshape(128, -1), axis=0)
    np.testing.assert_array_equal(np.unique(seen[0], axis=0), expected)
    np.testing.assert_array_equal(np.unique(seen[1], axis=0), expected)
    assert not np.array_equal(seen[0], seen[1])


def test_no_stream_is_tuned_while_it_runs_so_that_its_end_is_not_waited_for(split):
    images, labels = split.images, split.labels
    streams = [
        batches.training_batches(
            images, labels, num_classes=2, batch_size=16, steps=1, seed=0, augment=True
        ),
        batches.validation_batches(images, labels, 2),
    ]
    assert [stream.options().autotune.enabled for stream in streams] == [False, False]


def test_labels_stay_with_their_pictures(split):
    label_of = {
        image.tobytes(): label
        for image, label in zip(split.images, split.labels, strict=True)
    }
    for pictures, shown in batches_of(split):
        for picture, shares in zip(pictures, shown, strict=True):
            label = label_of[(picture * 255).round().astype(np.uint8).tobytes()]
            np.testing.assert_array_equal(shares, np.eye(2)[label])


def test_eight_bit_pictures_and_their_intensities_make_the_same_batches(split):
    intensities = Split((split.images / 255).astype("float32"), split.labels)
    for ours, theirs in zip(batches_of(split), batches_of(intensities), strict=True):
        np.testing.assert_allclose(ours[0], theirs[0], atol=1e-6)


def test_augmented_batches_differ_from_epoch_to_epoch_and_repeat_with_the_seed(rng):
    one = Split(rng.integers(0, 255, (1, 16, 16, 3), np.uint8), np.array([0]))
    options = {"batch_size": 1, "steps": 4, "augment": True}
    first = [pictures for pictures, _ in batches_of(one, **options)]
    again = [pictures for pictures, _ in batches_of(one, **options)]
    np.testing.assert_array_equal(first, again)
    assert len(np.unique(np.reshape(first, (4, -1)), axis=0)) == 4


def test_a_stream_may_start_anywhere(split):
    whole = batches_of(split, augment=True, mix=True)
    rest = batches_of(split, augment=True, mix=True, start=11)
    assert len(rest) == 5
    for ours, theirs in zip(rest, whole[11:], strict=True):
        np.testing.assert_array_equal(ours[0], theirs[0])
        np.testing.assert_array_equal(ours[1], theirs[1])


def test_pictures_in_a_file_make_the_same_batches_as_in_memory(split, tmp_path):
    np.save(tmp_path / "images.npy", split.images)
    images = np.load(tmp_path / "images.npy", mmap_mode="r")
    for ours, theirs in zip(
        batches_of(Split(images, split.labels)), batches_of(split), strict=True
    ):
        np.testing.assert_array_equal(ours[0], theirs[0])


def test_mixed_pictures_are_blends_of_two_and_their_labels_alike(rng):
    # Each picture is as bright as its label, so that a blend's brightness is its label.
    labels = np.arange(16) % 2
    images = np.repeat(labels.astype(np.uint8) * 255, 48).reshape(16, 4, 4, 3)
    ((pictures, shown),) = batches_of(Split(images, labels), steps=1, mix=True)
    np.testing.assert_allclose(pictures[:, 0, 0, 0], shown[:, 1], atol=1e-6)
    np.testing.assert_allclose(shown.sum(axis=1), 1, atol=1e-6)
    assert ((shown > 0.01) & (shown < 0.99)).any()


def test_validation_pictures_come_as_they_are_in_order_and_all(split):
    stream = list(batches.validation_batches(split.images, split.labels, 2))
    pictures = np.concatenate([pictures for pictures, _ in stream])
    shown = np.concatenate([shown for _, shown in stream])
    np.testing.assert_array_equal((pictures * 255).round(), split.images)
    np.testing.assert_array_equal(shown.argmax(axis=1), split.labels)
