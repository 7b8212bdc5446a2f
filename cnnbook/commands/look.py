"""Look at photos with a network from a shell; hand the network on to a page.

What can be refused without the network is refused first, before TensorFlow and all that
is slow to import is loaded.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import click
import numpy as np
from tabulate import tabulate
from tqdm import tqdm

from cnnbook import explanations, networks, pictures, storage
from cnnbook.commands import outputs


def predict(
    photos: Sequence[Path],
    model_file: Path | None,
    white: Literal["1", "255"] | None,
    *,
    as_json: bool = False,
) -> None:
    """Print the probability of each class, of the likeliest five at most.

    Parameters
    ----------
    photos : sequence of path
    model_file : path or None
        None for the network of this package.
    white : {"1", "255"} or None
        What white is to the network; None where that is known.
    as_json : bool
        Whether to print all of them, as JSON.

    Raises
    ------
    OSError, ValueError
        If a file cannot be read, or the network is no image classifier.
    """
    model_file = networks.find_network(model_file)
    size = networks.image_size(model_file)
    loaded = [pictures.load_image(photo, size) for photo in photos]

    network = networks.load_network(model_file)
    batch = np.concatenate([_fitted(network, each, white)[1] for each in loaded])
    probabilities = _probabilities(network, batch, photos)
    names = _names(network, probabilities.shape[1])
    order = np.argsort(-probabilities, axis=1)
    if as_json:
        _print_json(
            network=str(model_file),
            class_names=names,
            photos=[
                {
                    "photo": str(photo),
                    **_class(names, row, int(best[0])),
                    "probabilities": row.tolist(),
                }
                for photo, row, best in zip(photos, probabilities, order, strict=True)
            ],
        )
        return
    rows = [
        [photo, *(f"{names[k]} {row[k]:.1%}" for k in best[:5])]
        for photo, row, best in zip(photos, probabilities, order, strict=True)
    ]
    click.echo(tabulate(rows, tablefmt="plain"))


def draw_maps(
    photo: Path,
    model_file: Path | None,
    white: Literal["1", "255"] | None,
    layer: str | None,
    out: Path,
) -> None:
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
        As `predict`, or if there is no such layer, or nothing can be written there.
    """
    model_file = networks.find_network(model_file)
    picture = pictures.load_image(photo, networks.image_size(model_file))
    outputs.check_picture(out)

    from cnnbook import figures, maps

    network = networks.load_network(model_file)
    _, batch = _fitted(network, picture, white)
    if layer is None:
        names = list(maps.feature_maps(network, batch))
        calls = networks.layer_calls(network)
        roles = [networks.traits_of(calls[name].operation).role for name in names[:2]]
        layer = names[1] if roles[1:] == ["activation"] else names[0]
    found = maps.feature_maps(network, batch, layer)
    if len(found) > 1:
        raise ValueError(f"--layer must be one layer; {layer} fits {', '.join(found)}")
    ((layer, values),) = found.items()
    figures.feature_map_sheet(values[0]).savefig(out, dpi=200)
    signs = " (blue below zero, orange above)" if (values < 0).any() else ""
    click.echo(f"{values.shape[-1]} maps of {layer}{signs}: {out}")


def explain(
    photo: Path,
    model_file: Path | None,
    white: Literal["1", "255"] | None,
    methods: str,
    target: str | None,
    layer: str | None,
    out: Path,
    *,
    as_json: bool = False,
) -> None:
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
        For methods that weigh the maps of a layer; the others take none.
    out : pathlib.Path
    as_json : bool
        Whether to print what is known of the explanations as JSON.

    Raises
    ------
    OSError, ValueError
        As `predict`, or if there is no such method, class or layer, a method takes no
        layer, or nothing can be written there.
    """
    chosen = _methods(methods, layer)
    model_file = networks.find_network(model_file)
    picture = pictures.load_image(photo, networks.image_size(model_file))
    outputs.check_picture(out)

    from cnnbook import figures

    network = networks.load_network(model_file)
    shown, batch = _fitted(network, picture, white)
    (probabilities,) = _probabilities(network, batch, [photo])
    wanted: int | str
    if target is None:
        wanted = int(probabilities.argmax())
    else:
        # A class may be called "2": its name wins over the place of another.
        named = target in _names(network, len(probabilities))
        wanted = int(target) if target.isdecimal() and not named else target
    found = []
    bar = tqdm(chosen, desc="explaining", unit="method", disable=None)
    for method in bar:
        bar.set_postfix_str(method.name)
        options: dict[str, Any] = {} if layer is None else {"layer": layer}
        if "progress" in method.options:
            options["progress"] = True
        found.append(
            explanations.explain(method.name, network, batch, wanted, **options)
        )
    drawn = figures.explanations_over_photo(shown, found)
    drawn.savefig(out, dpi=200, bbox_inches="tight")  # with all that stands below
    names = _names(network, len(probabilities))
    index = wanted if isinstance(wanted, int) else names.index(wanted)
    logit = found[0].score[0]
    if as_json:
        _print_json(
            network=str(model_file),
            photo=str(photo),
            **_class(names, probabilities, index),
            logit=_number(logit),
            image_size=list(shown.shape[:2]),
            picture=str(out),
            explanations=[
                {"method": method.name, **_facts(explanation)}
                for method, explanation in zip(chosen, found, strict=True)
            ],
        )
        return
    click.echo(
        f"{names[index]}: probability {probabilities[index]:.1%}, logit {logit:.2f}"
    )
    for explanation in found:
        remarks = explanation.remarks()
        click.echo(f"{explanation}; {remarks}" if remarks else f"{explanation}")
    click.echo(f"Drawn to {out}")


def export(model_file: Path, out: Path, dtype: Literal["float32", "float16"]) -> None:
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
    model_file = networks.find_network(model_file)
    if out.suffix != ".js":
        raise ValueError(f"--out must end in .js; got {out.name}")
    outputs.check_new_file(out)

    network = networks.load_network(model_file)
    networks.export_network(network, out, dtype=dtype)
    size = storage.in_units(out.stat().st_size)
    classes = ", ".join(_names(network, network.output_shape[-1])[:10])
    click.echo(f"{size}, classes {classes}: {out}")


def _methods(names, layer):
    """Find the methods asked for; ValueError if one of them takes no layer."""
    names = explanations.METHODS if names == "all" else names.split(",")
    chosen = [explanations.find_method(name.strip()) for name in names]
    without = [method.name for method in chosen if "layer" not in method.options]
    if layer is not None and without:
        known = explanations.METHODS.values()
        those = [method.name for method in known if "layer" in method.options]
        raise ValueError(
            f"--layer is for methods that weigh a layer's maps, {', '.join(those)}; "
            f"it means nothing to {', '.join(without)}"
        )
    return chosen


def _fitted(network, picture, white):
    """Give a picture as people see it, (H, W, 3), and as the network takes it."""
    _, rows, columns, channels = networks.one_image_input(network)
    if channels != 3:
        raise ValueError(
            f"the network takes images of {channels} channels; photos have 3"
        )
    size = (rows, columns) if rows and columns else None
    shown = pictures.load_image(picture, size)
    own = network.inputs[0].name == pictures.INTENSITIES
    if white is None and not own:
        raise ValueError(
            "this network is not one of cnnbook's, so that it has to be said whether "
            "it takes numbers from 0 to 1 or from 0 to 255: --white 1 or --white 255"
        )
    return shown, shown[None] * (255 if white == "255" else 1)


def _probabilities(network, batch, photos):
    """Compute the probability of each class for each photo: (N, K)."""
    from cnnbook import explanations

    probabilities = explanations.class_probabilities(network, batch)
    for photo, row in zip(photos, probabilities, strict=True):
        if not np.isfinite(row).all():
            raise ValueError(
                f"the network's answer to {photo} is not finite, so that no class is "
                "the likeliest; its weights may be damaged"
            )
    return probabilities


def _names(network, count):
    """Return names of classes, or their numbers."""
    names = getattr(network, "class_names", None)
    return list(names) if names else [str(number) for number in range(count)]


def _class(names, probabilities, index):
    """Say of one class which it is and how probable."""
    return {
        "class": index,
        "class_name": names[index],
        "probability": float(probabilities[index]),
    }


def _facts(explanation):
    """Say of an explanation all but the map itself, which is drawn."""
    values = explanation.values[0]
    return {
        "layer": explanation.layer,
        "units": explanation.units,
        "signed": explanation.signed,
        "map_size": list(values.shape),
        "lowest": _number(values.min()),
        "highest": _number(values.max()),
        **_exactness(explanation),
    }


def _exactness(explanation):
    """Say how far a map can be relied on, if the method has something to say."""
    found = {}
    if explanation.gap is not None:
        found["gap"] = _number(explanation.gap[0])
        found["converged"] = bool(explanation.converged[0])
    if explanation.error is not None:
        found["standard_error"] = _number(explanation.error[0].mean())
    return found


def _number(value):
    """Return a number that JSON can write, or None."""
    return float(value) if np.isfinite(value) else None


def _print_json(**document):
    """Print one JSON object, without what JSON cannot write, such as NaN."""
    click.echo(json.dumps(document, indent=2, allow_nan=False))
