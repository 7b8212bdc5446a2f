"""Feature maps against plain forward passes: time, memory, and the drawing of them."""

import io
import multiprocessing
import threading
import time
from concurrent.futures import ProcessPoolExecutor

import keras
import numpy as np
import psutil

from cnnbook import figures, maps, networks
from tests.bench.measuring import Row, medians


def measure():
    return one_image() + many_images() + memory() + sheets()


def vgg19():
    """Build VGG19, and list its layers behind the input."""
    network = keras.applications.VGG19(weights=None, include_top=False)
    return network, [layer.name for layer in network.layers[1:]]


def classifier():
    """Build the book's classifier, and name its last pool."""
    return networks.build_classifier(), ["block3_pool"]


def noise(count, size):
    return np.random.default_rng(0).random((count, size, size, 3), np.float32)


def one_image():
    network, names = vgg19()
    image = noise(1, 224)
    plain, found = medians(
        [
            lambda: maps.feature_maps(network, image, names[-1]),
            lambda: maps.feature_maps(network, image, names),
        ]
    )
    start = time.perf_counter()
    for name in names:
        sub_model = keras.Model(network.inputs, network.get_layer(name).output)
        sub_model.predict_on_batch(image)
    one_by_one = time.perf_counter() - start
    case = f"{len(names)} layers' maps of VGG19, one 224 × 224 image"
    return [
        Row(f"{case}: time / a forward pass", found / plain, 1.15, "×",
            note=f"{found:.3f} s against {plain:.3f} s"),
        Row(f"{case}: one sub-model a layer / ours", one_by_one / found, 8, "×",
            rule="≥", note=f"{one_by_one:.1f} s"),
    ]  # fmt: skip


def many_images():
    """Compare with the quicker of two forward passes: the same call, and Keras's."""
    network, names = vgg19()
    images = noise(32, 224)
    plain, found, predicted = medians(
        [
            lambda: maps.feature_maps(network, images, names[-1]),
            lambda: maps.feature_maps(network, images, names),
            lambda: network.predict_on_batch(images),
        ]
    )
    note = f"{found:.1f} s; last layer alone {plain:.1f} s, Keras {predicted:.1f} s"
    ratio = found / min(plain, predicted)
    return [Row("the same of 32 images: time / a forward pass", ratio, 1.5, "×",
                note=note)]  # fmt: skip


def memory():
    rows = []
    for count, how in ((32, "at once"), (40, "in parts")):
        peak, results, weights = in_a_fresh_process(vgg19, count, 224)
        rows.append(
            Row(
                f"maps of {count} images, {how}: most memory without weights / maps",
                (peak - weights) / results,
                1.3,
                "×",
                note=f"{peak:.2f} GB for {results:.2f} GB and {weights:.2f} GB weights",
            )
        )
    few, many = (
        peak - results
        for peak, results, _ in (
            in_a_fresh_process(classifier, count, 96) for count in (64, 256)
        )
    )
    note = f"{1000 * many:.0f} MB against {1000 * few:.0f} MB"
    return [*rows, Row("classifier's last pool, beside the maps: 256 / 64 images",
                       many / few, 1.25, "×", note=note)]  # fmt: skip


def in_a_fresh_process(build, count, size):
    """Return the GB that maps took at most, those kept, and those of the weights."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as pool:
        return pool.submit(memory_of_maps, build, count, size).result()


def memory_of_maps(build, count, size):
    # What TensorFlow takes to start is neither the model's nor the maps'.
    tiny = keras.Sequential([keras.Input((9, 9, 3)), keras.layers.Conv2D(1, 3)])
    maps.feature_maps(tiny, noise(1, 9))
    images = noise(count, size)
    resident = psutil.Process().memory_info
    before = peak = resident().rss
    done = threading.Event()

    def watch():
        nonlocal peak
        while not done.wait(0.002):
            peak = max(peak, resident().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    network, names = build()
    found = maps.feature_maps(network, images, names)
    done.set()
    watcher.join()
    peak = max(peak, resident().rss)
    results = sum(array.nbytes for array in found.values())
    weights = sum(weight.numpy().nbytes for weight in network.weights)
    return (peak - before) / 1e9, results / 1e9, weights / 1e9


def sheets():
    rows = []
    for size in (14, 28):
        rng = np.random.default_rng(0)
        found = rng.normal(size=(size, size, 512)).clip(0).astype(np.float32)
        found[..., ::50] = 0  # crossed out
        figure = figures.feature_map_sheet(found)
        drawing, saving = medians(
            [
                lambda found=found: figures.feature_map_sheet(found),
                lambda figure=figure: figure.savefig(io.BytesIO(), dpi=200),
            ]
        )
        rows.append(Row(f"sheet of 512 maps of {size} × {size}: drawing", drawing, 0.5,
                        "s", note=f"and {saving:.2f} s to save"))  # fmt: skip
    return rows
