"""The NumPy convolution against Keras's, and against nested Python loops."""

import time

import keras
import numpy as np

from cnnbook import layers
from tests.bench.measuring import Row, medians


def with_loops(image, kernels):
    """Convolve with one Python loop for each axis: (H', W', F)."""
    rows, columns = image.shape[0] - 2, image.shape[1] - 2
    maps = np.zeros((rows, columns, kernels.shape[-1]))
    for f in range(kernels.shape[-1]):
        for i in range(rows):
            for j in range(columns):
                total = 0.0
                for u in range(3):
                    for v in range(3):
                        for c in range(image.shape[2]):
                            total += image[i + u, j + v, c] * kernels[u, v, c, f]
                maps[i, j, f] = total
    return maps


def measure():
    rng = np.random.default_rng(0)
    images = rng.random((1, 224, 224, 3), np.float32)
    kernels = rng.normal(size=(3, 3, 3, 64)).astype(np.float32)
    bias = np.zeros(64, np.float32)
    layer = keras.layers.Conv2D(64, 3)
    layer.build(images.shape)
    layer.set_weights([kernels, bias])

    ours, theirs = medians(
        [
            lambda: layers.conv2d(images, kernels, bias),
            lambda: keras.ops.convert_to_numpy(layer(images)),
        ],
        repeat=30,
    )
    # The loops take minutes, so they get 1/256 of the work: 2 kernels, 1/8 of the rows.
    small = images[0, :29].astype(float)  # 27 of 222 rows of outputs
    start = time.perf_counter()
    slow = with_loops(small, kernels[..., :2].astype(float))
    loops = (time.perf_counter() - start) * (222 / 27) * (64 / 2)
    np.testing.assert_allclose(
        slow, layers.conv2d(images, kernels)[0, :27, :, :2], atol=1e-4
    )
    case = "conv2d of 224 × 224 × 3, 64 kernels of 3 × 3"
    return [
        Row(f"{case}: time / Keras's", ours / theirs, 1.5, "×", note=f"{ours:.4f} s"),
        Row(
            f"{case}: loops' time / ours",
            loops / ours,
            100,
            "×",
            rule="≥",
            note="loops timed on part of the work",
        ),
    ]
