"""Compute what the book's widgets show, into the folders that are named.

The same cat and the same drawn dog as everywhere, the classifier that comes with the
package, pictures of VGG19's maps on the cat, and how this build's classifier learned.
Each widget has a function of its own, called as the one in `cnnbook.widgets` is, and is
computed anew only when what that function rests on changes.
"""

import hashlib
import json
import sys
from functools import cache
from pathlib import Path

SIZE = 96  # pixels, as the classifier takes them
LARGE = 224  # as VGG19 has learned to take them
DOG = 9  # among the drawn pets
LATER = "later"  # the folder of what pages load when they need it
FACTS = "facts.json"  # what a page has to know of the other files
FILTERS = (8, 1, 13)  # whose maps have much on either side of zero


def make(tag, folder):
    """Write what one widget shows as scripts, and its still picture.

    Their names tell what is in them: those of two books can lie in one folder.

    Parameters
    ----------
    tag : str
    folder : pathlib.Path
        Made, complete or not at all.
    """
    from cnnbook import storage
    from cnnbook.widgets import embedding, registry

    widget = globals()[registry.ELEMENTS[tag].maker]()
    picture, width, height = embedding.still_picture(widget.still)
    scripts = embedding.named_scripts(widget.data)
    facts = {
        "sets": {kind: name for kind, (name, _) in scripts.items()},
        "picture": f"{tag}-{hashlib.sha256(picture).hexdigest()[:8]}.webp",
        "width": width,
        "height": height,
        "alt": widget.alt,
    }
    with storage.whole_folder(folder) as unfinished:
        (unfinished / LATER).mkdir()
        for name, script in scripts.values():
            (unfinished / f"{name}.js").write_text(script + "\n", "utf-8")
        for name, things in widget.later.items():
            script = embedding.data_script(name, things)
            (unfinished / LATER / f"{name}.js").write_text(script + "\n", "utf-8")
        (unfinished / facts["picture"]).write_bytes(picture)
        (unfinished / FACTS).write_text(json.dumps(facts), "utf-8")


def convolution_playground():
    """Show the first filters of the classifier."""
    from cnnbook import widgets

    filters, biases = classifier().get_layer("block1_conv").get_weights()
    return widgets.convolution_playground(photos(), filters, biases)


def pooling_playground():
    """Show the photos alone."""
    from cnnbook import widgets

    return widgets.pooling_playground(photos())


def activation_explorer():
    """Show maps of the classifier before its first ReLU."""
    from cnnbook import maps, widgets

    found = maps.feature_maps(classifier(), cat()[None], ["block1_conv"])
    inner = found["block1_conv"][0, 1:-1, 1:-1]  # padding makes strange borders
    return widgets.activation_explorer(
        {f"filter {f} of the classifier": inner[:, :, f] for f in FILTERS}
    )


def kernel_trainer():
    """Show the lesson of the chapter."""
    from cnnbook import widgets

    return widgets.kernel_trainer()


def photo_lab():
    """Let the classifier look at the photos, and at those of readers."""
    from cnnbook import widgets

    return widgets.photo_lab(classifier(), photos())


def fully_connected_explorer():
    """Show how the end of the classifier votes on the photos."""
    from cnnbook import widgets

    return widgets.fully_connected_explorer(classifier(), photos())


def feature_map_explorer():
    """Show the classifier, and VGG19's maps on the cat."""
    from cnnbook import widgets

    return widgets.feature_map_explorer(classifier(), photos(), **vgg19_maps(LARGE))


def training_scrubber():
    """Show how this build's classifier learned."""
    from cnnbook import training, widgets

    built = training.train_for_book()
    return widgets.training_scrubber(
        built.model, built.checkpoints, cat(), built.history
    )


# What several of them show.


@cache
def cat():
    """Return the cat as the classifier takes it."""
    from cnnbook import pictures

    return pictures.model_cat((SIZE, SIZE))


@cache
def photos():
    """Return the cat and a drawn dog, by the names that readers see."""
    from cnnbook import pictures

    dogs = pictures.draw_pets(DOG + 1, size=SIZE)
    return {"Chelsea, the cat": cat(), "a drawn dog": dogs.images[DOG]}


@cache
def classifier():
    """Return the classifier that comes with the package."""
    from cnnbook import networks

    return networks.load_classifier()


def vgg19_maps(size):
    """Record VGG19's maps on the cat, as the feature-map explorer takes them."""
    from cnnbook import networks, pictures
    from cnnbook.widgets import chains

    network = networks.load_vgg19(left_out="repeats")
    about = (
        "The network looked at the cat when this book was made. Its weights are "
        f"{network.provenance.label}. Its numbers are read from pictures: about right."
    )
    chain, sets = chains.recorded_chain(
        network, pictures.model_cat((size, size)), "vgg19", about
    )
    return {"recorded": {"VGG19": chain}, "later": sets}


if __name__ == "__main__":
    from cnnbook import tensorflow_start

    tensorflow_start.prepare()
    for folder in map(Path, sys.argv[1:]):
        make(folder.parent.name, folder)
