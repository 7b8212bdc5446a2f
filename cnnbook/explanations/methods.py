"""Which pixels a class score depends on, for any Keras image classifier.

The work is done in modules that can be read one at a time; their public names are
here.  All methods are called alike, ``method(model, images, target, *, …)``, and
answer with one `Explanation`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from cnnbook.explanations.class_maps import (
    ablation_cam,
    grad_cam,
    grad_cam_plus_plus,
    hires_cam,
)
from cnnbook.explanations.explanation import Explanation
from cnnbook.explanations.gradient_maps import (
    deconvnet,
    guided_backprop,
    integrated_gradients,
    saliency_map,
    smooth_grad,
)
from cnnbook.explanations.occlusion import occlusion_map
from cnnbook.explanations.superpixels import lime
from cnnbook.networks.heads import Targets

if TYPE_CHECKING:
    import keras

# Names for a shell, and for tables.
METHODS: Mapping[str, Callable[..., Explanation]] = MappingProxyType(
    {
        "occlusion": occlusion_map,
        "lime": lime,
        "saliency": saliency_map,
        "smooth-grad": smooth_grad,
        "integrated-gradients": integrated_gradients,
        "guided-backprop": guided_backprop,
        "deconvnet": deconvnet,
        "grad-cam": grad_cam,
        "grad-cam++": grad_cam_plus_plus,
        "hires-cam": hires_cam,
        "ablation-cam": ablation_cam,
    }
)


def explain(
    method: str,
    model: keras.Model,
    images: npt.ArrayLike,
    target: Targets,
    **options: Any,
) -> Explanation:
    """Explain by a method given by its name.

    Parameters
    ----------
    method : str
        One of `METHODS`.
    model, images, target
        As for the methods.
    **options
        As the method takes them.

    Returns
    -------
    explanation : Explanation

    Raises
    ------
    ValueError
        If there is no such method, or as the method.

    Examples
    --------
    >>> import numpy as np
    >>> from cnnbook.networks import load_classifier
    >>> explain("grad-cam", load_classifier(), np.zeros((1, 96, 96, 3)), "cat").layer
    'block3_relu'
    """
    if method not in METHODS:
        raise ValueError(
            f"there is no method {method!r}; there are {', '.join(METHODS)}"
        )
    return METHODS[method](model, images, target, **options)
