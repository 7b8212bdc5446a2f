"""What is wrong today, and why: the one list of it.

By reason: which functions, and on which networks.  A cell that is named here must be
wrong; once it is mended, its line has to go.
"""

SUBCLASSED = (
    "one_image_input",
    "fitting_images",
    "superposition_gap",
    "save_classifier",
    "outputs_without_each_channel",
    "filter_pattern",
    "training_scrubber",
    "training_form",
)
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
SAVED_BY_NAME = (
    "knock_out",
    "save_classifier",
    "with_shuffled_weights",
    "without_activations",
    "with_random_weights",
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
    "a subclassed model stops in an AttributeError": (
        SUBCLASSED,
        named("that is a subclass of keras.Model"),
    ),
    "several inputs stop it in an error of Python's, or are not what it speaks of": (
        ("fitting_images", "superposition_gap", "field_on", "loss_slope"),
        named("with two inputs"),
    ),
    "the ranges of pictures that networks take are not read": (
        ("describe", "features", "mixtures"),
        lambda network: network.white != 1,
    ),
    "0.0, with which it hides, is no byte": (
        ("occlusion_map",),
        named("that takes bytes"),
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
    "Keras writes a function of one's own by its name alone, and reads another": (
        SAVED_BY_NAME,
        named("that ends in a function of one's own named softmax, and it is none"),
    ),
}
