// Max pooling beside average pooling, and what either forgives when the picture moves.
(() => {
"use strict";
const { div, forward, grey, h, lookOf, paint, panel, pictures, pointable, scaleOf, show, three } = cnnbook;

const UPRIGHT = { shape: [3, 3, 1, 1], data: [-1, 0, 1, -1, 0, 1, -1, 0, 1] };
const NAMES = ["The map", "Max pooling", "Average pooling"];
const total = (numbers) => numbers.reduce((a, b) => a + Math.abs(b), 0);

cnnbook.define("pooling-playground", class extends cnnbook.Widget {
  start() {
    this.pictures = pictures(this);
    return { ...this.pictures.first, what: "edges", window: 4, stride: 4, shift: 0, row: 9, column: 10 };
  }

  build() {
    const step = (...by) => this.step(...by);
    this.views = NAMES.map((name, n) => ({
      canvas: n ? pointable(name, (...place) => this.point(...place), step)
        : pointable(name, (...place) => this.point(...place.map((at) => at / this.state.stride))),
      size: h("span"), change: h("b"), bar: h("i"),
    }));
    this.map = this.views[1].canvas;
    this.scale = div("scale");
    this.verdict = h("p", { role: "status" });
    return [
      div("fields", ...this.pictures.fields,
        this.choice("what", "Pool its", { edges: "upright edges", brightness: "brightness" }),
        this.number("window", "Window", 1, 96), this.number("stride", "Stride", 1, 96),
        this.range("shift", "Shift of the picture", 0, 8)),
      this.problem, this.pictures.cells,
      div("result",
        three(...this.views.map(({ canvas, size }, n) => panel(NAMES[n], canvas, size))),
        this.scale, this.status, this.verdict,
        ...this.views.map(({ change, bar }, n) => div("bar", h("span", {}, NAMES[n]), change, bar))),
    ];
  }

  // The map of a picture moved to the right; what leaves there comes back on the left.
  mapOf(picture, shift) {
    const { shape, data } = grey(picture), width = shape[1];
    const from = (n) => n - (n % width) + ((n - shift) % width + width) % width;
    const moved = { shape, data: data.map((_, n) => data[from(n)]) };
    if (this.state.what === "brightness") return moved;
    return forward.activate(forward.conv2d(moved, UPRIGHT), "relu");
  }

  draw() {
    const { window, stride, shift } = this.state, picture = this.pictures.current();
    this.pictures.show(null, picture, { high: Math.max(1, ...picture.data) });
    const [still, moved] = [0, shift].map((by) => {
      const map = this.mapOf(picture, by), options = { pool_size: window, strides: stride };
      return [map, forward.maxPool2d(map, options), forward.avgPool2d(map, options)];
    });
    const changes = moved.map(({ data }, n) =>
      total(data.map((number, at) => number - still[n].data[at])) / total(still[n].data) || 0);
    const percent = changes.map((part) => `${Math.round(100 * part)}%`);
    this.map.cells = moved[1].shape;
    const look = lookOf(moved[0]), [row, column] = this.place;
    const boxes = [[row * stride, column * stride, window, window], [row, column, 1, 1]];
    this.views.forEach(({ canvas, size, change, bar }, n) => {
      paint(canvas, moved[n], { ...look, boxes: [boxes[n && 1]] });
      size.textContent = moved[n].shape.slice(0, 2).join(" × ");
      change.textContent = percent[n];
      bar.style.width = `${changes[n] * 50}%`; // a map can change by twice its mean
    });
    this.scale.replaceChildren(...scaleOf(look));
    const [most, mean] = [1, 2].map((n) => show(moved[n].data[row * moved[n].shape[1] + column]));
    this.status.textContent = `Row ${row}, column ${column}, counted from 0: ` +
      `the largest of ${window ** 2} numbers is ${most}, their average ${mean}.`;
    this.verdict.textContent = !shift ? "Shift the picture: how much does each of the three change?"
      : `Shifted by ${shift}, the map changed by ${percent[0]} of its mean, ` +
        `the largest by ${percent[1]}, the averages by ${percent[2]}.`;
  }
});
})();
