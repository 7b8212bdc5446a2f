"""Train a classifier on labelled pictures, the same way every time."""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable, Collection
from contextlib import contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from cnnbook.checks import check_whole
from cnnbook.networks import classifier
from cnnbook.storage.repository import AnyPath
from cnnbook.training import batches, checkpoints, distribution

if TYPE_CHECKING:
    import keras

    from cnnbook.pictures.pets import Split

# What may go into a training beside the steps themselves, in the order of their use.
INGREDIENTS = MappingProxyType(
    {
        "augmentation": "training pictures are changed at random",
        "mixed pictures": "pairs of pictures, and their labels, are blended",
        "batch normalisation": "each map is kept in a handy range",
        "averaged votes": "neighbours in the last maps vote together",
        "dropout": "a third of the votes are left out at random",
        "label smoothing": "a tenth of the probability is spread over all classes",
        "warm-up": "the learning rate climbs for a tenth of the steps",
        "decay": "the learning rate falls to zero",
        "weight decay": "weights that are of no use fade",
        "weight averaging": "the weights are averaged over many steps",
    }
)

# Those that the book's classifier is trained with; what each is worth is measured.
CHOSEN = frozenset(INGREDIENTS) - {
    "mixed pictures",
    "dropout",
    "label smoothing",
    "weight averaging",
}

WARM_UP = 0.1  # share of the steps
DROPOUT = 1 / 3  # share of the votes
SMOOTHING = 0.1  # probability spread evenly over all classes
AVERAGED = 1 / 20  # share of the steps that weights are averaged over


def train(
    model: keras.Model,
    train: Split,
    validation: Split,
    *,
    epochs: int,
    seed: int = 0,
    batch_size: int = 64,
    learning_rate: float = 0.004,
    weight_decay: float = 0.05,
    ingredients: Collection[str] = CHOSEN,
    checkpoint: AnyPath | None = None,
    after_epoch: Callable[[int], object] | None = None,
    progress: bool = True,
) -> dict[str, list[float]]:
    """Train a classifier from scratch, with a bar or a line per epoch on stderr.

    The steps are AdamW's [1]_, with a learning rate that climbs from zero and falls
    along half a cosine back to zero [2]_.  Batch normalisation and an averaging of
    neighbouring votes help while it lasts (see `networks.training_form`); both end
    up in the weights of the plain network.

    Several accelerators share the work; see `training.strategy`.

    Parameters
    ----------
    model : keras.Model
        As `build_classifier` makes them.  It is changed: after every epoch it holds
        the weights of that epoch.  Those that it held before do not matter.
    train, validation : pictures.Split
        What to learn from, and what to measure on after every epoch; images of
        shape (N, H, W, C), 8-bit integers or floating-point numbers in [0, 1].
    epochs : int
        How often each picture is seen.
    seed : int
        Decides the starting weights, the order of the pictures and their changes.
        On the same machine, with the same packages and the same
        ``TF_ENABLE_ONEDNN_OPTS``, the same seed gives the same weights, bit for bit.
    batch_size : int
        Pictures per step; all of them, if there are fewer.
    learning_rate : float
        The highest that it gets; above 0.
    weight_decay : float
        Share of the weights, times the learning rate, that is taken off at each step.
    ingredients : collection of str
        What to train with, out of `INGREDIENTS`.  Without "decay" the learning rate
        stays at its highest.
    checkpoint : str or path, optional
        A file to keep the state of the training in, after every epoch.  If it is there
        already, the training goes on from it, to the same weights as if it had never
        stopped, under the conditions under which a seed gives the same weights.  It
        stays when training is over.
    after_epoch : callable, optional
        Called with the number of epochs done, from 0, before the first, to ``epochs``;
        after an interruption, from the number done before it.
    progress : bool
        Whether to report on stderr.

    Returns
    -------
    history : dict of str to list of float
        ``accuracy`` and ``loss`` (cross-entropy) of each epoch, on the training
        pictures as changed, while learning; ``val_accuracy`` and ``val_loss`` on the
        validation pictures, after it.  With "label smoothing" both losses are those of
        smoothed labels.

    Raises
    ------
    ValueError
        If pictures or labels do not fit the network; if all training pictures are of
        one class; if the learning rate is not a finite number above 0; if the
        checkpoint belongs to another training; or if the loss stops being a number,
        which a smaller learning rate prevents.
    OSError
        If the checkpoint cannot be written; an older one stays good.

    References
    ----------
    .. [1] I. Loshchilov and F. Hutter, "Decoupled weight decay regularization", ICLR
       2019.  https://arxiv.org/abs/1711.05101
    .. [2] I. Loshchilov and F. Hutter, "SGDR: stochastic gradient descent with warm
       restarts", ICLR 2017.  https://arxiv.org/abs/1608.03983
    """
    import keras

    check_whole(epochs, "epochs")
    check_whole(batch_size, "batch_size")
    check_whole(seed, "seed", least=0)
    if not 0 < learning_rate < math.inf:
        raise ValueError(
            f"learning_rate must be a finite number above 0; got {learning_rate!r}"
        )
    ingredients = _known(ingredients)
    splits = [batches.checked(split, model) for split in (train, validation)]
    if len(classes := set(splits[0][1].tolist())) < 2:
        raise ValueError(
            "a classifier learns to tell classes apart, so it needs training pictures "
            f"of two or more; all {len(train.labels):,} are of class {classes.pop()} "
            "(counted from 0)"
        )
    facts: dict[str, Any] = {
        "input_shape": model.input_shape[1:],
        "filters": classifier.filters_of(model),
        "num_classes": model.output_shape[-1],
        "pictures": [checkpoints.digest(split) for split in (train, validation)],
        "epochs": epochs,
        "seed": seed,
        "batch_size": min(batch_size, len(train.labels)),
        "learning_rate": learning_rate,
        "weight_decay": weight_decay,
        "ingredients": sorted(ingredients),
    }
    steps_per_epoch = len(train.labels) // facts["batch_size"]
    network = _compiled(model, facts, epochs * steps_per_epoch)
    history: dict[str, list[float]] = {}
    if checkpoint is not None and os.path.exists(checkpoint):
        history = checkpoints.read(checkpoint, network, facts)
    done = len(history.get("loss", ()))

    def hand_over(epochs_done):
        model.set_weights(classifier.folded_weights(network))
        if after_epoch:
            after_epoch(epochs_done)

    def end_epoch(epoch, logs):
        # The last step's loss is that of before it; what it led to shows here.
        _check_finite(logs["val_loss"], f"after epoch {epoch + 1}", learning_rate)
        for measure, value in logs.items():
            history.setdefault(measure, []).append(float(value))
        if checkpoint is not None and distribution.is_chief():
            checkpoints.write(checkpoint, network, history, facts)
        hand_over(epoch + 1)

    hand_over(done)
    with (
        distribution.explaining_failures(),
        _reporting(epochs, steps_per_epoch, done, progress) as reporter,
    ):
        network.fit(
            batches.training_batches(
                *splits[0],
                num_classes=model.output_shape[-1],
                batch_size=facts["batch_size"],
                steps=epochs * steps_per_epoch,
                seed=seed,
                augment="augmentation" in ingredients,
                mix="mixed pictures" in ingredients,
                start=done * steps_per_epoch,
            ),
            epochs=epochs,
            initial_epoch=done,
            steps_per_epoch=steps_per_epoch,
            validation_data=batches.validation_batches(
                *splits[1], num_classes=model.output_shape[-1]
            ),
            callbacks=[
                _stop_when_not_a_number(learning_rate, done),
                keras.callbacks.LambdaCallback(on_epoch_end=end_epoch),
                *reporter,
            ],
            shuffle=False,  # the batches are in random order already
            verbose=0,
        )
    # Keras has put averaged weights in place by now, if asked to average.
    model.set_weights(classifier.folded_weights(network))
    return history


def _known(ingredients):
    """Return ingredients as a frozenset; ValueError if one is not known."""
    if isinstance(ingredients, str):
        ingredients = (ingredients,)
    if unknown := set(ingredients) - set(INGREDIENTS):
        raise ValueError(
            f"ingredients must be out of {', '.join(INGREDIENTS)}; got "
            f"{', '.join(sorted(map(repr, unknown)))}"
        )
    return frozenset(ingredients)


def _compiled(model, facts, steps):
    """Build the form to train, with its optimizer, on the devices there are."""
    import keras

    ingredients, learning_rate = facts["ingredients"], facts["learning_rate"]
    warm_up = math.ceil(WARM_UP * steps) if "warm-up" in ingredients else 0
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0 if warm_up else learning_rate,
        max(1, steps - warm_up),
        alpha=0.0 if "decay" in ingredients else 1.0,  # where it ends, as a share
        warmup_target=learning_rate if warm_up else None,
        warmup_steps=warm_up,
    )
    with distribution.strategy().scope():
        network = classifier.training_form(
            model,
            seed=facts["seed"],
            normalize="batch normalisation" in ingredients,
            average_votes="averaged votes" in ingredients,
            dropout=DROPOUT if "dropout" in ingredients else 0.0,
        )
        optimizer = keras.optimizers.AdamW(
            schedule,
            weight_decay=facts["weight_decay"] if "weight decay" in ingredients else 0,
            use_ema="weight averaging" in ingredients,
            ema_momentum=1 - 1 / max(1, AVERAGED * steps),
        )
        network.compile(
            optimizer,
            keras.losses.CategoricalCrossentropy(
                from_logits=True,
                label_smoothing=SMOOTHING if "label smoothing" in ingredients else 0.0,
            ),
            # Not by its name: so its variables are there before the step is traced, or
            # TensorFlow would trace it twice.
            metrics=[keras.metrics.CategoricalAccuracy("accuracy")],
        )
        optimizer.build(network.trainable_variables)
    return network


def _stop_when_not_a_number(learning_rate, epochs_done):
    """Make a callback that ends a training which cannot recover."""
    import keras

    epochs_begun = [epochs_done]

    def begin(epoch, logs):
        epochs_begun[0] += 1

    def check(batch, logs):
        place = f"at step {batch + 1} of epoch {epochs_begun[0]}"
        _check_finite(logs["loss"], place, learning_rate)

    return keras.callbacks.LambdaCallback(
        on_epoch_begin=begin, on_train_batch_end=check
    )


def _check_finite(loss, place, learning_rate):
    """Raise ValueError if a training cannot recover, with the likely cause."""
    if not math.isfinite(loss):
        raise ValueError(
            f"training has diverged: the loss is {loss} {place}. The likely cause is a "
            f"learning_rate (now {learning_rate:g}) that is too large; try a tenth"
        )


@contextmanager
def _reporting(epochs, steps_per_epoch, done, progress):
    """Yield callbacks that show a bar on a terminal, and print lines elsewhere."""
    if not (progress and distribution.is_chief()):
        yield []
        return
    with tqdm(
        total=epochs * steps_per_epoch,
        initial=done * steps_per_epoch,
        desc="training",
        unit="step",
        file=sys.stderr,
        disable=None,  # unless stderr is a terminal
    ) as bar:
        yield [_reporter(bar, epochs, done)]


def _reporter(bar, epochs, done):
    """Make a callback that moves a bar, or prints a line for each epoch."""
    import keras

    start = time.monotonic()

    def report(epoch, logs):
        seconds = (time.monotonic() - start) / (epoch + 1 - done)
        measures = (
            f"loss {logs['loss']:.3f}, accuracy {logs['accuracy']:.1%}, "
            f"on validation pictures {logs['val_accuracy']:.1%}"
        )
        if bar.disable:
            left = tqdm.format_interval(seconds * (epochs - epoch - 1))
            print(
                f"epoch {epoch + 1}/{epochs}: {measures}; {left} left",
                file=sys.stderr,
                flush=True,
            )
        else:
            bar.set_postfix_str(measures)

    return keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: bar.update(), on_epoch_end=report
    )
