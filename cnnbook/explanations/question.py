"""What a classifier is asked, the class of each image, and how maps answer it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cnnbook.explanations.explanation import Explanation
from cnnbook.explanations.logits import (
    all_logits,
    compiled_logits,
    explainable_images,
    logits_of,
)
from cnnbook.networks.heads import Head, Targets, head

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True, eq=False)
class Question:
    """Images, and the class whose logit is to be explained in each.

    Attributes
    ----------
    model : keras.Model
    images : ndarray of shape (N, H, W, C)
    head : Head
    indices : ndarray of shape (N,), int
        The class of each image.
    target : int or str, or a sequence of N of them
        The same as it was asked.
    """

    model: keras.Model
    images: np.ndarray
    head: Head
    indices: np.ndarray
    target: Targets

    @property
    def selectors(self) -> np.ndarray:
        """What logits are multiplied by to get that of each image's class: (N, K)."""
        return self.head.selectors(self.indices)

    def logits(self, *, batch_size: int) -> np.ndarray:
        """Compute the logit of each image's class, as the images are: (N,)."""
        return self.logits_at(self.images, batch_size=batch_size)

    def logits_at(self, others: np.ndarray, *, batch_size: int) -> np.ndarray:
        """Compute the logit of each image's class for others in their place: (N,).

        ``others`` are N images, or one for all, of shape (1, H, W, C).
        """
        outputs = all_logits(self.model, others, batch_size=batch_size)
        return logits_of(outputs, self.selectors)

    def answer(
        self, values: np.ndarray, logits: npt.ArrayLike, **facts: Any
    ) -> Explanation:
        """Put maps together with what they explain.

        Parameters
        ----------
        values : ndarray of shape (N, H', W')
        logits : array of shape (N,)
            Of each image's class.
        **facts
            The method, units, signed, and perhaps more attributes of `Explanation`.

        Returns
        -------
        explanation : Explanation
        """
        return Explanation(
            values=values,
            target=self.head.labels(self.indices, self.target),
            score=np.asarray(logits, "float32"),
            image_size=self.images.shape[1:3],
            **{"layer": None} | facts,
        )


def ask(model: keras.Model, images: npt.ArrayLike, target: Targets) -> Question:
    """Check what a method is called with.

    Parameters
    ----------
    model : keras.Model
    images : array of shape (N, H, W, C)
    target : int or str, or a sequence of N of them

    Returns
    -------
    question : Question

    Raises
    ------
    ValueError
        If the model is no image classifier, or hides how it comes to its
        probabilities; if the images do not fit it or are not finite,
        or there is no such class.
    """
    fitting, end = explainable_images(model, images), head(model)
    compiled_logits(model, fitting)  # refuses what hides its logits
    return Question(model, fitting, end, end.targets(target, len(fitting)), target)
