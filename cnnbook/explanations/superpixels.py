"""Which patches of an image a class score hangs on: a linear model of on and off."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cnnbook.checks import check_whole
from cnnbook.explanations.explanation import Explanation, one_by_one
from cnnbook.explanations.logits import all_logits, baseline_of, logits_of
from cnnbook.explanations.question import ask
from cnnbook.networks.heads import Targets

if TYPE_CHECKING:
    import keras

WIDTH = 0.25  # of the kernel: how fast copies that hide more come to count less
PENALTY = 0.01  # on squared coefficients


def lime(
    model: keras.Model,
    images: npt.ArrayLike,
    target: Targets,
    *,
    segments: int = 50,
    samples: int = 500,
    baseline: npt.ArrayLike | None = None,
    seed: int = 0,
    batch_size: int = 32,
    progress: bool = False,
) -> Explanation:
    """Hide random sets of patches, and fit the logit by what each patch adds [1]_.

    The patches are superpixels: pixels that lie together and look alike [2]_.

    Parameters
    ----------
    model : keras.Model
        An image classifier, functional or Sequential; see `networks.head`.
    images : array of shape (N, H, W, C)
        In the range that the model was made for; passed on unchanged.
    target : int or str, or a sequence of N of them
        Number or name of the class to explain, or one for each image.
    segments : int
        Patches to cut each image into, about.
    samples : int
        Copies of each image, each with about half of the patches hidden.
    baseline : float or array that broadcasts to (H, W, C), optional
        What stands in a hidden patch; by default the patch's own mean colour, so that
        its texture and detail alone are lost.
    seed : int
        Decides what is hidden.
    batch_size : int
        Copies at a time; bounds the memory.
    progress : bool
        Whether to show a bar on stderr.

    Returns
    -------
    explanation : Explanation
        ``values`` of shape (N, H, W), in logits: what each pixel's patch adds to the
        logit, by weighted ridge regression.  ``error``: the standard error of that, how
        far other sets of hidden patches would move it [3]_.  ``baseline_score``: the
        logit with all patches hidden.

    Raises
    ------
    ValueError
        If the model is no such classifier or has no such class, or the images or the
        baseline do not fit.

    References
    ----------
    .. [1] M. T. Ribeiro, S. Singh and C. Guestrin, "'Why should I trust you?'
       Explaining the predictions of any classifier", KDD 2016.
       https://doi.org/10.1145/2939672.2939778
    .. [2] R. Achanta et al., "SLIC superpixels compared to state-of-the-art superpixel
       methods", TPAMI 34, 2012.  https://doi.org/10.1109/TPAMI.2012.120
    .. [3] J. G. MacKinnon and H. White, "Some heteroskedasticity-consistent covariance
       matrix estimators with improved finite sample properties", Journal of
       Econometrics 29, 1985.  https://doi.org/10.1016/0304-4076(85)90158-7
    """
    check_whole(segments, "segments", least=2)
    check_whole(samples, "samples", least=2)
    check_whole(seed, "seed", least=0)
    check_whole(batch_size, "batch_size")
    question = ask(model, images, target)
    filling = None if baseline is None else baseline_of(baseline, question.images)
    values, errors, bare = [], [], []
    for image, selector in zip(
        one_by_one(question.images, "LIME", progress), question.selectors, strict=True
    ):
        patches = superpixels(image, segments)
        hidden = _means_of(image, patches) if filling is None else filling
        shown = np.random.default_rng(seed).random((samples, patches.max() + 1)) < 0.5
        logits = []
        for part in np.array_split(shown, -(-samples // batch_size)):
            copies = np.where(part[:, patches][..., None], image, hidden)
            outputs = all_logits(model, copies, batch_size=batch_size)
            logits.append(logits_of(outputs, selector))
        adds, error = _fit(shown, np.concatenate(logits))
        bare.append(hidden)
        values.append(adds[patches])
        errors.append(error[patches])
    return question.answer(
        np.stack(values),
        question.logits(batch_size=batch_size),
        method="LIME",
        units="logits",
        signed=True,
        error=np.stack(errors),
        baseline_score=question.logits_at(np.stack(bare), batch_size=batch_size),
    )


def superpixels(image: np.ndarray, segments: int) -> npt.NDArray[np.intp]:
    """Cut an image into patches of pixels that lie together and look alike.

    Parameters
    ----------
    image : ndarray of shape (H, W, C)
        In any range.
    segments : int
        How many, about.

    Returns
    -------
    patches : ndarray of shape (H, W), int
        The number of each pixel's patch, from 0.

    Examples
    --------
    >>> image = np.zeros((32, 32, 3))
    >>> image[:, 13:] = 1
    >>> patches = superpixels(image, 4)
    >>> bool(set(patches[:, :13].flat) & set(patches[:, 13:].flat))
    False
    """
    from skimage.segmentation import slic  # takes half a second

    low, high = image.min(), image.max()
    scaled = (image - low) / (high - low or 1)
    patches = slic(
        scaled,
        segments,
        compactness=10 if image.shape[-1] == 3 else 0.1,
        start_label=0,
        channel_axis=-1,
    )
    return np.unique(patches, return_inverse=True)[1].reshape(patches.shape)


def _means_of(image, patches):
    """Return an image in which each patch has its mean colour."""
    flat = patches.ravel()
    counts = np.bincount(flat)
    means = np.stack(
        [
            np.bincount(flat, channel.ravel()) / counts
            for channel in image.T.swapaxes(1, 2)
        ],
        axis=-1,
    )
    return means[patches].astype(image.dtype)


def _fit(shown, logits):
    """Return what each patch adds to the logit, and its standard error.

    By weighted ridge regression.  Copies that show more of the image count more:
    exp(−d² / width²), with d the cosine distance between what is shown and all.

    The errors are the jackknife's: how far each copy, left out, moves the result.  They
    hold where the logit is no sum of patches, and grow where copies are few.
    """
    on = shown.astype(float)
    distance = 1 - np.sqrt(on.mean(axis=1))
    weights = np.exp(-((distance / WIDTH) ** 2))
    middle, mean = (
        np.average(on, axis=0, weights=weights),
        np.average(logits, weights=weights),
    )
    apart, rest = on - middle, logits - mean
    gram = apart.T @ (weights[:, None] * apart) + PENALTY * np.eye(on.shape[1])
    adds = np.linalg.solve(gram, apart.T @ (weights * rest))
    pull = np.linalg.solve(gram, apart.T * weights)  # (patches, copies)
    lever = weights / weights.sum() + (apart.T * pull).sum(axis=0)
    moved = pull * ((rest - apart @ adds) / (1 - lever))
    return adds, np.sqrt((moved**2).sum(axis=1))
