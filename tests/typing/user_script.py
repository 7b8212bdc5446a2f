"""A script as a reader writes it: `make lint` checks its types, and nobody runs it.

Where a line ends in ``type: ignore``, the reader has made a mistake.  Were it not
reported, the comment would be needless, and needless ones are reported.
"""

from pathlib import Path
from typing import assert_type

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from cnnbook import (
    explanations,
    figures,
    layers,
    maps,
    networks,
    pictures,
    storage,
    studies,
    training,
    widgets,
)

# What comes back through a room is known, though modules load when they are used.
cat = pictures.load_image(Path("cat.jpg"), size=(96, 96))
assert_type(cat, npt.NDArray[np.float32])
classifier = networks.load_classifier()
found = maps.feature_maps(classifier, cat[None], ["block1_relu", "block2_relu"])
assert_type(found, dict[str, np.ndarray])
field = maps.receptive_field(classifier, "block3_relu", input_size=(96, 96))
assert_type(field.window(3, 4), tuple[slice, slice])
heat = explanations.grad_cam(classifier, cat[None], "cat", layer="block3_relu")
assert_type(heat, explanations.Explanation)
assert_type(heat.layer, str | None)
sheet = figures.feature_map_sheet(found["block1_relu"][0])
assert_type(sheet, Figure)
assert_type(figures.explanations_over_photo(cat, [heat]), Figure)
pooled = layers.max_pool2d(found["block1_relu"], window=2, padding=((0, 1), (0, 1)))
steps = maps.trace(classifier, cat, "block1_relu", (3, 4, 0))
assert_type(steps[0].rows, slice)
pets = pictures.load_pets("pets", size=64)
assert_type(pets.test, pictures.Split | None)
history = training.train(classifier, pets.train, pets.validation, epochs=1)
assert_type(history["loss"], list[float])
assert_type(widgets.photo_lab(classifier, {"Tom": cat}).alt, str)
assert_type(storage.location("photos"), Path | None)
finding = studies.claims.detail_fades({"block1_relu": 0.9, "block3_relu": 0.2})
assert_type(finding.holds, bool)

# Names misspelt, in a room and on what it returns
maps.feature_map(classifier, cat[None])  # type: ignore[attr-defined]
print(heat.value)  # type: ignore[attr-defined]
print(field.strides)  # type: ignore[attr-defined]

# Arguments of the wrong kind, or no argument
pictures.load_image("cat.jpg", size=96)  # type: ignore[arg-type]
layers.max_pool2d(found["block1_relu"], padding="full")  # type: ignore[arg-type]
figures.feature_map_sheet(found["block1_relu"], columns="8")  # type: ignore[arg-type]
maps.feature_maps(classifier, cat[None], layers=3)  # type: ignore[arg-type]
networks.export_network(classifier, "cat.js", dtype="int8")  # type: ignore[arg-type]
explanations.grad_cam(classifier, cat[None])  # type: ignore[call-arg]
training.evaluate(classifier, pets)  # type: ignore[arg-type]
