// A picture, a kernel to edit, and the sum of products for one number of the feature map.
(() => {
"use strict";
const { div, forward, grey, h, lookOf, named, paint, panel, pictures, pointable, range, scaleOf, show,
  signed, table, toNumbers } = cnnbook;

// The weights of a kernel of any size, u rows and v columns from its centre.
const KERNELS = {
  "upright edges": (u, v) => Math.sign(v),
  "level edges": (u) => Math.sign(u),
  "any edge": (u, v, isMiddle, size) => (isMiddle ? size ** 2 - 1 : -1),
  blur: (u, v, isMiddle, size) => 1 / size ** 2,
  sharpen: (u, v, isMiddle) => (isMiddle ? 5 : -(Math.abs(u) + Math.abs(v) === 1)),
  emboss: (u, v, isMiddle) => u + v + isMiddle,
  nothing: (u, v, isMiddle) => +isMiddle,
};
const PADDINGS = { 0: "none (valid)", 1: "1", 2: "2", 3: "3", same: "same" };
const SHEETS = ["red", "green", "blue"];
const plain = (number) => String(Number(number.toPrecision(3)));

cnnbook.define("convolution-playground", class extends cnnbook.Widget {
  start() {
    this.pictures = pictures(this);
    this.filters = this.given("filters"); // of a trained network, if there is one
    return { ...this.pictures.first, kernel: "upright edges", size: 3, stride: 1, padding: "0",
      dilation: 1, bias: 0, weights: "", row: 40, column: 30 };
  }

  build() {
    const names = named(KERNELS);
    for (const f of range(this.filters.bias?.shape[0] ?? 0)) names[`f${f}`] = `learned filter ${f}`;
    this.canvas = pointable("The picture, with the window on it", (row, column) => {
      const { stride, size, dilation } = this.state;
      const half = dilation * (size - 1) / 2;
      this.point(...[row, column].map((n) => Math.round((n - half) / stride)));
    });
    this.map = pointable("The feature map", (...place) => this.point(...place),
      (...by) => this.step(...by));
    this.scale = div("scale");
    this.sizes = h("p");
    this.sheets = SHEETS.map((name, c) => {
      const window = pointable("The window");
      const cells = table("Kernel", (at, text) => {
        const weights = this.texts();
        weights[c * this.side ** 2 + at] = text;
        this.set({ kernel: "own", weights: weights.join("_") });
      });
      const title = h("span"), sum = h("div"), row = div("work",
        panel("Window", window), panel("Kernel (edit it)", cells), div("result", title, sum));
      return { row, window, cells, title, sum };
    });
    return [
      div("fields", ...this.pictures.fields,
        this.choice("kernel", "Kernel", { ...names, own: "your own" },
          (kernel) => this.choose(kernel)),
        this.number("size", "Size", 1, 7, { change: (size) => this.resize(size) }),
        this.number("stride", "Stride", 1, 16),
        this.choice("padding", "Padding", PADDINGS),
        this.number("dilation", "Dilation", 1, 9),
        this.number("bias", "Bias", -99, 99, { step: "any" })),
      this.problem,
      div("panels",
        panel("The picture", this.canvas, this.pictures.cells),
        div("result", panel("Its feature map", this.map, this.scale))),
      ...this.sheets.map(({ row }) => row),
      div("result", this.status, this.sizes),
    ];
  }

  choose(kernel) {
    if (kernel === "own") return this.set({ kernel, weights: this.texts().join("_") });
    if (kernel in KERNELS) return this.set({ kernel, bias: 0 });
    const { kernel: { shape: [size] }, bias } = this.filters;
    this.set({ kernel, size, bias: +plain(bias.data[kernel.slice(1)]) });
  }

  // Kernels without a rule get zeros around them, or lose their border.
  resize(size) {
    if (this.state.kernel in KERNELS || !/^[1-7]$/.test(size)) return this.set({ size });
    const old = range(this.side), shift = (old.length >> 1) - (size >> 1);
    const texts = this.texts(), weights = [];
    for (let from = 0; from < texts.length; from += old.length ** 2)
      for (let u = shift; u < shift + size; u++)
        for (let v = shift; v < shift + size; v++)
          weights.push(u in old && v in old ? texts[from + u * old.length + v] : "0");
    this.set({ size: this.side = size, kernel: "own", weights: weights.join("_") });
  }

  // The weights as they are written, sheet by sheet.
  texts() {
    const { kernel, weights } = this.state, size = this.side, half = (size - 1) / 2;
    if (kernel === "own") return weights.split("_");
    if (kernel in KERNELS)
      return range(size ** 2).map((n) => {
        const row = Math.floor(n / size), column = n % size;
        const isMiddle = row === size >> 1 && column === size >> 1;
        return plain(KERNELS[kernel](row - half, column - half, isMiddle, size));
      });
    const { shape: [tall, wide, depth, count], data } = this.filters.kernel;
    return range(depth).flatMap((c) => range(tall * wide).map((n) =>
      plain(data[(n * depth + c) * count + Number(kernel.slice(1))])));
  }

  draw() {
    const { size, stride, dilation, bias } = this.state, area = size ** 2;
    this.side = size; // the last that could be; a reader may be writing another
    const picture = this.pictures.current(), high = Math.max(1, ...picture.data);
    this.pictures.show(this.canvas, picture, { high });
    const texts = this.texts(), depth = texts.length === 3 * area ? 3 : 1;
    const weights = toNumbers(texts, depth * area, "kernel");
    this.showKernel(texts, weights, depth);

    const x = picture.shape[2] === depth ? picture : grey(picture, depth);
    const padding = this.state.padding === "same" ? "same" : Number(this.state.padding);
    // The engine's kernels have their sheets innermost.
    const sheetsInside = weights.map((_, n) => weights[(n % depth) * area + Math.floor(n / depth)]);
    const map = forward.conv2d(x, { shape: [size, size, depth, 1], data: sheetsInside },
      { data: [bias] }, { strides: stride, padding, dilation_rate: dilation });
    const covered = dilation * (size - 1) + 1;
    const sides = ["rows", "columns"].map((name, side) => {
      const n = x.shape[side], [fits, before] = forward.places(n, size, stride, padding, dilation);
      const rest = Math.max((fits - 1) * stride + covered - n - before, 0);
      const after = padding === "same" ? rest : padding;
      const all = `${n} + ${before + after} − ${covered}`;
      return { before, after, rule: `⌊(${all}) / ${stride}⌋ + 1 = ${fits} ${name}` };
    });
    this.sizes.textContent = `Size: ${sides.map(({ rule }) => rule).join(", ")}.`;

    this.map.cells = map.shape;
    const [row, column] = this.place;
    // What the window sees: places, counted with padding, and a number in each sheet.
    const seen = range(area).map((n) => {
      const u = row * stride + Math.floor(n / size) * dilation;
      const v = column * stride + (n % size) * dilation;
      const i = u - sides[0].before, j = v - sides[1].before, [rows, columns] = x.shape;
      const isPadding = i < 0 || j < 0 || i >= rows || j >= columns;
      const from = (i * columns + j) * depth;
      return { u, v, numbers: range(depth).map((c) => (isPadding ? 0 : x.data[from + c])) };
    });
    const [{ u, v }] = seen;
    const boxes = dilation > 1 ? seen.map((tap) => [tap.u, tap.v, 1, 1]) : [[u, v, size, size]];
    const paddings = [...sides.map(({ before }) => before), ...sides.map(({ after }) => after)];
    this.pictures.show(this.canvas, picture, { high, boxes, padding: paddings });
    const look = lookOf(map);
    paint(this.map, map, { ...look, boxes: [[row, column, 1, 1]] });
    this.scale.replaceChildren(...scaleOf(look));

    const answer = show(map.data[row * map.shape[1] + column]);
    this.status.textContent = (depth > 1 ? "All sheets together" : "The sum") +
      (bias ? ` and the bias, ${show(bias)}` : "") + `: ${answer}. ` +
      `It stands in row ${row}, column ${column} of the map, counted from 0.`;
    this.sheets.slice(0, depth).forEach(({ window, sum }, c) => {
      const numbers = Float32Array.from(seen, (tap) => tap.numbers[c]);
      paint(window, { shape: [size, size, 1], data: numbers }, { high });
      const product = (n) => h("span", {}, `${show(numbers[n])} × ${show(weights[c * area + n])}`);
      sum.replaceChildren(...range(size).map((line) => h("div", {},
        ...range(size).flatMap((n) => [line + n ? " + " : "", product(line * size + n)]))));
    });
  }

  showKernel(texts, weights, depth) {
    const area = texts.length / depth, most = Math.max(...weights.map(Math.abs)) || 1;
    this.sheets.forEach(({ row, cells, title }, c) => {
      row.hidden = c >= depth;
      if (row.hidden) return;
      row.style.setProperty("--columns", Math.sqrt(area));
      title.textContent = depth > 1 ? `The ${SHEETS[c]} sheet: pixel × weight` : "Pixel × weight";
      cells.ariaLabel = depth > 1 ? `Kernel, ${SHEETS[c]}` : "Kernel";
      cells.show(texts.slice(c * area, (c + 1) * area), Math.sqrt(area),
        { colour: signed, low: -most, high: most });
    });
  }
});
})();
