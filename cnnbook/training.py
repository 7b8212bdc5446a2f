"""Train a classifier on labelled pictures, the same way every time."""

import math
import sys
import time

import numpy as np
from tqdm import tqdm

from cnnbook import augmentation, classifier, scores

# The learning rate climbs for this share of the steps before it falls.
WARM_UP = 0.1


def train(
    model,
    train,
    validation,
    *,
    epochs,
    seed=0,
    batch_size=64,
    learning_rate=0.004,
    weight_decay=0.05,
    augment=True,
    after_epoch=None,
    progress=True,
):
    """Train a classifier from scratch, with a bar or a line per epoch on stderr.

    The steps are AdamW's [1]_, with a learning rate that climbs from zero and falls
    along half a cosine back to zero [2]_.  Batch normalisation and an averaging of
    neighbouring votes help while it lasts (see `classifier.training_form`); both end
    up in the weights of the plain network.

    Parameters
    ----------
    model : keras.Model
        As `build_classifier` makes them.  It is changed: after every epoch it holds
        the weights of that epoch.  Those that it held before do not matter.
    train, validation : data.Split
        What to learn from, and what to measure on after every epoch; images of
        shape (N, H, W, C), 8-bit integers or floating-point numbers in [0, 1].
    epochs : int
        How often each picture is seen.
    seed : int
        Decides the starting weights, the order of the pictures and their changes.
        On the same machine the same seed gives the same weights, bit for bit.
    batch_size : int
        Pictures per step; all of them, if there are fewer.
    learning_rate : float
        The highest that it gets.
    weight_decay : float
        Share of the weights, times the learning rate, that is taken off at each step.
    augment : bool
        Whether to change training pictures at random; see `augmentation.augment`.
    after_epoch : callable, optional
        Called with the number of epochs done, from 0, before the first, to ``epochs``.
    progress : bool
        Whether to report on stderr.

    Returns
    -------
    history : dict of str to list of float
        ``accuracy`` and ``loss`` (cross-entropy) of each epoch, on the training
        pictures as changed, while learning; ``val_accuracy`` and ``val_loss`` on the
        validation pictures, after it.

    Raises
    ------
    ValueError
        If pictures or labels do not fit the network, or if the loss stops being a
        number, which a smaller learning rate prevents.

    References
    ----------
    .. [1] I. Loshchilov and F. Hutter, "Decoupled weight decay regularization", ICLR
       2019.  https://arxiv.org/abs/1711.05101
    .. [2] I. Loshchilov and F. Hutter, "SGDR: stochastic gradient descent with warm
       restarts", ICLR 2017.  https://arxiv.org/abs/1608.03983
    """
    import keras

    for name, number, least in (
        ("epochs", epochs, 1),
        ("batch_size", batch_size, 1),
        ("seed", seed, 0),
    ):
        if not (isinstance(number, (int, np.integer)) and number >= least):
            raise ValueError(
                f"{name} must be a whole number, at least {least}; got {number!r}"
            )
    network = classifier.training_form(model, seed=seed)
    train, validation = _checked(train, network), _checked(validation, network)
    batch_size = min(batch_size, len(train[0]))
    steps_per_epoch = len(train[0]) // batch_size
    steps = epochs * steps_per_epoch
    warm_up = math.ceil(WARM_UP * steps)
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0,
        max(1, steps - warm_up),
        warmup_target=learning_rate,
        warmup_steps=warm_up,
    )
    network.compile(
        keras.optimizers.AdamW(schedule, weight_decay=weight_decay),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )

    def hand_over(epochs_done):
        model.set_weights(classifier.folded_weights(network))
        if after_epoch:
            after_epoch(epochs_done)

    hand_over(0)
    fitted = network.fit(
        _training_batches(*train, batch_size, steps, seed, augment),
        epochs=epochs,
        steps_per_epoch=steps_per_epoch,
        validation_data=_validation_batches(*validation),
        callbacks=[
            _stop_when_not_a_number(learning_rate),
            keras.callbacks.LambdaCallback(
                on_epoch_end=lambda epoch, logs: hand_over(epoch + 1)
            ),
            *([_reporter(epochs, steps_per_epoch)] if progress else []),
        ],
        shuffle=False,  # the batches are in random order already
        verbose=0,
    )
    return {
        measure: [float(value) for value in values]
        for measure, values in fitted.history.items()
    }


def _checked(split, network):
    """Return (images, labels) fit to train on; 8-bit images stay so, to save memory."""
    images = scores.check_images(split.images, network.input_shape[1:])
    labels = scores.check_labels(split.labels, network.output_shape[-1])
    if len(images) != len(labels):
        raise ValueError(
            f"every image needs one label; got {len(images)} images and "
            f"{len(labels)} labels"
        )
    if images.dtype != np.uint8:
        images = scores.as_intensities(images, images.shape[1:])
    return images, labels


def _training_batches(images, labels, batch_size, steps, seed, augment):
    """Make a stream of batches; each is a function of the seed and its number alone.

    So the stream is the same on any number of threads, and could start anywhere.
    """
    import tensorflow as tf

    count, scale = len(images), _largest(images)
    images, labels = tf.constant(images), tf.constant(labels)
    steps_per_epoch = count // batch_size

    def batch(step):
        epoch, start = step // steps_per_epoch, step % steps_per_epoch * batch_size
        order = tf.random.experimental.stateless_shuffle(
            tf.range(count),
            (seed, -1 - epoch),  # a negative number: no step has it
        )
        chosen = tf.ensure_shape(order[start : start + batch_size], [batch_size])
        pictures = tf.cast(tf.gather(images, chosen), tf.float32) / scale
        if augment:
            pictures = augmentation.random_changes(pictures, (seed, step))
        return pictures, tf.gather(labels, chosen)

    numbers = tf.data.Dataset.range(steps)
    return numbers.map(batch, num_parallel_calls=tf.data.AUTOTUNE).prefetch(2)


def _validation_batches(images, labels):
    """Make batches of the pictures as they are, in order."""
    import tensorflow as tf

    scale = _largest(images)
    batches = tf.data.Dataset.from_tensor_slices((images, labels)).batch(
        scores.BATCH_SIZE
    )
    return batches.map(lambda x, y: (tf.cast(x, tf.float32) / scale, y))


def _largest(images):
    """Return the number that stands for full intensity."""
    return 255.0 if images.dtype == np.uint8 else 1.0


def _stop_when_not_a_number(learning_rate):
    """Make a callback that ends a training which cannot recover."""
    import keras

    epochs_begun = []

    def check(batch, logs):
        if not math.isfinite(logs["loss"]):
            raise ValueError(
                f"training has diverged: the loss is {logs['loss']} at step "
                f"{batch + 1} of epoch {len(epochs_begun)}. The likely cause is a "
                f"learning_rate (now {learning_rate:g}) that is too large; try a tenth"
            )

    return keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: epochs_begun.append(epoch),
        on_train_batch_end=check,
    )


def _reporter(epochs, steps_per_epoch):
    """Make a callback that shows a bar on a terminal, and prints lines elsewhere."""
    import keras

    bar = tqdm(
        total=epochs * steps_per_epoch,
        desc="training",
        unit="step",
        file=sys.stderr,
        disable=None,  # unless stderr is a terminal
    )
    start = time.monotonic()

    def report(epoch, logs):
        left = (time.monotonic() - start) * (epochs / (epoch + 1) - 1)
        measures = (
            f"loss {logs['loss']:.3f}, accuracy {logs['accuracy']:.1%}, "
            f"on validation pictures {logs['val_accuracy']:.1%}"
        )
        if bar.disable:
            print(
                f"epoch {epoch + 1}/{epochs}: {measures}; "
                f"{tqdm.format_interval(left)} left",
                file=sys.stderr,
                flush=True,
            )
        else:
            bar.set_postfix_str(measures)

    return keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: bar.update(),
        on_epoch_end=report,
        on_train_end=lambda logs: bar.close(),
    )
