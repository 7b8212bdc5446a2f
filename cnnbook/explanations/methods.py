"""Every method that explains, by its name; what each takes is read from its code.

All methods are called alike, ``method(model, images, target, *, …)``, and answer with
one `Explanation`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from cnnbook.explanations.class_maps import (
    ablation_cam,
    grad_cam,
    grad_cam_plus_plus,
    hires_cam,
    xgrad_cam,
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


@dataclass(frozen=True)
class Method:
    """A way to explain, under the name that it has in a shell and in tables.

    Attributes
    ----------
    name : str
    function : callable
        ``function(model, images, target, **options)`` returns an `Explanation`.
    signed : bool
        Whether its maps go below zero, where something speaks against the class.
    """

    name: str
    function: Callable[..., Explanation]
    signed: bool

    @property
    def options(self) -> dict[str, Any]:
        """What the function takes beside model, images and target: {name: default}."""
        parameters = inspect.signature(self.function).parameters.values()
        return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}


_RECORDS = (
    Method("occlusion", occlusion_map, signed=True),
    Method("lime", lime, signed=True),
    Method("saliency", saliency_map, signed=False),
    Method("smooth-grad", smooth_grad, signed=False),
    Method("integrated-gradients", integrated_gradients, signed=True),
    Method("guided-backprop", guided_backprop, signed=False),
    Method("deconvnet", deconvnet, signed=False),
    Method("grad-cam", grad_cam, signed=False),
    Method("grad-cam++", grad_cam_plus_plus, signed=False),
    Method("xgrad-cam", xgrad_cam, signed=False),
    Method("hires-cam", hires_cam, signed=True),
    Method("ablation-cam", ablation_cam, signed=False),
)
METHODS: Mapping[str, Method] = MappingProxyType(
    {method.name: method for method in _RECORDS}
)


def find_method(name: str) -> Method:
    """Return the record of a method.

    Parameters
    ----------
    name : str
        One of `METHODS`.

    Returns
    -------
    method : Method

    Raises
    ------
    ValueError
        If there is no such method.

    Examples
    --------
    >>> list(find_method("hires-cam").options)
    ['layer', 'batch_size']
    """
    if name not in METHODS:
        raise ValueError(f"there is no method {name!r}; there are {', '.join(METHODS)}")
    return METHODS[name]


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
        If there is no such method, or it takes no such options; or as the method.

    Examples
    --------
    >>> import numpy as np
    >>> from cnnbook.networks import load_classifier
    >>> explain("grad-cam", load_classifier(), np.zeros((1, 96, 96, 3)), "cat").layer
    'block3_relu'
    """
    record = find_method(method)
    if unknown := sorted(options.keys() - record.options.keys()):
        raise ValueError(
            f"{method} takes no {' and no '.join(unknown)}; it takes "
            f"{', '.join(record.options)}"
        )
    return record.function(model, images, target, **options)
