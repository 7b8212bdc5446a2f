"""Maps made of gradients: which pixels move a class score when they change a little."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from numbers import Real
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cnnbook.checks import check_whole
from cnnbook.explanations.explanation import Explanation, adds_up
from cnnbook.explanations.gradients import gradients
from cnnbook.explanations.logits import baseline_of
from cnnbook.explanations.question import Question, ask
from cnnbook.networks.heads import Targets

if TYPE_CHECKING:
    import keras

PER_INTENSITY = "logits per unit of an input value"

STEPS, MOST_STEPS = 32, 1024  # of integrated gradients: at first, and in the end


def saliency_map(
    model: keras.Model, images: npt.ArrayLike, target: Targets, *, batch_size: int = 32
) -> Explanation:
    """Find the pixels where a small change moves the logit most [1]_.

    Parameters
    ----------
    model : keras.Model
        An image classifier, functional or Sequential; see `networks.head`.
    images : array of shape (N, H, W, C)
        In the range that the model was made for; passed on unchanged.
    target : int or str, or a sequence of N of them
        Number or name of the class to explain, or one for each image.
    batch_size : int
        Images at a time; bounds the memory.

    Returns
    -------
    explanation : Explanation
        ``values`` of shape (N, H, W): the largest absolute gradient among a pixel's
        channels.

    Raises
    ------
    ValueError
        If the model is no such classifier, has no such class or no gradient at its
        input, or the images do not fit it.

    References
    ----------
    .. [1] K. Simonyan, A. Vedaldi and A. Zisserman, "Deep inside convolutional
       networks: visualising image classification models and saliency maps", ICLR
       Workshop 2014.  https://arxiv.org/abs/1312.6034

    Examples
    --------
    The gradient of a linear model is its weights, here 1, 2, 3 and 4:

    >>> import keras
    >>> model = keras.Sequential([keras.Input((2, 2, 1)), keras.layers.Flatten(),
    ...     keras.layers.Dense(1)])
    >>> model.set_weights([np.array([[1.0], [2], [3], [4]]), np.zeros(1)])
    >>> saliency_map(model, np.zeros((1, 2, 2, 1)), 1).values
    array([[[1., 2.],
            [3., 4.]]], dtype=float32)
    """
    return _of_gradients(model, images, target, "plain", "saliency", batch_size)


def guided_backprop(
    model: keras.Model, images: npt.ArrayLike, target: Targets, *, batch_size: int = 32
) -> Explanation:
    """Pass gradients back through ReLUs only where they and the signal are above zero.

    The maps are crisp [1]_.  Those of deep networks may show a picture's edges whatever
    was learned: compare them with those of the same network with random weights [2]_.

    Parameters
    ----------
    model, images, target, batch_size
        As for `saliency_map`.  The model must have ReLUs.

    Returns
    -------
    explanation : Explanation
        ``values`` of shape (N, H, W), as of `saliency_map`.

    Raises
    ------
    ValueError
        As `saliency_map`, or if there is no ReLU.

    References
    ----------
    .. [1] J. T. Springenberg, A. Dosovitskiy, T. Brox and M. Riedmiller, "Striving for
       simplicity: the all convolutional net", ICLR Workshop 2015.
       https://arxiv.org/abs/1412.6806
    .. [2] J. Adebayo et al., "Sanity checks for saliency maps", NeurIPS 2018.
       https://arxiv.org/abs/1810.03292
    """
    return _of_gradients(model, images, target, "guided", "guided backprop", batch_size)


def deconvnet(
    model: keras.Model, images: npt.ArrayLike, target: Targets, *, batch_size: int = 32
) -> Explanation:
    """Pass gradients back through ReLUs where they are above zero [1]_.

    Parameters
    ----------
    model, images, target, batch_size
        As for `saliency_map`.  The model must have ReLUs.

    Returns
    -------
    explanation : Explanation
        ``values`` of shape (N, H, W), as of `saliency_map`.

    Raises
    ------
    ValueError
        As `saliency_map`, or if there is no ReLU.

    References
    ----------
    .. [1] M. D. Zeiler and R. Fergus, "Visualizing and understanding convolutional
       networks", ECCV 2014.  https://doi.org/10.1007/978-3-319-10590-1_53
    """
    return _of_gradients(model, images, target, "deconvnet", "deconvnet", batch_size)


def smooth_grad(
    model: keras.Model,
    images: npt.ArrayLike,
    target: Targets,
    *,
    samples: int = 24,
    noise: float = 0.15,
    seed: int = 0,
    batch_size: int = 32,
) -> Explanation:
    """Average the gradients of noisy copies of an image [1]_.

    Parameters
    ----------
    model, images, target, batch_size
        As for `saliency_map`; the copies of all images go through in such batches.
    samples : int
        Copies of each image.
    noise : float
        Standard deviation of the noise, as a share of the image's own range.
    seed : int
        Decides the noise, the same for all images.

    Returns
    -------
    explanation : Explanation
        ``values`` of shape (N, H, W): the largest absolute mean among a pixel's
        channels.  Without noise they are those of `saliency_map`.  ``error``: the
        standard error of that mean; where the mean is near 0, other noise moves its
        size by less.  None of a single copy, which does not tell.

    Raises
    ------
    ValueError
        As `saliency_map`, or if the noise is below zero.

    References
    ----------
    .. [1] D. Smilkov, N. Thorat, B. Kim, F. Viégas and M. Wattenberg, "SmoothGrad:
       removing noise by adding noise", 2017.  https://arxiv.org/abs/1706.03825
    """
    check_whole(samples, "samples")
    check_whole(seed, "seed", least=0)
    if not isinstance(noise, Real) or not 0 <= noise < np.inf:
        raise ValueError(f"noise must be a share of at least 0; got {noise!r}")
    question = ask(model, images, target)
    images = question.images
    spread = noise * np.ptp(images, axis=(1, 2, 3))

    def copies(sample, number):
        # The same noise for all images, so that a map depends on its own image alone.
        present, place = np.unique(sample, return_inverse=True)
        generators = (np.random.default_rng((seed, one)) for one in present)
        noisy = np.stack(
            [rng.standard_normal(images.shape[1:], "float32") for rng in generators]
        )
        return images[number] + noisy[place] * spread[number, None, None, None]

    shape = images.shape
    means, sums, squares = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    for sample, number, slopes in _slopes(question, copies, samples, batch_size):
        _add_up(means, number, slopes, np.full(len(sample), 1 / samples))
        if samples > 1:  # in double precision, since large squares are subtracted
            exact, ones = slopes.astype(float), np.ones(len(sample))
            _add_up(sums, number, exact, ones)
            _add_up(squares, number, exact**2, ones)
    error = None
    if samples > 1:
        variances = np.maximum(squares - sums**2 / samples, 0) / (samples - 1)
        error = np.sqrt(_at_largest(means, variances) / samples)
    return question.answer(
        _largest(means),
        question.logits(batch_size=batch_size),
        method="SmoothGrad",
        units=PER_INTENSITY,
        signed=False,
        error=error,
    )


def integrated_gradients(
    model: keras.Model,
    images: npt.ArrayLike,
    target: Targets,
    *,
    baseline: npt.ArrayLike = 0.0,
    steps: int | None = None,
    batch_size: int = 32,
) -> Explanation:
    """Share the change of the logit from a baseline among the pixels [1]_.

    Gradients are averaged on the straight way from the baseline to the image, at the
    places of Gauss-Legendre quadrature, and multiplied by the change of each pixel.
    The maps add up to logit(image) − logit(baseline), exactly so for a linear model;
    for others as exactly as the steps allow, and the explanation says how exactly.

    Parameters
    ----------
    model, images, target, batch_size
        As for `saliency_map`; the steps of all images go through in such batches.
    baseline : float or array that broadcasts to (H, W, C)
        What stands for "nothing to see", in the images' range.
    steps : int, optional
        Places on the way, exactly so many.  By default 32 for each image, and twice as
        many again and again, up to 1,024, until its map adds up with both the last
        number of steps and half of it: once could be by chance.

    Returns
    -------
    explanation : Explanation
        ``values`` of shape (N, H, W), in logits, summed over the channels.  ``gap``:
        what they add up to, less the change of the logit; ``converged``: whether that
        is at most 5 % of the change; ``baseline_score``: the logit of the baseline.

    Raises
    ------
    ValueError
        As `saliency_map`, or if the baseline does not fit the images.

    Warns
    -----
    UserWarning
        If the most steps are too few as well.  Where steps are given, none: ``gap`` is
        there to be read.

    Notes
    -----
    On the way, the gradients of a network of ReLUs jump wherever one opens or closes.
    At jumps every rule needs twice the steps for half the gap, and Gauss-Legendre is
    not much worse than equal steps; where gradients are smooth, it is far better.

    References
    ----------
    .. [1] M. Sundararajan, A. Taly and Q. Yan, "Axiomatic attribution for deep
       networks", ICML 2017.  https://arxiv.org/abs/1703.01365
    """
    if steps is not None:
        check_whole(steps, "steps")
    question = ask(model, images, target)
    start = baseline_of(baseline, question.images)
    logits = question.logits(batch_size=batch_size)
    bottom = question.logits_at(start[None], batch_size=batch_size)
    changes = logits - bottom
    if steps is None:
        values = _walk_until(question, start, changes, logits, batch_size)
    else:
        values = _walk(question, start, steps, batch_size)
    found = question.answer(
        values,
        logits,
        method="integrated gradients",
        units="logits",
        signed=True,
        gap=values.sum(axis=(1, 2)) - changes,
        baseline_score=bottom,
    )
    fine = adds_up(values.sum(axis=(1, 2)), changes, logits)
    if steps is None and not fine.all():
        first = int(np.argmin(fine))
        warnings.warn(
            f"integrated gradients have not converged in {MOST_STEPS:,} steps: the map "
            f"of image {first} {found.remarks(first)}. Pass more steps, or a baseline "
            "nearer to the images",
            stacklevel=2,
        )
    return found


def _of_gradients(model, images, target, rule, method, batch_size):
    """Explain by one gradient of each image."""
    question = ask(model, images, target)
    logits, values = [], []
    for _, logit, _, slopes in gradients(
        model, question.images, question.selectors, rule=rule, batch_size=batch_size
    ):
        logits.append(logit)
        values.append(_largest(slopes))
    return question.answer(
        np.concatenate(values),
        np.concatenate(logits),
        method=method,
        units=PER_INTENSITY,
        signed=False,
    )


def _largest(slopes):
    """Return the largest absolute value among the channels of each pixel."""
    # Channel after channel: NumPy is slow to reduce an axis of three.
    largest = np.abs(slopes[..., 0])
    for channel in range(1, slopes.shape[-1]):
        np.maximum(largest, np.abs(slopes[..., channel]), out=largest)
    return largest


def _at_largest(slopes, values):
    """Return of each pixel the value of the channel that is largest in the slopes."""
    channels = np.abs(slopes).argmax(axis=-1)[..., None]
    return np.take_along_axis(values, channels, axis=-1)[..., 0]


def _walk_until(question, start, changes, logits, batch_size):
    """Return the maps of integrated gradients, with steps until they add up."""
    steps, left = STEPS // 2, np.arange(len(changes))
    values = _walk(question, start, steps, batch_size)
    before = adds_up(values.sum(axis=(1, 2)), changes, logits)
    while len(left) and steps < MOST_STEPS:
        steps *= 2
        some = replace(
            question, images=question.images[left], indices=question.indices[left]
        )
        values[left] = _walk(some, start, steps, batch_size)
        now = adds_up(values[left].sum(axis=(1, 2)), changes[left], logits[left])
        unsettled = ~(before & now)
        left, before = left[unsettled], now[unsettled]
    return values


def _walk(question, start, steps, batch_size):
    """Return the maps of integrated gradients with so many places on the way."""
    places, weights = np.polynomial.legendre.leggauss(steps)
    places, weights = (places + 1) / 2, weights / 2  # from [-1, 1] to [0, 1]
    way = question.images - start

    def on_the_way(sample, number):
        here = places[sample].astype(way.dtype)[:, None, None, None]
        return start + here * way[number]

    means = np.zeros(way.shape)
    for sample, number, slopes in _slopes(question, on_the_way, steps, batch_size):
        _add_up(means, number, slopes, weights[sample])
    return (way * means).sum(axis=-1)


def _slopes(
    question: Question, make: Callable[..., np.ndarray], count: int, batch_size: int
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Compute the gradients of samples of images, in batches that hold several samples.

    ``make(sample, number)`` returns the samples of these numbers of these images.
    Yields both, and the gradients.
    """
    check_whole(batch_size, "batch_size")
    images, selectors = question.images, question.selectors
    order = np.indices((count, len(images))).reshape(2, -1)
    for start in range(0, order.shape[1], batch_size):
        sample, number = order[:, start : start + batch_size]
        several = make(sample, number).astype(images.dtype, copy=False)
        ((_, _, _, slopes),) = gradients(
            question.model, several, selectors[number], batch_size=batch_size
        )
        yield sample, number, slopes


def _add_up(sums, number, values, weights):
    """Add weighted values to the sums of the images that they belong to."""
    # One product adds up what belongs to the same image.
    present, place = np.unique(number, return_inverse=True)
    mix = np.zeros((len(present), len(number)), values.dtype)
    mix[place, np.arange(len(number))] = weights
    flat = mix @ values.reshape(len(number), -1)
    sums[present] += flat.reshape(len(present), *sums.shape[1:])
