"""What is wrong today, and why: the one list of it.

By reason: which functions, and on which networks.  A cell that is named here must be
wrong; once it is mended, its line has to go.
"""

ASK_THE_MODEL = (
    "superposition_gap",
    "saliency_map",
    "explain",
    "smooth_grad",
    "integrated_gradients",
    "guided_backprop",
    "deconvnet",
    "grad_cam",
    "hires_cam",
    "xgrad_cam",
    "grad_cam_plus_plus",
    "ablation_cam",
    "occlusion_map",
    "lime",
    "evaluate",
    "photo_lab",
)


def named(*names):
    """Return whether a network has one of these names."""
    return lambda network: network.name in names


WRONG_TODAY = {
    "a model that Keras cannot run itself when told that it is not training stops "
    "in an error of Keras's": (
        ASK_THE_MODEL,
        named("around another model called by position"),
    ),
    "softmax as a layer cannot be replaced": (
        ("without_activations",),
        named(
            "that ends in softmax, as a layer",
            "that ends in softmax and dropout",
            "that ends in softmax and Reshape",
            "that ends in softmax and Flatten",
            "that ends in softmax and clip",
            "that ends in softmax and Rescaling",
            "that ends in softmax over pooled 1 × 1 maps",
        ),
    ),
    "logits are said where only answers tell that they are probabilities": (
        ("head",),
        named(
            "whose last layer is a subclass of Dense",
            "that ends in softplus over its sum",
        ),
    ),
    "half precision is nothing that a page can hold": (
        ("feature_map_explorer",),
        named("that computes in float16", "that computes in mixed_float16"),
    ),
}
