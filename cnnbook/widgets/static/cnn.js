// A trained network in the page: the layers of a CNN on plain arrays of numbers.
//
//   const network = cnnbook.network("classifier");     // whose script has been loaded
//   const outputs = network.run(image);                // {block1_conv: {shape, data}, …}
//   const worker = cnnbook.inWorker("classifier");     // the same beside the page
//   const outputs = await worker.run(image, {upTo: "block2_relu"});
//
// A map is {shape: [rows, columns, channels], data: Float32Array}, row by row, channels
// innermost.  What cannot be done throws an Error of one sentence.
(() => {
"use strict";

// All that a worker needs too.  It is sent there as text, since a page that was opened
// from a folder may not read its own scripts.
function engine() {
  const count = (shape) => shape.reduce((product, size) => product * size, 1);
  const empty = (shape) => ({ shape, data: new Float32Array(count(shape)) });
  const pair = (value) => (Array.isArray(value) ? value : [value, value]);
  const bytesOf = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const demand = (isSo, sentence) => { if (!isSo) throw new Error(sentence); };

  // Where windows go along one side: how many fit whole, and how many pixels of padding
  // come before the first.
  function places(size, window, stride, padding, dilation = 1) {
    for (const [name, value] of Object.entries({ window, stride, dilation }))
      demand(Number.isInteger(value) && value > 0,
        `The ${name} must be a whole number of at least 1; it is ${value}.`);
    const covered = dilation * (window - 1) + 1;
    let total = padding === "valid" ? 0 : 2 * padding;
    if (padding === "same")
      total = Math.max((Math.ceil(size / stride) - 1) * stride + covered - size, 0);
    demand(Number.isInteger(total) && total >= 0,
      `The padding must be "valid", "same" or a number of pixels; it is ${padding}.`);
    demand(covered <= size + total,
      `A window of ${covered} pixels does not fit into ${size} with ${total} of padding.`);
    return [Math.floor((size + total - covered) / stride) + 1, Math.floor(total / 2)];
  }

  // Slide a window over a map: at each place call start, then see(where in the data a
  // pixel under the window begins, its number in the window) for all pixels but padding,
  // then end, which answers with the numbers to keep.
  function slide(x, window, { strides, padding = "valid", dilation_rate = 1 }, width, steps) {
    const [rows, columns, channels] = x.shape;
    const [tall, wide] = pair(window), [down, right] = pair(strides);
    const [downGap, rightGap] = pair(dilation_rate);
    const [high, top] = places(rows, tall, down, padding, downGap);
    const [broad, left] = places(columns, wide, right, padding, rightGap);
    const y = empty([high, broad, width]);
    for (let i = 0, to = 0; i < high; i++)
      for (let j = 0; j < broad; j++, to += width) {
        steps.start();
        for (let u = 0; u < tall; u++) {
          const row = i * down + u * downGap - top;
          if (row < 0 || row >= rows) continue;
          for (let v = 0; v < wide; v++) {
            const column = j * right + v * rightGap - left;
            if (column < 0 || column >= columns) continue;
            steps.see((row * columns + column) * channels, u * wide + v);
          }
        }
        y.data.set(steps.end(), to);
      }
    return y;
  }

  // Convolution: for each filter, the sum of the products of its kernel with the pixels
  // under it, plus its bias.  Padding is zero, and adds nothing.
  function conv2d(x, kernel, bias, options) {
    const channels = x.shape[2], [tall, wide, depth, filters] = kernel.shape;
    demand(depth === channels, `The kernel is for ${depth} channels; it got ${channels}.`);
    const numbers = x.data, weights = kernel.data, sums = new Float64Array(filters);
    return slide(x, [tall, wide], { strides: 1, ...options }, filters, {
      start: () => { bias ? sums.set(bias.data) : sums.fill(0); },
      // Here a network spends its time.  The weights that a number is multiplied by lie
      // side by side, one for each filter; four at a time saves a third of the time, and
      // so does skipping zeros, half of what a ReLU gives.
      see(pixel, tap) {
        for (let c = 0; c < channels; c++) {
          const number = numbers[pixel + c];
          if (number === 0) continue;
          let f = 0, w = (tap * channels + c) * filters;
          for (; f + 4 <= filters; f += 4, w += 4) {
            sums[f] += number * weights[w];
            sums[f + 1] += number * weights[w + 1];
            sums[f + 2] += number * weights[w + 2];
            sums[f + 3] += number * weights[w + 3];
          }
          for (; f < filters; f++, w++) sums[f] += number * weights[w];
        }
      },
      end: () => sums,
    });
  }

  // Fully connected: every number votes for every output.  The sums are those of a
  // convolution with a window of one pixel, whose channels are the numbers.
  function dense(x, { shape, data }, bias) {
    const before = x.shape.slice(0, -1);
    const pixels = { shape: [1, count(before), x.shape.at(-1)], data: x.data };
    const y = conv2d(pixels, { shape: [1, 1, ...shape], data }, bias);
    return { shape: [...before, shape[1]], data: y.data };
  }

  // Pooling: the largest number under the window, or the average, for each channel.
  // Padding is never the largest, and never counts in an average.
  function pool(x, average, { pool_size = 2, strides, padding } = {}) {
    const channels = x.shape[2], kept = new Float64Array(channels);
    let seen = 0;
    return slide(x, pool_size, { strides: strides ?? pool_size, padding }, channels, {
      start() { seen = 0; kept.fill(average ? 0 : -Infinity); },
      see(pixel) {
        seen += 1;
        for (let c = 0; c < channels; c++) {
          const number = x.data[pixel + c];
          if (average) kept[c] += number;
          else if (number > kept[c]) kept[c] = number;
        }
      },
      end() {
        demand(seen, "A window lies on nothing but padding; pad less than the window.");
        if (average) for (let c = 0; c < channels; c++) kept[c] /= seen;
        return kept;
      },
    });
  }
  const maxPool2d = (x, options) => pool(x, false, options);
  const avgPool2d = (x, options) => pool(x, true, options);

  // Global pooling: one window, as large as the map.
  function globalPool2d(x, average, keepdims = false) {
    const { shape, data } = pool(x, average, { pool_size: x.shape.slice(0, 2) });
    return { shape: keepdims ? shape : shape.slice(2), data };
  }

  // A factor and an offset for each channel, or for all: batch normalisation once
  // training is over, and rescaling.
  function scale(x, factor, offset) {
    const channels = x.shape.at(-1), at = (list, n) => list[(n % channels) % list.length];
    const data = x.data.map((number, n) => number * at(factor, n) + at(offset, n));
    return { shape: x.shape, data };
  }

  function zeroPad2d(x, [[top, bottom], [left, right]]) {
    const [rows, columns, channels] = x.shape, line = columns * channels;
    const y = empty([rows + top + bottom, columns + left + right, channels]);
    for (let i = 0; i < rows; i++)
      y.data.set(x.data.subarray(i * line, (i + 1) * line),
        ((i + top) * y.shape[1] + left) * channels);
    return y;
  }

  const flatten = (x) => ({ shape: [x.data.length], data: x.data });

  const sigmoid = (x) => 1 / (1 + Math.exp(-x));

  // The chance that a normal variable is below x: by Abramowitz and Stegun's 7.1.26 for
  // the error function, off by at most 1e-7.
  function normal(x) {
    const t = 1 / (1 + 0.3275911 * Math.SQRT1_2 * Math.abs(x));
    const beyond = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741
      + t * (-1.453152027 + t * 1.061405429)))) * Math.exp(-x * x / 2) / 2;
    return x > 0 ? 1 - beyond : beyond;
  }

  // Activations look at one number at a time; softmax looks at all classes together.
  // Here are those of layers.ACTIVATIONS, by Keras's names: name, value, derivative.
  const activations = {
    relu: ["ReLU", (x) => (x > 0 ? x : 0), (x) => +(x > 0)],
    leaky_relu: ["leaky ReLU", (x, slope = 0.01) => (x > 0 ? x : slope * x),
      (x, slope = 0.01) => (x > 0 ? 1 : slope)],
    gelu: ["GELU", (x) => x * normal(x),
      (x) => normal(x) + x * Math.exp(-x * x / 2) / Math.sqrt(2 * Math.PI)],
    silu: ["SiLU", (x) => x * sigmoid(x), (x) => sigmoid(x) * (1 + x * sigmoid(-x))],
    sigmoid: ["sigmoid", sigmoid, (x) => sigmoid(x) * sigmoid(-x)],
    tanh: ["tanh", Math.tanh, (x) => 1 - Math.tanh(x) ** 2],
  };

  function activate(x, kind, slope) {
    if (kind === "softmax") return softmax(x);
    if (kind === "linear") return x;
    const [, value] = activations[kind] ?? [];
    demand(value, `There is no activation "${kind}".`);
    return { shape: x.shape, data: x.data.map((number) => value(number, slope)) };
  }

  // Probabilities: e to the power of each score, divided by the sum of all.  Taking the
  // largest score off changes nothing on paper and prevents overflow.
  function softmax(x) {
    const y = empty(x.shape), classes = x.shape.at(-1);
    for (let from = 0; from < y.data.length; from += classes) {
      const scores = Array.from(x.data.subarray(from, from + classes));
      const largest = scores.reduce((a, b) => Math.max(a, b));
      const powers = scores.map((score) => Math.exp(score - largest));
      const sum = powers.reduce((a, b) => a + b);
      y.data.set(powers.map((power) => power / sum), from);
    }
    return y;
  }

  // A map some of whose channels are zero; the one given stays, as others may hold it too.
  function without({ shape, data }, channels) {
    const depth = shape.at(-1), left = data.slice();
    for (const channel of channels) {
      demand(Number.isInteger(channel) && channel >= 0 && channel < depth,
        `There is no channel ${channel}; there are ${depth}.`);
      for (let n = channel; n < left.length; n += depth) left[n] = 0;
    }
    return { shape, data: left };
  }

  // What each kind of layer in an exported network does, before its activation if any.
  const kinds = {
    input: (x) => x,
    train_only: (x) => x,
    activation: (x) => x,
    flatten,
    rescaling: (x, layer) => scale(x, layer.scale, layer.offset),
    zero_padding2d: (x, layer) => zeroPad2d(x, layer.padding),
    conv2d: (x, layer) => conv2d(x, layer.arrays.kernel, layer.arrays.bias, layer),
    dense: (x, { arrays }) => dense(x, arrays.kernel, arrays.bias),
    batch_normalization: (x, { arrays }) => scale(x, arrays.factor.data, arrays.offset.data),
    max_pool2d: maxPool2d,
    avg_pool2d: avgPool2d,
    global_max_pool2d: (x, layer) => globalPool2d(x, false, layer.keepdims),
    global_average_pool2d: (x, layer) => globalPool2d(x, true, layer.keepdims),
  };

  // Half precision: a sign, five bits of exponent, ten of fraction.
  function half(bits) {
    const exponent = (bits >> 10) & 31, fraction = bits & 1023;
    const size = exponent ? (1024 + fraction) * 2 ** (exponent - 25) : fraction * 2 ** -24;
    return bits >> 15 ? -size : size;
  }

  // Weights come lowest byte first, as machines that run browsers keep their numbers.
  function decode({ weights, dtype }) {
    const bytes = bytesOf(weights);
    if (dtype === "float16") return Float32Array.from(new Uint16Array(bytes.buffer), half);
    return new Float32Array(bytes.buffer);
  }

  // Make a network of what cnnbook.networks.export_network wrote: its facts, its layers
  // with their weights, and run(image, {upTo, silent}), which answers with all outputs by
  // name.  Channels named in silent, as {layer: [number, …]}, give nothing but zero.
  function network(data) {
    demand(data?.format === 1, "This page cannot read this network; export it anew.");
    const damaged = "The file of this network is damaged; export it anew.";
    let weights, layers;
    try {
      weights = decode(data);
      layers = data.layers.map((layer) => {
        const arrays = {};
        for (const [name, { shape, offset }] of Object.entries(layer.arrays ?? {})) {
          arrays[name] = { shape, data: weights.subarray(offset, offset + count(shape)) };
          demand(arrays[name].data.length === count(shape));
        }
        return { ...layer, arrays };
      });
    } catch { /* Then there are no layers. */ }
    demand(layers?.length && weights.length === data.count, damaged);
    const names = layers.map((layer) => layer.name);

    function run(image, { upTo = names.at(-1), silent = {} } = {}) {
      for (const name of [upTo, ...Object.keys(silent)])
        demand(names.includes(name), `There is no layer "${name}"; there are ${names.join(", ")}.`);
      let x = { shape: data.input, data: numbersOf(image) };
      const outputs = {};
      for (const { kind, activation, ...layer } of layers) {
        demand(Object.hasOwn(kinds, kind), damaged);
        x = kinds[kind](x, layer);
        if (activation) x = activate(x, activation.kind, activation.slope);
        demand(String(x.shape) === String(layer.shape), damaged);
        if (silent[layer.name]) x = without(x, silent[layer.name]);
        outputs[layer.name] = x;
        if (layer.name === upTo) return outputs;
      }
    }

    // Copy an image's numbers, with its shape or without, or say why they do not fit.
    function numbersOf(image) {
      const shape = image?.shape ?? data.input;
      const numbers = Float32Array.from(image?.data ?? image ?? []);
      demand(String(shape) === String(data.input) && numbers.length === count(shape),
        `The network takes images of ${data.input.join(" × ")} numbers; this one has ` +
        `${image?.shape ? shape.join(" × ") : numbers.length}.`);
      const [low, high] = data.range ?? [-Infinity, Infinity];
      for (const number of numbers) {
        demand(Number.isFinite(number), "The image holds something that is not a number.");
        demand(number >= low && number <= high,
          `The network takes numbers from ${low} to ${high}; the image holds ${number}.`);
      }
      return numbers;
    }

    return { ...data, weights, layers, output: names.at(-1), run };
  }

  const forward = { places, conv2d, dense, maxPool2d, avgPool2d, globalPool2d, scale,
    zeroPad2d, flatten, activate, activations, softmax };
  return { network, forward, bytesOf };
}

// Runs in the worker: the first message is the network, all others are images.
function serve({ network }) {
  let own;
  onmessage = ({ data: { data, id, image, options } }) => {
    if (data) { own = network(data); return; }
    try {
      const outputs = own.run(image, options);
      const buffers = new Set(Object.values(outputs).map((output) => output.data.buffer));
      postMessage({ id, outputs }, [...buffers]); // handed over, not copied
    } catch (error) {
      postMessage({ id, error: error.message });
    }
  };
}

// The same network beside the page, which stays free to move: run answers with a promise.
// Where the browser allows no worker, the page computes after all.
function inWorker(given) {
  const data = find(given), here = network(data), waiting = new Map();
  let worker, last = 0;

  const onPage = async (image, options) => {
    await new Promise((go) => setTimeout(go));
    return here.run(image, options);
  };

  function stop(answer) {
    worker?.terminate();
    worker = null;
    waiting.forEach(answer);
    waiting.clear();
  }

  const giveUp = () =>
    stop(({ resolve, image, options }) => resolve(onPage(image, options)));
  try {
    const script = new Blob([`(${serve})((${engine})())`], { type: "text/javascript" });
    worker = new Worker(URL.createObjectURL(script));
    worker.onerror = giveUp;
    worker.onmessage = ({ data: { id, outputs, error } }) => {
      const { resolve, reject } = waiting.get(id);
      waiting.delete(id);
      error ? reject(new Error(error)) : resolve(outputs);
    };
    worker.postMessage({ data });
  } catch {
    giveUp();
  }
  return {
    run: (image, options) => worker ? new Promise((resolve, reject) => {
      worker.postMessage({ id: ++last, image, options });
      waiting.set(last, { resolve, reject, image, options });
    }) : onPage(image, options),
    stop: () => stop(({ reject }) => reject(new Error("The network was stopped."))),
  };
}

const { network, forward, bytesOf } = engine(), registered = new Map();

// The script of an exported network calls this.
function register(data) {
  registered.set(data.name, data);
}

// Read such a script, which a reader has picked, without running it.
function parse(text) {
  const [, json] = /^cnnbook\.register\((.*)\);\s*$/s.exec(text) ?? [];
  try {
    return JSON.parse(json);
  } catch {
    throw new Error("This is no whole file of a network exported by cnnbook.");
  }
}

function find(data) {
  if (typeof data !== "string") return data;
  if (!registered.has(data)) throw new Error(`The network "${data}" has not been loaded.`);
  return registered.get(data);
}

globalThis.cnnbook = Object.assign(globalThis.cnnbook ?? {}, {
  network: (data) => network(find(data)), forward, inWorker, register, parse, bytesOf,
});
})();
