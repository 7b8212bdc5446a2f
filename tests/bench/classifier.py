"""How good the book's classifier is, how long it learns, and how fast it is trained."""

import os
import tempfile
from pathlib import Path
from unittest import mock

import numpy as np
import tensorflow as tf
from PIL import Image

from cnnbook import networks, pictures, studies, training
from cnnbook.pictures import draw_pets
from cnnbook.training import batches, loop
from tests.bench.measuring import Row, medians


def measure():
    rows = [linear(), *recorded(), speed()]
    # Seconds on two cores: a minute for drawings, four for photographs, where a plain
    # recipe at 64 pixels, with augmentation, got 80 % in five.
    for source, accuracy, seconds in (("drawn", 0.97, 60), ("photos", 0.80, 240)):
        if source == "photos" and not os.environ.get("CNNBOOK_PHOTOS"):
            print("  CNNBOOK_PHOTOS is not set: photographs were left out")
            continue
        with (
            tempfile.TemporaryDirectory() as folder,  # an empty cache
            mock.patch.dict(os.environ, CNNBOOK_BUILD=folder),
        ):
            built = training.train_for_book(source)
        low, high = training.binomial_interval(
            round(built.metrics.accuracy * built.metrics.count), built.metrics.count
        )
        note = f"{built.metrics.count} pictures, {low:.1%} to {high:.1%}"
        rows += [
            Row(
                f"classifier on {source}, validation accuracy",
                built.metrics.accuracy,
                accuracy,
                "",
                rule="≥",
                note=note,
            ),
            Row(f"classifier on {source}, training", built.seconds, seconds, "s"),
        ]
    return rows


def recorded():
    """What `make results` measured; nothing is trained here."""
    classifier, transfer = (
        studies.read_record("classifier"),
        studies.read_record("transfer"),
    )
    low, high = classifier["range"]
    longest = max(run["seconds"] for run in classifier["runs"])
    best = transfer["points"][-1]["transfer"]["accuracies"][0]
    return [
        Row(
            f"recorded: photos, mean of {len(classifier['runs'])} seeds",
            classifier["mean"],
            0.84,
            "",
            rule="≥",
            note=f"{low:.1%} to {high:.1%}",
        ),
        Row("recorded: slowest seed", longest, 600, "s"),
        Row(
            f"recorded: new end on VGG19 ({transfer['weights']})",
            best,
            classifier["mean"],
            "",
            rule="≥",
            note="the bound is our network from scratch",
        ),
    ]


def speed():
    """Pictures a second in training, against Keras's own way from the same files.

    As in `training.train`, ours have been read into memory before; Keras reads the
    files anew in every epoch.
    """
    import keras

    size, batch_size, epochs = 96, 64, 4  # a training has many: its start counts little
    with tempfile.TemporaryDirectory() as folder:
        pets = draw_pets(640, size=size)
        for number, (image, label) in enumerate(
            zip(pets.images, pets.labels, strict=True)
        ):
            place = Path(folder) / ("cat", "dog")[label]
            place.mkdir(exist_ok=True)
            Image.fromarray(image).save(place / f"{number}.jpg", quality=95)
        split = pictures.load_pets(folder, size=size).train
        theirs = keras.utils.image_dataset_from_directory(
            folder, image_size=(size, size), batch_size=batch_size, label_mode="int"
        )
        # The same kinds of changes as ours, by as much.
        changes = keras.Sequential(
            [
                keras.layers.RandomFlip("horizontal"),
                keras.layers.RandomRotation(15 / 360),
                keras.layers.RandomZoom(0.2),
                keras.layers.RandomTranslation(0.1, 0.1),
                keras.layers.RandomBrightness(0.3, value_range=(0, 1)),
                keras.layers.RandomContrast(0.3, value_range=(0, 1)),
                # From 0.7 to 1.3, as this layer counts.
                keras.layers.RandomSaturation((0.412, 0.565), value_range=(0, 1)),
            ]
        )
        theirs = theirs.map(
            lambda x, y: (changes(x / 255, training=True), y),
            num_parallel_calls=tf.data.AUTOTUNE,
        ).prefetch(2)
        network = networks.training_form(networks.build_classifier())
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        network.compile(keras.optimizers.AdamW(), loss)
        one_hot = keras.losses.CategoricalCrossentropy(from_logits=True)
        own = networks.training_form(networks.build_classifier())
        own.compile(keras.optimizers.AdamW(), one_hot)
        steps = len(split) // batch_size
        ours = batches.training_batches(
            split.images,
            split.labels,
            num_classes=2,
            batch_size=batch_size,
            steps=epochs * steps,
            seed=0,
            augment=True,
        )
        seconds = medians(
            [
                lambda: own.fit(
                    ours,
                    epochs=epochs,
                    steps_per_epoch=steps,
                    callbacks=[loop._stop_when_not_a_number(0.001, 0)],
                    shuffle=False,
                    verbose=0,
                ),
                lambda: network.fit(theirs, epochs=epochs, verbose=0),
            ],
            repeat=5,
        )
    our_speed = epochs * steps * batch_size / seconds[0]
    their_speed = epochs * len(pets.labels) / seconds[1]
    return Row(
        "pictures a second in training, over Keras's own pipeline",
        our_speed / their_speed,
        1.5,
        "×",
        rule="≥",
        note=f"{our_speed:.0f} and {their_speed:.0f} a second; ours from memory",
    )


def linear():
    """The best of some ridge regressions on the pixels of drawn pets."""
    pets = pictures.load_pets("drawn", size=64)
    train, validation = (
        split.images.reshape(len(split), -1) / 127.5 - 1
        for split in (pets.train, pets.validation)
    )
    signs = 2 * pets.train.labels - 1
    best = 0.0
    for penalty in 10.0 ** np.arange(1, 7):
        # In its dual form: there are more pixels than pictures.
        gram = train @ train.T + penalty * np.eye(len(signs))
        weights = train.T @ np.linalg.solve(gram, signs)
        right = (validation @ weights > 0) == pets.validation.labels
        best = max(best, float(right.mean()))
    return Row("linear model on drawn pixels, validation accuracy", best, 0.75, "")
