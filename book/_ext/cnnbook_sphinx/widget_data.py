"""Compute what the book's widgets show, into the folder that is named.

The same cat and the same drawn dog as everywhere, the classifier that comes with the
package, pictures of VGG19's maps on the cat, and how this build's classifier learned.
"""

import sys
from pathlib import Path

SIZE = 96  # pixels, as the classifier takes them
LARGE = 224  # as VGG19 has learned to take them
DOG = 9  # among the drawn pets
LATER = "later"  # the folder of what pages load when they need it
FILTERS = (8, 1, 13)  # whose maps have much on either side of zero


def make(folder):
    """Write the arrays of all widgets as scripts, and their still pictures.

    Parameters
    ----------
    folder : pathlib.Path
        Made, complete or not at all.
    """
    from cnnbook.storage import whole_folder

    with whole_folder(folder) as unfinished:
        _write(unfinished)


def _write(folder):
    """Fill a folder with scripts and pictures."""
    from cnnbook.widgets import embedding

    later = folder / LATER
    later.mkdir()
    for widget in all_widgets():
        for kind, arrays in widget.data.items():
            script = embedding.data_script(kind, arrays)
            (folder / f"{kind}.js").write_text(script + "\n", "utf-8")
        for name, things in widget.later.items():
            script = embedding.data_script(name, things)
            (later / f"{name}.js").write_text(script + "\n", "utf-8")
        picture, width, height = embedding.still_picture(widget.still)
        (folder / f"{widget.tag}.webp").write_bytes(picture)
        facts = f"{width} {height} {widget.alt}"
        (folder / f"{widget.tag}.txt").write_text(facts, "utf-8")


def all_widgets():
    """List the widgets of the book; those that take a set of a kind share it."""
    from cnnbook import maps, networks, pictures, training, widgets

    cat = pictures.model_cat((SIZE, SIZE))
    dogs = pictures.draw_pets(DOG + 1, size=SIZE)
    photos = {"Chelsea, the cat": cat, "a drawn dog": dogs.images[DOG]}
    network, built = networks.load_classifier(), training.train_for_book()
    found = maps.feature_maps(network, cat[None], ["block1_conv"])
    inner = found["block1_conv"][0, 1:-1, 1:-1]  # padding makes strange borders
    filters, biases = network.get_layer("block1_conv").get_weights()
    return [
        widgets.convolution_playground(photos, filters, biases),
        widgets.pooling_playground(photos),
        widgets.activation_explorer(
            {f"filter {f} of the classifier": inner[:, :, f] for f in FILTERS}
        ),
        widgets.photo_lab(network, photos),
        widgets.fully_connected_explorer(network, photos),
        widgets.feature_map_explorer(network, photos, **vgg19_maps(LARGE)),
        widgets.training_scrubber(built.model, built.checkpoints, cat, built.history),
    ]


def vgg19_maps(size):
    """Record VGG19's maps on the cat, as the feature-map explorer takes them."""
    from cnnbook import networks, pictures
    from cnnbook.widgets import chains

    network = networks.load_vgg19()
    about = (
        "VGG19 looked at the cat when this book was made, with these weights: "
        f"{network.provenance}. Its numbers are read from pictures: about right."
    )
    chain, sets = chains.recorded_chain(
        network, pictures.model_cat((size, size)), "vgg19", about
    )
    return {"recorded": {"VGG19": chain}, "later": sets}


if __name__ == "__main__":
    from cnnbook import tensorflow_start

    tensorflow_start.prepare()
    make(Path(sys.argv[1]))
