"""The network in the page gives what Keras gives at every layer; errors are clear.

The page is of these tests' own: the engine, and networks as their files register them.
"""

import base64
import json
import shutil

import numpy as np
import pytest

from cnnbook import layers, networks
from cnnbook.networks import export
from cnnbook.widgets import registry
from tests.browser.serving import served

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("engine")]

STATIC = registry.STATIC

# Of tests.networks.test_export, which needs Keras and is therefore read late.
NETWORKS = ["plain", "shipped", "normalised", "pools", "activated", "voting", "nested"]
NETWORKS += [f"random{seed}" for seed in range(8)]

MOST_OFF = 1e-4  # as a part of a layer's range

# Everything that comes from a page is carried as text; these make numbers of it.
CARRY = """
function carry(outputs) {
  return Object.entries(outputs).map(([name, {shape, data}]) => {
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    let text = "";
    for (const byte of bytes) text += String.fromCharCode(byte);
    return [name, shape, btoa(text)];
  });
}
"""

RUN = {
    "on the page": "([name, image]) => carry(cnnbook.network(name).run(image))",
    "in a worker": """async ([name, image]) => {
      const worker = cnnbook.inWorker(name);
      const outputs = carry(await worker.run(image));
      worker.stop();
      return outputs;
    }""",
}


def as_numbers(carried):
    return {
        name: np.frombuffer(base64.b64decode(text), "<f4").reshape(shape)
        for name, shape, text in carried
    }


@pytest.fixture(scope="module")
def models():
    from tests.networks import test_export

    assert [*test_export.NETWORKS] == NETWORKS
    return {name: make() for name, make in test_export.NETWORKS.items()}


@pytest.fixture(scope="module")
def computed(models):
    """An image for each network, and what Keras computes of it."""
    from tests.networks.test_export import image_for, keras_outputs

    images = {name: image_for(network) for name, network in models.items()}
    return {
        name: (image, keras_outputs(models[name], image))
        for name, image in images.items()
    }


def is_close(ours, theirs):
    from tests.networks.test_export import off_by

    return off_by(ours, theirs) <= MOST_OFF


@pytest.fixture(scope="module")
def folder(tmp_path_factory, models):
    """A page with every network, and the classifier in half precision."""
    folder = tmp_path_factory.mktemp("engine")
    shutil.copy(STATIC / "cnn.js", folder)
    for name, network in models.items():
        networks.export_network(network, folder / f"{name}.js")
    networks.export_network(models["shipped"], folder / "halved.js", dtype="float16")
    scripts = ["cnn.js", *(f"{name}.js" for name in [*models, "halved"])]
    tags = "".join(f'<script src="{script}"></script>' for script in scripts)
    (folder / "index.html").write_text(
        '<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,">'
        f"{tags}<script>{CARRY}</script>"
    )
    return folder


@pytest.fixture(scope="module", params=["http", "file"])
def address(request, folder):
    """The page as from a server and as from a folder."""
    with served(folder) as http:
        here = http if request.param == "http" else f"{folder.as_uri()}/"
        yield f"{here}index.html"


@pytest.fixture(scope="module")
def page(browser, address):
    page = browser.new_page()
    page.goto(address)
    yield page
    page.close()


def error_of(page, script, argument=None):
    """What a script throws, "" if nothing."""
    return page.evaluate(
        f"""async (argument) => {{
          try {{ await ({script})(argument); return ""; }}
          catch (error) {{ return error instanceof Error ? error.message : "other"; }}
        }}""",
        argument,
    )


# --- The same as Keras


@pytest.mark.parametrize("where", RUN)
@pytest.mark.parametrize("name", NETWORKS)
def test_every_layer_gives_what_keras_gives(page, computed, name, where):
    image, theirs = computed[name]
    ours = as_numbers(page.evaluate(RUN[where], [name, image.ravel().tolist()]))
    assert list(ours) == list(theirs)
    for layer in theirs:
        assert ours[layer].shape == theirs[layer].shape
        assert is_close(ours[layer], theirs[layer]), layer


def test_half_precision_gives_what_keras_gives_with_weights_rounded_alike(page, rng):
    from tests.networks.test_export import keras_outputs

    image = rng.random((96, 96, 3), np.float32)
    network = networks.load_classifier()
    network.set_weights([w.astype("float16") for w in network.get_weights()])
    ours = page.evaluate(RUN["on the page"], ["halved", image.ravel().tolist()])
    theirs = keras_outputs(network, image)
    for layer, output in as_numbers(ours).items():
        assert is_close(output, theirs[layer]), layer


def test_the_page_has_the_functions_of_the_package_in_their_order(page):
    ours = page.evaluate(
        """Object.entries(cnnbook.forward.activations)
            .map(([kind, [name]]) => [kind, name])"""
    )
    assert ours == [[one.keras_name, one.name] for one in layers.ACTIVATIONS]


@pytest.mark.parametrize(
    "function", layers.ACTIVATIONS, ids=lambda function: function.keras_name
)
def test_activations_and_their_slopes_are_right_far_from_zero_too(page, function):
    x = np.linspace(-40, 40, 4001)
    values, slopes = page.evaluate(
        """([x, kind]) => {
          const [, value, derivative] = cnnbook.forward.activations[kind];
          return [value, derivative].map((one) => x.map((number) => one(number)));
        }""",
        [x.tolist(), function.keras_name],
    )
    np.testing.assert_allclose(values, function.value(x), atol=1e-6, rtol=1e-6)
    np.testing.assert_allclose(slopes, function.derivative(x), atol=1e-6, rtol=1e-6)
    activated = page.evaluate(
        """([x, kind]) => [...cnnbook.forward.activate(
            {shape: [x.length], data: Float32Array.from(x)}, kind).data]""",
        [x.tolist(), function.keras_name],
    )
    np.testing.assert_allclose(activated, function.value(x), atol=1e-6, rtol=1e-6)


def test_softmax_of_large_scores_does_not_overflow(page):
    softmax = "x => [...cnnbook.forward.softmax({shape: [3], data: x}).data]"
    ours = page.evaluate(f"({softmax})(Float32Array.of(1000, 999, -1000))")
    assert ours == pytest.approx([1 / (1 + np.exp(-1)), 1 / (1 + np.e), 0])


def test_only_layers_up_to_the_one_asked_for_are_computed(page, computed):
    image, _ = computed["plain"]
    run = """image => Object.keys(
      cnnbook.network("plain").run(image, {upTo: "block1_relu"}))"""
    assert page.evaluate(run, image.ravel().tolist()) == [
        "intensities",
        "block1_conv",
        "block1_relu",
    ]


def test_a_network_tells_its_facts_and_its_weights(page, models):
    facts = page.evaluate(
        """() => {
          const {name, input, classes, output, layers} = cnnbook.network("shipped");
          const {shape, data} = layers[1].arrays.kernel;
          return {name, input, classes, output, shape, weights: [...data]};
        }"""
    )
    kernel = models["shipped"].get_layer("block1_conv").get_weights()[0]
    np.testing.assert_array_equal(facts.pop("weights"), kernel.ravel())
    assert facts == {
        "name": "shipped",
        "input": [96, 96, 3],
        "classes": ["cat", "dog"],
        "output": "logits",
        "shape": [3, 3, 3, 16],
    }


def test_silent_channels_are_zero_and_all_that_follows_is_computed_without(
    page, models, computed
):
    import keras

    network = models["shipped"]
    image, whole = computed["shipped"]
    silent = {"block2_relu": [0, 7], "flatten": [4, 9215]}
    run = """([image, silent]) =>
      carry(cnnbook.network("shipped").run(image, {silent}))"""
    ours = as_numbers(page.evaluate(run, [image.ravel().tolist(), silent]))
    assert is_close(ours["block2_conv"], whole["block2_conv"])
    values = whole["block2_relu"].copy()
    values[..., [0, 7]] = 0
    x = keras.ops.convert_to_tensor(values[None])
    for name in ("block2_pool", "block3_conv", "block3_relu", "block3_pool"):
        x = network.get_layer(name)(x)
        assert is_close(ours[name], np.asarray(x)[0])
    votes = np.asarray(x).reshape(1, -1).copy()
    votes[0, [4, 9215]] = 0
    expected = np.asarray(network.get_layer("logits")(votes))[0]
    assert is_close(ours["logits"], expected)


# --- A file that a reader picks


def test_a_picked_file_is_read_without_running_it(page, folder, computed):
    text = (folder / "voting.js").read_text()
    image, theirs = computed["voting"]
    run = """([text, image]) => {
      const register = cnnbook.register;
      cnnbook.register = () => { throw new Error("was run"); };
      const outputs = cnnbook.network(cnnbook.parse(text)).run(image);
      cnnbook.register = register;
      return carry(outputs);
    }"""
    ours = as_numbers(page.evaluate(run, [text, image.ravel().tolist()]))
    for layer, output in theirs.items():
        assert is_close(ours[layer], output)


NO_FILE = "This is no whole file of a network exported by cnnbook."
DAMAGED = "The file of this network is damaged; export it anew."


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (lambda whole: "", NO_FILE),
        (lambda whole: "\x89PNG\r\n\x1a\n and so on", NO_FILE),
        (lambda whole: whole[: len(whole) // 2], NO_FILE),
        (lambda whole: f"alert(1);{whole}", NO_FILE),
        (lambda whole: "cnnbook.register(alert(1));\n", NO_FILE),
        (
            lambda whole: whole.replace('"format":1', '"format":2'),
            "This page cannot read this network; export it anew.",
        ),
        (lambda whole: "cnnbook.register(null);\n", "This page cannot read this netw"),
        (lambda whole: whole.replace('=="', '"').replace('="', 'A"'), DAMAGED),
        (lambda whole: whole.replace('"weights":"', '"weights":"AAAA'), DAMAGED),
        (lambda whole: whole.replace('"layers":', '"other":'), DAMAGED),
        (lambda whole: whole.replace('"offset":0', '"offset":99999'), DAMAGED),
        (lambda whole: whole.replace('"kind":"dense"', '"kind":"new"'), DAMAGED),
        (lambda whole: whole.replace('"shape":[30]', '"shape":[31]'), DAMAGED),
    ],
)
def test_a_broken_file_is_called_so_in_one_sentence(page, folder, text, sentence):
    broken = text((folder / "voting.js").read_text())
    script = "text => cnnbook.network(cnnbook.parse(text)).run(new Float32Array(90))"
    assert error_of(page, script, broken).startswith(sentence)


# --- Odd input


@pytest.mark.parametrize("start", ["cnnbook.network", "cnnbook.inWorker"])
@pytest.mark.parametrize(
    ("image", "sentence"),
    [
        ("new Float32Array(5)", "takes images of 96 × 96 × 3 numbers; this one has 5."),
        ("undefined", "takes images of 96 × 96 × 3 numbers; this one has 0."),
        (
            "{shape: [3, 96, 96], data: new Float32Array(27648)}",
            "takes images of 96 × 96 × 3 numbers; this one has 3 × 96 × 96.",
        ),
        ("Array(27648).fill(NaN)", "The image holds something that is not a number."),
        ("new Float32Array(27648).fill(255)", "from 0 to 1; the image holds 255."),
    ],
)
def test_an_image_that_does_not_fit_is_refused(page, start, image, sentence):
    said = error_of(page, f'() => {start}("plain").run({image})')
    assert said.endswith(sentence)


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        ('cnnbook.network("cats")', 'The network "cats" has not been loaded.'),
        (
            'cnnbook.network("pools").run(new Float32Array(2480), {upTo: "x"})',
            'There is no layer "x"; there are ',
        ),
        (
            """cnnbook.network("pools").run(new Float32Array(2480),
               {silent: {[cnnbook.network("pools").layers[1].name]: [99]}})""",
            "There is no channel 99; there are ",
        ),
        (
            "cnnbook.forward.places(5, 3, 0, 'valid')",
            "The stride must be a whole number",
        ),
        (
            "cnnbook.forward.places(5, 7, 1, 'valid')",
            "A window of 7 pixels does not fit",
        ),
        (
            "cnnbook.forward.places(5, 3, 1, 'some')",
            'The padding must be "valid", "same"',
        ),
        (
            """cnnbook.forward.maxPool2d({shape: [4, 4, 1], data: new Float32Array(16)},
               {pool_size: 1, padding: 1})""",
            "A window lies on nothing but padding",
        ),
        (
            """cnnbook.forward.conv2d({shape: [4, 4, 1], data: new Float32Array(16)},
               {shape: [1, 1, 3, 1], data: new Float32Array(3)})""",
            "The kernel is for 3 channels; it got 1.",
        ),
    ],
)
def test_what_cannot_be_done_is_said_in_one_sentence(page, script, sentence):
    assert error_of(page, f"() => {script}").startswith(sentence)


# --- The worker


def test_the_worker_does_the_work_and_the_page_none(page):
    """The page could not even copy the image here."""
    run = """async () => {
      const worker = window.worker = cnnbook.inWorker("plain");
      const {from} = Float32Array;
      Float32Array.from = () => { throw new Error("the page computes"); };
      try {
        return Object.keys(await worker.run(new Float32Array(27648))).at(-1);
      } finally {
        Float32Array.from = from;
      }
    }"""
    assert page.evaluate(run) == "logits"
    with page.workers[-1].expect_event("close"):
        page.evaluate("worker.stop()")


def test_nothing_else_is_loaded_and_nothing_complains(browser, address):
    page, complaints = browser.new_page(), []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text))
    page.goto(address)
    page.on("request", lambda request: complaints.append(request.url))
    page.evaluate(RUN["in a worker"], ["plain", [0.5] * 27648])
    page.close()
    assert [text for text in complaints if not text.startswith("blob:")] == []


def test_answers_find_their_questions_and_the_image_stays(page):
    run = """async () => {
      const worker = cnnbook.inWorker("plain");
      const images = [0.1, 0.9].map(grey => new Float32Array(27648).fill(grey));
      const answers = await Promise.allSettled(
        [images[0], "nothing", images[1]].map(image => worker.run(image)));
      worker.stop();
      const seen = answers.map(
        ({status, value}) => value?.intensities.data[5] ?? status);
      return [...seen, ...images.map(image => image.length)];
    }"""
    low, refused, high, *lengths = page.evaluate(run)
    assert (low, refused, high) == (pytest.approx(0.1), "rejected", pytest.approx(0.9))
    assert lengths == [27648, 27648]


def test_a_worker_that_is_stopped_keeps_nobody_waiting(page):
    script = """() => {
      const worker = cnnbook.inWorker("plain");
      const answer = worker.run(new Float32Array(27648));
      worker.stop();
      return answer;
    }"""
    assert error_of(page, script) == "The network was stopped."


@pytest.mark.parametrize(
    "worker",
    [
        "undefined",
        """class {
          constructor() { setTimeout(() => this.onerror()); }
          postMessage() {}
          terminate() {}
        }""",
    ],
)
def test_without_workers_the_page_computes_itself(page, worker):
    run = f"""async () => {{
      const Real = window.Worker;
      window.Worker = {worker};
      try {{
        const network = cnnbook.inWorker("plain");
        return Object.keys(await network.run(new Float32Array(27648))).at(-1);
      }} finally {{
        window.Worker = Real;
      }}
    }}"""
    assert page.evaluate(run) == "logits"


# --- The files themselves


def test_the_engine_reads_what_the_export_begins_and_ends_with(page):
    text = export.BEGINNING + json.dumps({"name": "x"}) + export.END
    assert page.evaluate("text => cnnbook.parse(text)", text) == {"name": "x"}
