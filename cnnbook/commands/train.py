"""Train a classifier on the pictures of a folder, save it, and say how good it is."""

import sys
from pathlib import Path

import click
from tabulate import tabulate

from cnnbook import networks, pictures, storage, tensorflow_start, training
from cnnbook.commands import outputs

MOST_REMARKS = 20  # of a kind, so that the last ones are seen


def run(
    source: storage.AnyPath,
    out: Path,
    *,
    size: int,
    epochs: int | None,
    seed: int,
    learning_rate: float | None,
    force: bool = False,
) -> None:
    """Train on the pictures of a source; go on if this was begun before.

    Parameters
    ----------
    source : str or path
        As in `pictures.load_pets`.
    out : pathlib.Path
        Where to save the network; ends in ``.keras``.
    size : int
        Rows and columns of the pictures.
    epochs : int or None
        None takes what `training.recipe_for` takes for so many pictures.
    seed : int
    learning_rate : float or None
        The highest that it gets; None takes the recipe's.
    force : bool
        Whether to replace a file that is there.

    Raises
    ------
    ValueError
        If the pictures cannot be learned from.
    OSError
        If the network or its checkpoint cannot be written, or is there already.
    SystemExit
        After Ctrl-C, once it has said how to go on.
    """
    networks.keras_file(out)
    outputs.check_new_file(out, reads=[Path(source)], force=force)
    tensorflow_start.refuse_other_backends()
    checkpoint = out.with_suffix(".checkpoint.npz")
    if checkpoint.exists():
        training.epochs_in(checkpoint)
    chief = training.is_chief()
    pets = pictures.load_pets(source, size=size, seed=seed)
    _list("left out", pets.left_out)
    _list("a copy", pets.copies)
    # Nothing has loaded TensorFlow yet: workers on several machines must find one
    # another before it does anything.
    with training.strategy().scope():
        _train(pets, out, checkpoint, chief, epochs, seed, learning_rate)


def _list(what, lines):
    """Print some of many remarks, and how many more there are."""
    for line in lines[:MOST_REMARKS]:
        click.echo(f"{what}: {line}", err=True)
    if more := len(lines[MOST_REMARKS:]):
        click.echo(f"{what}: {more:,} more", err=True)


def _train(pets, out, checkpoint, chief, epochs, seed, learning_rate):
    """Train, save and report; or say how to go on after Ctrl-C."""
    recipe = training.recipe_for(pets.source)
    epochs = recipe.epochs(len(pets.train)) if epochs is None else epochs
    asked_for = {} if learning_rate is None else {"learning_rate": learning_rate}
    click.echo(
        f"{len(pets.train):,} pictures to learn from, {len(pets.validation):,} to "
        f"validate on ({len(pets.left_out)} left out); classes: "
        f"{', '.join(pets.class_names)}; {epochs} epochs",
        err=True,
    )
    network = networks.build_classifier(
        pets.train.images.shape[1:], len(pets.class_names), filters=recipe.filters
    )
    try:
        training.train(
            network,
            pets.train,
            pets.validation,
            epochs=epochs,
            seed=seed,
            **recipe.rates | asked_for,
            checkpoint=checkpoint,
        )
    except KeyboardInterrupt:
        kept = (
            f"{training.epochs_in(checkpoint)} of {epochs} epochs are in "
            f"{checkpoint}; the same command goes on from there"
            if checkpoint.exists()
            else "No epoch was complete, so the same command starts afresh"
        )
        click.echo(f"\nStopped. {kept}.", err=True)
        sys.exit(130)  # as shells have it for Ctrl-C
    if not chief:
        return
    networks.save_classifier(network, out, class_names=pets.class_names)
    checkpoint.unlink()
    judged = pets.test or pets.validation
    kind = "test" if pets.test else "validation"
    click.echo(_report(network, judged, kind, pets.class_names))
    click.echo(f"Saved as {out}")
    sides = " × ".join(map(str, pets.train.images.shape[1:3]))
    click.echo(f"It sees photos cropped to {sides}, white as 1.", err=True)


def _report(network, judged, kind, class_names):
    """Write out how good a classifier is, as a sentence and a table."""
    answers = training.predict(network, judged.images).argmax(axis=1)
    right = int((answers == judged.labels).sum())
    low, high = training.binomial_interval(right, len(judged))
    matrix = training.confusion_matrix(judged.labels, answers, len(class_names))
    table = tabulate(
        [[name, *row] for name, row in zip(class_names, matrix.tolist(), strict=True)],
        headers=["", *(f"called {name}" for name in class_names)],
    )
    return (
        f"{right} of {len(judged)} {kind} pictures are right: "
        f"{right / len(judged):.1%} (95% interval {low:.1%} to {high:.1%})"
        f"\n\n{table}\n"
    )
