"""Look at photos with a network from a shell; hand the network on to a page."""

import click
import numpy as np
from tabulate import tabulate
from tqdm import tqdm

from cnnbook import (
    activations,
    downloads,
    explanations,
    figures,
    images,
    network_files,
    overlays,
)
from cnnbook import export as exporting
from cnnbook.networks import one_image_input

_WITH_LAYER = frozenset({"grad-cam", "grad-cam++", "hires-cam", "ablation-cam"})
_WITH_BAR = frozenset({"occlusion", "lime", "ablation-cam"})


def predict(photos, model_file, white):
    """Print the probability of each class, of the likeliest five at most.

    Parameters
    ----------
    photos : sequence of path
    model_file : path or None
        None for the network of this package.
    white : {"1", "255"} or None
        What white is to the network; None where that is known.

    Raises
    ------
    OSError, ValueError
        If a file cannot be read, or the network is no image classifier.
    """
    network = _network(model_file)
    batch = np.concatenate([_photo(network, photo, white)[1] for photo in photos])
    probabilities = explanations.class_probabilities(network, batch)
    names = _names(network, probabilities.shape[1])
    order = np.argsort(-probabilities, axis=1)[:, :5]
    rows = [
        [photo, *(f"{names[k]} {row[k]:.1%}" for k in best)]
        for photo, row, best in zip(photos, probabilities, order, strict=True)
    ]
    click.echo(tabulate(rows, tablefmt="plain"))


def maps(photo, model_file, white, layer, out):
    """Draw the feature maps of a layer.

    Parameters
    ----------
    photo, model_file, white
        As for `predict`.
    layer : str or None
        None for the first convolution, behind its activation where that is a layer of
        its own.
    out : pathlib.Path

    Raises
    ------
    OSError, ValueError
        As `predict`, or if there is no such layer.
    """
    network = _network(model_file)
    _, batch = _photo(network, photo, white)
    if layer is None:
        names = list(activations.feature_maps(network, batch))
        layer = names[1] if len(names) > 1 and "relu" in names[1] else names[0]
    found = activations.feature_maps(network, batch, layer)
    if len(found) > 1:
        raise ValueError(f"--layer must be one layer; {layer} fits {', '.join(found)}")
    ((layer, values),) = found.items()
    figures.feature_map_sheet(values[0]).savefig(out, dpi=200)
    click.echo(f"{values.shape[-1]} maps of {layer}: {out}")


def explain(photo, model_file, white, methods, target, layer, out):
    """Draw explanations of one photo side by side.

    Parameters
    ----------
    photo, model_file, white
        As for `predict`.
    methods : str
        Names out of `explanations.METHODS` with commas between them, or "all".
    target : str or None
        A class by name or number; None for the likeliest.
    layer : str or None
        For methods that weigh the maps of a layer.
    out : pathlib.Path

    Raises
    ------
    OSError, ValueError
        As `predict`, or if there is no such method, class or layer.
    """
    chosen = [name.strip() for name in methods.split(",")]
    if methods == "all":
        chosen = list(explanations.METHODS)
    if unknown := set(chosen) - set(explanations.METHODS):
        raise ValueError(
            f"there is no method {', '.join(sorted(unknown))}; there are "
            f"{', '.join(explanations.METHODS)}"
        )
    if layer and not set(chosen) & _WITH_LAYER:
        raise ValueError(
            f"--layer is for methods that weigh a layer's maps, "
            f"{', '.join(sorted(_WITH_LAYER))}; none of them was asked for"
        )
    network = _network(model_file)
    shown, batch = _photo(network, photo, white)
    probabilities = explanations.class_probabilities(network, batch)[0]
    if target is None:
        target = int(probabilities.argmax())
    elif target.isdecimal():
        target = int(target)
    found = []
    bar = tqdm(chosen, desc="explaining", unit="method", disable=None)
    for method in bar:
        bar.set_postfix_str(method)
        options = {"layer": layer} if layer and method in _WITH_LAYER else {}
        if method in _WITH_BAR:
            options["progress"] = True
        found.append(explanations.explain(method, network, batch, target, **options))
    overlays.explanations_over_photo(shown, found).savefig(out, dpi=200)
    names = _names(network, len(probabilities))
    index = target if isinstance(target, int) else names.index(target)
    click.echo(
        f"{names[index]}: probability {probabilities[index]:.1%}, logit "
        f"{found[0].score[0]:.2f}"
    )
    for explanation in found:
        click.echo(f"{explanation}")
    click.echo(f"Drawn to {out}")


def export(model_file, out, dtype):
    """Write a network as a script that runs in a page.

    Parameters
    ----------
    model_file : pathlib.Path
    out : pathlib.Path
        Ends in ``.js``.
    dtype : {"float32", "float16"}

    Raises
    ------
    OSError, ValueError
        If a file cannot be read or written, or a page cannot run the network.
    """
    network = network_files.load_network(model_file)
    exporting.export_network(network, out, dtype=dtype)
    size = downloads.in_units(out.stat().st_size)
    classes = ", ".join(_names(network, network.output_shape[-1])[:10])
    click.echo(f"{size}, classes {classes}: {out}")


def _network(model_file):
    """Load a network; that of this package, if none is given."""
    if model_file is None:
        return network_files.load_classifier()
    return network_files.load_network(model_file)


def _photo(network, photo, white):
    """Read a photo as people see it, (H, W, 3), and as the network takes it."""
    shape = one_image_input(network)
    if shape[3] != 3:
        raise ValueError(
            f"the network takes images of {shape[3]} channels; photos have 3"
        )
    size = None if None in shape[1:3] else shape[1:3]
    shown = images.load_image(photo, size)
    own = network.inputs[0].name == images.INTENSITIES
    if white is None and not own:
        raise ValueError(
            "this network is not one of cnnbook's, so that it has to be said whether "
            "it takes numbers from 0 to 1 or from 0 to 255: --white 1 or --white 255"
        )
    return shown, shown[None] * (255 if white == "255" else 1)


def _names(network, count):
    """Return names of classes, or their numbers."""
    names = getattr(network, "class_names", None)
    return list(names) if names else [str(number) for number in range(count)]
