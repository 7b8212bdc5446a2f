"""Train on all the accelerators that TensorFlow sees, by its own strategies."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tensorflow as tf


def strategy() -> tf.distribute.Strategy:
    """Choose how a training is spread over devices and machines.

    Returns
    -------
    strategy : tf.distribute.Strategy
        - the one whose scope the caller is in, if any;
        - ``MultiWorkerMirroredStrategy``, if ``TF_CONFIG`` names several workers [1]_
          (which Keras up to 3.15 at least cannot fit with [2]_: it hands TensorFlow a
          ``PerReplica`` value where a tensor is needed, whatever the network; `train`
          says so);
        - ``MirroredStrategy``, if this machine has several GPUs;
        - else TensorFlow's default, one device.

        In all of them a step takes one batch, of which each device gets its share.

        Several workers have to find one another before TensorFlow does anything
        else.  So each calls this first, and works in its scope: ``with
        strategy().scope(): ...``.  `cnnbook train` does.

    Raises
    ------
    ValueError
        If ``TF_CONFIG`` is not a JSON object, or if there are several workers and
        TensorFlow has begun to work.

    References
    ----------
    .. [1] https://www.tensorflow.org/guide/distributed_training
    .. [2] https://github.com/keras-team/keras/issues/20585

    Examples
    --------
    >>> type(strategy()).__name__  # on a machine with one accelerator or none
    '_DefaultDistributionStrategy'
    """
    import tensorflow as tf

    if tf.distribute.has_strategy():
        return tf.distribute.get_strategy()
    if len(_workers()) > 1:
        try:
            return tf.distribute.MultiWorkerMirroredStrategy()
        except RuntimeError as error:
            raise ValueError(
                f"{error}; TF_CONFIG names several workers, so enter `with "
                "distribution.strategy().scope():` before anything is computed"
            ) from error
    if len(tf.config.list_logical_devices("GPU")) > 1:
        return tf.distribute.MirroredStrategy()
    return tf.distribute.get_strategy()


@contextmanager
def explaining_failures() -> Iterator[None]:
    """Say in one sentence why Keras cannot fit over several workers, where it cannot.

    Raises
    ------
    ValueError
        In place of Keras's error, which prints a batch of pictures.
    """
    import keras

    try:
        yield
    except ValueError as error:
        if len(_workers()) > 1 and "PerReplica" in str(error):
            raise ValueError(
                f"Keras {keras.__version__} cannot train over several workers with "
                "TensorFlow: PerReplica values reach it where it expects tensors "
                "(https://github.com/keras-team/keras/issues/20585); unset TF_CONFIG "
                "to train on this machine alone, on all of its accelerators"
            ) from error
        raise


def is_chief() -> bool:
    """Tell whether this process is the one that writes files.

    Returns
    -------
    is_chief : bool
        Of several workers (``TF_CONFIG``) True for the chief, or for the first one
        where none is called so; without them True.
    """
    config = _config()
    first = "chief" if config.get("cluster", {}).get("chief") else "worker"
    task = config.get("task", {})
    return task.get("index", 0) == 0 and task.get("type", first) == first


def _workers():
    """List the addresses of all workers in ``TF_CONFIG``."""
    cluster = _config().get("cluster", {})
    return [*cluster.get("chief", []), *cluster.get("worker", [])]


def _config():
    """Read ``TF_CONFIG``; empty if it is not set."""
    text = os.environ.get("TF_CONFIG") or "{}"
    try:
        config = json.loads(text)
        parts = [config, config.get("cluster", {}), config.get("task", {})]
    except (ValueError, AttributeError):  # no JSON, or no object
        parts = [None]
    if not all(isinstance(part, dict) for part in parts):
        raise ValueError(
            "TF_CONFIG must be a JSON object, with objects as cluster and task; got "
            f"{text!r}"
        )
    return config
