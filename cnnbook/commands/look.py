"""Look at photos with a network from a shell; hand the network on to a page.

What can be refused without the network is refused first, before TensorFlow and all that
is slow to import is loaded.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import click
import numpy as np
from tabulate import tabulate
from tqdm import tqdm

from cnnbook import explanations, networks, pictures, storage
from cnnbook.commands import outputs


class Answers(NamedTuple):
    """What a network answers with, as for `networks.with_answers`; None if shown."""

    logits: Literal["softmax", "sigmoid"] | None = None
    probabilities: Literal["softmax", "sigmoid"] | None = None


SHOWN = Answers()


@dataclass(frozen=True)
class ShownAs:
    """How photos are to be shown to a network.

    Attributes
    ----------
    white : {"1", "255"} or None
        What white is to it; None where that is known.
    fit : {"crop", "stretch", "pad"}
        As in `pictures.load_image`.
    """

    white: Literal["1", "255"] | None = None
    fit: "pictures.Fit" = "crop"


def predict(
    photos: Sequence[Path],
    model_file: Path | None,
    shown_as: ShownAs,
    *,
    answers: Answers = SHOWN,
    trust_code: bool = False,
    as_json: bool = False,
) -> None:
    """Print the probability of each class, of the likeliest five at most.

    Parameters
    ----------
    photos : sequence of path
    model_file : path or None
        None for the network of this package.
    shown_as : ShownAs
    answers : Answers
    trust_code : bool
        Whether to run the Python code in the network's file.
    as_json : bool
        Whether to print all of them, as JSON.

    Raises
    ------
    OSError, ValueError
        If a file cannot be read, or the network is no image classifier.
    """
    model_file = networks.find_network(model_file)
    loaded = [_loaded(photo, model_file, shown_as) for photo in photos]

    network = _network(model_file, answers, trust_code)
    facts = _facts_of_images(network, shown_as)
    batch = np.concatenate([_fitted(network, each, shown_as)[1] for each in loaded])
    probabilities = _probabilities(network, batch, photos)
    names = _names(network, probabilities.shape[1])
    order = np.argsort(-probabilities, axis=1)
    if as_json:
        _print_json(
            network=str(model_file),
            class_names=names,
            shown_as=facts,
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
    _say_how_shown(network, facts)


def draw_maps(
    photo: Path,
    model_file: Path | None,
    shown_as: ShownAs,
    layer: str | None,
    out: Path,
    *,
    trust_code: bool = False,
    force: bool = False,
) -> None:
    """Draw the feature maps of a layer.

    Parameters
    ----------
    photo, model_file, shown_as, trust_code
        As for `predict`.
    layer : str or None
        None for the first convolution, behind its activation where that is a layer of
        its own.
    out : pathlib.Path
    force : bool
        Whether to replace a picture that is there.

    Raises
    ------
    OSError, ValueError
        As `predict`, or if there is no such layer, or nothing can be written there.
    """
    model_file = networks.find_network(model_file)
    picture = _loaded(photo, model_file, shown_as)
    outputs.check_picture(out, reads=[photo, model_file], force=force)

    from cnnbook import figures, maps

    network = networks.load_network(model_file, safe_mode=not trust_code)
    facts = _facts_of_images(network, shown_as)
    _, batch = _fitted(network, picture, shown_as)
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
    _say_how_shown(network, facts)


def explain(
    photo: Path,
    model_file: Path | None,
    shown_as: ShownAs,
    methods: str,
    target: str | None,
    layer: str | None,
    out: Path,
    *,
    answers: Answers = SHOWN,
    trust_code: bool = False,
    force: bool = False,
    as_json: bool = False,
) -> None:
    """Draw explanations of one photo side by side.

    Parameters
    ----------
    photo, model_file, shown_as, trust_code
        As for `predict`.
    methods : str
        Names out of `explanations.METHODS` with commas between them, or "all".
    target : str or None
        A class by name or number; None for the likeliest.
    layer : str or None
        For methods that weigh the maps of a layer; the others take none.
    out : pathlib.Path
    answers : Answers
    force : bool
        Whether to replace a picture that is there.
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
    picture = _loaded(photo, model_file, shown_as)
    outputs.check_picture(out, reads=[photo, model_file], force=force)

    from cnnbook import figures

    network = _network(model_file, answers, trust_code)
    facts = _facts_of_images(network, shown_as)
    shown, batch = _fitted(network, picture, shown_as)
    (probabilities,) = _probabilities(network, batch, [photo])
    wanted: int | str
    if target is None:
        wanted = int(probabilities.argmax())
    else:
        # A class may be called "2": its name wins over the place of another.
        named = target in (getattr(network, "class_names", None) or ())
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
            shown_as=facts,
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
        said = [str(explanation)]
        if explanation.baseline_score is not None:
            logit = f"{explanation.baseline_score[0]:.2f}".replace("-", "−")
            said.append(f"logit of the baseline {logit}")
        if remarks := explanation.remarks():
            said.append(remarks)
        click.echo("; ".join(said))
    click.echo(f"Drawn to {out}")
    _say_how_shown(network, facts)


def export(
    model_file: Path,
    out: Path,
    dtype: Literal["float32", "float16"],
    *,
    trust_code: bool = False,
    force: bool = False,
) -> None:
    """Write a network as a script that runs in a page.

    Parameters
    ----------
    model_file : pathlib.Path
    out : pathlib.Path
        Ends in ``.js``.
    dtype : {"float32", "float16"}
    trust_code : bool
        As for `predict`.
    force : bool
        Whether to replace a script that is there.

    Raises
    ------
    OSError, ValueError
        If a file cannot be read or written, or a page cannot run the network.
    """
    model_file = networks.find_network(model_file)
    if out.suffix != ".js":
        raise ValueError(f"--out must end in .js; got {out.name}")
    outputs.check_new_file(out, reads=[model_file], force=force)

    network = networks.load_network(model_file, safe_mode=not trust_code)
    networks.export_network(network, out, dtype=dtype)
    size = storage.in_units(out.stat().st_size)
    classes = ", ".join(_names(network, network.output_shape[-1])[:10])
    click.echo(f"{size}, classes {classes}: {out}")
    found = networks.picture_range(network)
    white = (
        f"White is {found.white:g} to it, as {found.reason}."
        if found.white is not None
        else "What white is to it is open, so that a page will ask for it."
    )
    click.echo(white, err=True)


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


def _network(model_file, answers, trust_code):
    """Load a network, and say what it answers with where that was asked for."""
    network = networks.load_network(model_file, safe_mode=not trust_code)
    if answers == SHOWN:
        return network
    return networks.with_answers(network, **answers._asdict())


def _loaded(photo, model_file, shown_as):
    """Read a photo, in the network's size where the file tells it, without Keras."""
    size = networks.image_size(model_file)
    return pictures.load_image(photo, size, fit=shown_as.fit)


def _facts_of_images(network, shown_as):
    """Say as what photos are shown to a network; ValueError if that cannot be known."""
    _, rows, columns, channels = networks.one_image_input(network)
    if channels not in (1, 3, None):
        raise ValueError(
            f"the network takes images of {channels} channels; photos have 3, or 1 as "
            "grey: build one that does, and derive the other channels inside it"
        )
    if shown_as.white is not None:
        network.white = int(shown_as.white)
    found = networks.picture_range(network)
    if found.white is None:
        raise ValueError(
            "it has to be said whether this network takes numbers from 0 to 1 or from "
            f"0 to 255, as {found.reason}: --white 1 or --white 255; if it takes "
            f"others, {networks.OTHERWISE}"
        )
    size = rows and columns
    return {
        "rows": rows if size else None,
        "columns": columns if size else None,
        "channels": channels or 3,
        "fit": shown_as.fit,
        "white": found.white,
    }


def _fitted(network, picture, shown_as):
    """Give a picture as people see it, (H, W, 3), and as the network takes it."""
    _, rows, columns, channels = networks.one_image_input(network)
    size = (rows, columns) if rows and columns else None
    shown = pictures.load_image(picture, size, fit=shown_as.fit)
    taken = pictures.as_grey(shown) if channels == 1 else shown
    return shown, networks.scaled_for(network, taken[None])


_FITTED = {"crop": "cropped", "stretch": "stretched", "pad": "padded with black"}


def _say_how_shown(network, facts):
    """Print as what photos were shown, beside the results."""
    size = (
        f"{_FITTED[facts['fit']]} to {facts['rows']} × {facts['columns']}"
        if facts["rows"]
        else "in their own size"
    )
    grey = ", as grey, since it takes one channel" if facts["channels"] == 1 else ""
    reason = networks.picture_range(network).reason
    click.echo(
        f"Photos were shown to the network {size}{grey}, white as {facts['white']:g} "
        f"({reason}).",
        err=True,
    )


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
        **_only_of_some(explanation),
    }


def _only_of_some(explanation):
    """Say what not all methods can: what a map compares with, and how exact it is."""
    found = {}
    if explanation.baseline_score is not None:
        found["baseline_logit"] = _number(explanation.baseline_score[0])
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
