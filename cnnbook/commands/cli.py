"""The same functions from a shell; ``cnnbook --help`` lists them."""

from pathlib import Path
from typing import Literal

import click

from cnnbook import __version__, pictures, storage, tensorflow_start

# Modules that need TensorFlow are imported by the commands that use them, so that
# `cnnbook --help` answers at once.


# What is recorded, and the function that measures it.
_RESULTS = {
    "classifier": "seeds.record",
    "build": "seeds.record_build",
    "ingredients": "ingredients.record",
    "depth": "depth.record",
    "overfitting": "overfitting.record",
    "transfer": "transfer_trials.record",
    "trust": "trust.record",
}


class _PlainErrors(click.Group):
    """A group whose commands answer bad input with a sentence, not a traceback."""

    def invoke(self, context):
        """Run the command; the errors meant for readers become the shell's."""
        try:
            return super().invoke(context)
        except BrokenPipeError:  # the reader of our output left; click knows what to do
            raise
        except (ValueError, OSError) as error:
            lines = (" ".join(line.split()) for line in str(error).splitlines())
            message = "\n".join(filter(None, lines))
            raise click.ClickException(message) from error


@click.group(cls=_PlainErrors)
@click.version_option(__version__)
def main() -> None:
    """Open a convolutional neural network and look inside."""
    tensorflow_start.prepare()


FETCHABLE = {**pictures.DOWNLOADS, **storage.REGISTRY}


@main.command(epilog=f"NAME is one of: {', '.join(FETCHABLE)}.")
@click.argument("name", type=click.Choice(list(FETCHABLE)), metavar="NAME")
def fetch(name: str) -> None:
    """Download photos or weights, once; print where they are.

    Building the book downloads nothing: it uses what this command has fetched.
    """
    # What was asked for comes first, so that it stays if a companion fails.
    places = [_fetch(entry) for entry in (name, *FETCHABLE[name].companions)]
    click.echo(places[0])


_force = click.option(
    "--force", is_flag=True, help="Replace what is there already under that name."
)


@main.command()
@click.argument("source")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    default="classifier.keras",
    show_default=True,
    help="Where to save the network.",
)
@click.option(
    "--size",
    type=click.IntRange(min=8),
    default=96,
    show_default=True,
    help="Pixels a side.",
)
@click.option(
    "--epochs", type=click.IntRange(min=1), help="How often each picture is seen."
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Decides every random number.",
)
@click.option(
    "--learning-rate",
    type=click.FloatRange(min=0, min_open=True),
    help="How large the steps get at most; 0.004 if you do not say.",
)
@_force
def train(
    source: str,
    out: Path,
    size: int,
    epochs: int | None,
    seed: int,
    learning_rate: float | None,
    force: bool,
) -> None:
    """Train a classifier on the pictures of SOURCE, and save it.

    SOURCE is a folder with one folder of pictures for each class, or with train and
    validation (and perhaps test) around those; or "drawn", "photos" or "oxford-pets".
    Of each picture the largest centred square is taken.

    Ctrl-C stops the training; the same command goes on from there, to the same network
    as if it had never stopped.
    """
    from cnnbook.commands.train import run

    run(
        source,
        out,
        size=size,
        epochs=epochs,
        seed=seed,
        learning_rate=learning_rate,
        force=force,
    )


_model = click.option(
    "--model",
    "model_file",
    type=click.Path(path_type=Path),
    help="A network in Keras's format (.keras); by default the one in this package, "
    "which tells cats from dogs.",
)
_white = click.option(
    "--white",
    type=click.Choice(["1", "255"]),
    help="What white is to the network, where neither its file nor its first layers "
    "say so; what is printed says what is known.",
)
_fit = click.option(
    "--fit",
    type=click.Choice(["crop", "stretch", "pad"]),
    default="crop",
    show_default=True,
    help="How a photo of other proportions gets the network's size: the largest "
    "centred part of it is cut out; all of it is stretched, as Keras's loaders do; or "
    "all of it is put on black.",
)
_trust_code = click.option(
    "--trust-code",
    is_flag=True,
    help="Run the Python code that the network's file holds, if any (in a Lambda "
    "layer).  It may do anything on this machine: only for files whose makers you "
    "trust.",
)

_ENDINGS = click.Choice(["softmax", "sigmoid"])
_logits = click.option(
    "--logits",
    type=_ENDINGS,
    help="What makes probabilities of the network's answers, where its layers do not "
    "show it: softmax for classes of which one is right, sigmoid for classes each "
    "answered for itself.",
)
_probabilities = click.option(
    "--probabilities",
    type=_ENDINGS,
    help="The same of a network that answers with probabilities already.",
)


_as_json = click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print one JSON object and nothing else, numbers in full.",
)


def _drawn_to(default):
    """Return the option that says where a picture goes."""
    return click.option(
        "--out",
        type=click.Path(path_type=Path, dir_okay=False),
        default=default,
        show_default=True,
        help="The picture to write; the ending decides its kind.",
    )


@main.command()
@click.argument("photos", nargs=-1, required=True, type=click.Path(path_type=Path))
@_model
@_trust_code
@_white
@_logits
@_probabilities
@_fit
@_as_json
def predict(
    photos: tuple[Path, ...],
    model_file: Path | None,
    trust_code: bool,
    white: Literal["1", "255"] | None,
    logits: Literal["softmax", "sigmoid"] | None,
    probabilities: Literal["softmax", "sigmoid"] | None,
    fit: "pictures.Fit",
    as_json: bool,
) -> None:
    """Say what a network sees in PHOTOS: the probability of each class.

    Those of classes each answered for itself, by a sigmoid of its own, need not add up
    to 100 %.

    With --json: the file of the "network", its "class_names", what the photos were
    "shown_as", and "photos", a list.
    Each of them has the "photo" as you gave it, the likeliest "class" by number (from
    0), its "class_name" and "probability", and the "probabilities" of all classes, in
    the order of "class_names".  A network without names has numbers for names.  Photos
    are shown as images of so many "rows", "columns" and "channels" (rows and columns
    are null if each keeps its own), by "fit", with so much for "white".
    """
    from cnnbook.commands import look

    look.predict(
        photos,
        model_file,
        look.ShownAs(white, fit),
        answers=look.Answers(logits, probabilities),
        trust_code=trust_code,
        as_json=as_json,
    )


@main.command()
@click.argument("photo", type=click.Path(path_type=Path))
@_model
@_trust_code
@_white
@_fit
@click.option("--layer", help="Whose maps; by default the first convolution's.")
@_drawn_to("maps.png")
@_force
def maps(
    photo: Path,
    model_file: Path | None,
    trust_code: bool,
    white: Literal["1", "255"] | None,
    fit: "pictures.Fit",
    layer: str | None,
    out: Path,
    force: bool,
) -> None:
    """Draw the feature maps of a layer on PHOTO, the strongest first."""
    from cnnbook.commands import look

    shown_as = look.ShownAs(white, fit)
    look.draw_maps(
        photo, model_file, shown_as, layer, out, trust_code=trust_code, force=force
    )


class _ListsMethods(click.Command):
    """A command whose help ends with the list of methods, imported for that alone."""

    def format_epilog(self, context, formatter):
        """Write a line for each method: what its maps are, and what it takes."""
        from cnnbook import explanations

        with formatter.section("Methods"):
            formatter.write_dl(
                (
                    method.name,
                    ("for and against" if method.signed else "amounts alone")
                    + (", takes --layer" if "layer" in method.options else ""),
                )
                for method in explanations.METHODS.values()
            )


@main.command(cls=_ListsMethods)
@click.argument("photo", type=click.Path(path_type=Path))
@_model
@_trust_code
@_white
@_logits
@_probabilities
@_fit
@click.option(
    "--method",
    "methods",
    default="occlusion,grad-cam",
    show_default=True,
    help="One method or several, with commas between them; 'all' for all.",
)
@click.option(
    "--target",
    help="The class to explain, by name or number; by default the most probable one.",
)
@click.option(
    "--layer", help="For methods that take one; by default the last with maps."
)
@_drawn_to("explanation.png")
@_force
@_as_json
def explain(
    photo: Path,
    model_file: Path | None,
    trust_code: bool,
    white: Literal["1", "255"] | None,
    logits: Literal["softmax", "sigmoid"] | None,
    probabilities: Literal["softmax", "sigmoid"] | None,
    fit: "pictures.Fit",
    methods: str,
    target: str | None,
    layer: str | None,
    out: Path,
    force: bool,
    as_json: bool,
) -> None:
    """Draw which parts of PHOTO the score of a class depends on.

    With --json: the file of the "network", the "photo" as you gave it, what it was
    "shown_as" (as for predict), the "class"
    explained by number, its "class_name", "probability" and "logit", the "image_size"
    that the network takes (rows, columns), the "picture" drawn, and "explanations", a
    list.  Each of them has its "method", the "layer" or null, the "units" of its map,
    whether it is "signed", its "map_size", and its "lowest" and "highest" value.  Where
    the method puts something in the place of pixels, "baseline_logit" is the logit of a
    picture of that alone.  Where it draws at random, "standard_error" is the mean of
    all places; where maps ought to add up to a change of the logit, "gap" is by how
    much they do not, and "converged" whether that is little.  A number that is not
    finite is null.
    """
    from cnnbook.commands import look

    look.explain(
        photo,
        model_file,
        look.ShownAs(white, fit),
        methods,
        target,
        layer,
        out,
        answers=look.Answers(logits, probabilities),
        trust_code=trust_code,
        force=force,
        as_json=as_json,
    )


@main.command()
@click.argument("model_file", metavar="MODEL", type=click.Path(path_type=Path))
@_trust_code
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The script to write; its name, without .js, is the network's.  By default "
    "that of MODEL.",
)
@click.option(
    "--dtype",
    type=click.Choice(["float32", "float16"]),
    default="float32",
    show_default=True,
    help="How weights are stored; float16 halves the file and keeps three digits.",
)
@_force
def export(
    model_file: Path,
    trust_code: bool,
    out: Path | None,
    dtype: Literal["float32", "float16"],
    force: bool,
) -> None:
    """Write the network MODEL (.keras) as a script that runs in a page.

    The page "Your photo" of the book opens it, and so does every page that loads
    cnnbook's cnn.js.
    """
    from cnnbook.commands import look

    out = out or model_file.with_suffix(".js")
    look.export(model_file, out, dtype, trust_code=trust_code, force=force)


@main.command()
@_as_json
def info(as_json: bool) -> None:
    """Say what is here and where: versions, weights, pictures, caches.

    With --json: "versions", "keras_backend", "training_pictures", and the tables
    "weights", "pictures" and "folders".  Each entry has its "path", whether it was
    "found", its "bytes", and what to do where it is not, the "remedy".
    """
    from cnnbook.commands.info import run

    run(as_json=as_json)


@main.command("train-for-book")
@click.option("--source", default="auto", help="Pictures: auto, drawn, or a folder.")
def train_for_book(source: str) -> None:
    """Train the book's classifier, or find it trained already.

    The build does this by itself; run it first to watch the training alone.
    """
    from cnnbook import training

    training.train_for_book(source)


def _fetch(name):
    """Fetch one of the downloads, and say what it is."""
    download = FETCHABLE[name]
    size = storage.in_units(download.size)
    # On stderr, so that CNNBOOK_PHOTOS=$(cnnbook fetch photos) gets the path alone.
    click.echo(f"{name}: {size} from {download.url}", err=True)
    click.echo(f"Licence: {download.licence}. {download.attribution}.", err=True)
    if storage.location(download) is not None:
        click.echo("Already here:", err=True)
    return storage.fetch(download)


@main.command("train-cheats")
def train_cheats() -> None:
    """Train the networks of the chapter on cheating, or find them trained already.

    The build does this by itself.
    """
    from cnnbook import studies

    studies.cheating.train_for_chapter()


@main.command(epilog=f"NAMES are some of: {', '.join(_RESULTS)}; by default all.")
@click.argument(
    "names", nargs=-1, type=click.Choice(list(_RESULTS)), metavar="[NAMES]..."
)
@_force
def results(names: tuple[str, ...], force: bool) -> None:
    """Measure the recorded results of the book anew, on photographs and drawings.

    It takes two or three hours; after an interruption the same command goes on.  Of
    "trust", methods whose code has not changed keep their figures.
    """
    from cnnbook import studies
    from cnnbook.commands import outputs

    for name in names or _RESULTS:
        outputs.check_new_file(studies.record_file(name), force=force)
    for name in names or _RESULTS:
        study, function = _RESULTS[name].split(".")
        record = getattr(getattr(studies, study), function)
        click.echo(record())
