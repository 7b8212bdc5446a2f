// A kernel that learns: a loss, its slope for each weight, and steps against the slope.
(() => {
"use strict";
const { div, forward, h, paint, panel, pointable, range, show, signed } = cnnbook;

const MOST = 200; // steps
const DIVERGED = 1000; // times the loss at first
const still = matchMedia("(prefers-reduced-motion: reduce)");

const sum = (numbers) => numbers.reduce((a, b) => a + b, 0);
const grid = (rows) => ({ shape: [rows.length, rows[0].length, 1], data: Float64Array.from(rows.flat()) });

cnnbook.define("kernel-trainer", class extends cnnbook.Widget {
  start() {
    const { picture, kernel } = this.given("lesson").facts;
    this.picture = grid(picture);
    this.size = [kernel.length, kernel[0].length];
    this.wanted = this.answer(kernel.flat());
    return { rate: 0.1, step: 0 };
  }

  build() {
    this.button = h("button", { onclick: () => {
      if (this.timer) return this.stop();
      this.timer = setInterval(() => this.go(), 250);
      this.go();
    } });
    this.button.hidden = still.matches; // then nothing is to move by itself
    const [picture, kernel, map, wanted, slope] = this.canvases =
      ["The picture", "The kernel", "Its map", "The wanted map", "The slope"].map((name) => pointable(name));
    this.curve = h("div");
    this.top = h("b");
    return [
      div("fields", this.field("rate", "Learning rate", "input",
        { type: "range", min: 0.01, max: 0.4, step: 0.01 }, (rate) => this.restart(rate)),
        h("button", { onclick: () => this.go() }, "Step"), this.button,
        h("button", { onclick: () => this.restart(this.state.rate) }, "Start over")),
      this.problem,
      div("result", this.status, div("panels six",
        panel("The picture", picture), panel("The kernel", kernel), panel("Its map", map),
        panel("The slope", slope), panel("The wanted map", wanted),
        div("panel", this.top, this.curve))),
    ];
  }

  restart(rate) {
    this.stop();
    this.set({ rate, step: 0 });
  }

  go() {
    const step = Math.min(Math.max(Math.floor(this.state.step + 1 || 0), 0), MOST);
    const { losses } = this.learn(this.state.rate, step);
    if (step === MOST || losses.at(-1) > DIVERGED * losses[0]) this.stop();
    this.set({ step });
  }

  stop() {
    this.timer = clearInterval(this.timer);
    this.set({});
  }

  // The map that a kernel gives, as cnnbook.layers.conv2d computes it.
  answer(weights) {
    const [tall, wide] = this.size, { shape: [rows, columns], data } = this.picture;
    const shape = [rows - tall + 1, columns - wide + 1, 1];
    const sums = range(shape[0] * shape[1]).map((n) => sum(weights.map((weight, tap) =>
      weight * data[this.pixel(n, tap, shape)])));
    return { shape, data: Float64Array.from(sums) };
  }

  // The pixel that a weight of the kernel lies on, for one number of the map.
  pixel(n, tap, [, across]) {
    const wide = this.size[1], row = Math.floor(n / across) + Math.floor(tap / wide);
    return row * this.picture.shape[1] + (n % across) + (tap % wide);
  }

  // A kernel that starts from zero, after so many steps, with the losses on the way.
  learn(rate, steps) {
    let weights = new Array(this.size[0] * this.size[1]).fill(0);
    const losses = [];
    for (;;) {
      const map = this.answer(weights), count = map.data.length;
      const off = map.data.map((value, n) => value - this.wanted.data[n]);
      losses.push(sum(off.map((each) => each ** 2)) / count);
      const slope = weights.map((_, tap) => 2 / count *
        sum(off.map((each, n) => each * this.picture.data[this.pixel(n, tap, map.shape)])));
      if (losses.length > steps) return { weights, map, slope, losses };
      weights = weights.map((weight, tap) => weight - rate * slope[tap]);
    }
  }

  draw() {
    const { rate, step } = this.state;
    if (!(Number.isInteger(step) && step >= 0 && step <= MOST))
      throw new Error(`The step must be a whole number from 0 to ${MOST}; it is ${Number.isNaN(step) ? "missing" : step}.`);
    const { weights, map, slope, losses } = this.learn(rate, step), shape = [...this.size, 1];
    if (!Number.isFinite(losses[step]))
      throw new Error("The loss is more than a number can hold: start over with a smaller learning rate.");
    const shown = [this.picture, { shape, data: weights }, map, this.wanted, { shape, data: slope }];
    this.canvases.forEach((canvas, n) => this.write(canvas, shown[n], n > 0 || this.picture.data.some((pixel) => pixel < 0)));
    this.button.textContent = this.timer ? "Pause" : "Play";
    this.status.ariaLive = this.timer ? "off" : "polite"; // four sentences a second are too many
    this.status.textContent = `Learning rate ${show(rate)}, after ${step} step${step === 1 ? "" : "s"}: ` +
      `the loss is ${show(losses[step])}. ${this.verdict(losses)}`;
    this.plot(losses);
  }

  // Numbers in a grid, and the same in words for those who do not see them.
  write(canvas, map, isSigned) {
    const rounded = { ...map, data: Float64Array.from(map.data, (number) => Number(number.toFixed(2))) };
    const most = Math.max(...rounded.data.map(Math.abs)) || 1;
    paint(canvas, rounded, isSigned ? { colour: signed, low: -most, high: most } : {});
    const across = map.shape[1], rows = range(map.shape[0]).map((row) =>
      Array.from(rounded.data.slice(row * across, (row + 1) * across), (number) => show(number)).join(", "));
    canvas.ariaLabel = `${canvas.ariaLabel.split(":")[0]}: ${rows.join("; ")}`;
  }

  verdict(losses) {
    const [now, before] = [losses.at(-1), losses.at(-2)];
    if (before === undefined) return "The kernel is zero, and finds nothing.";
    if (now > before) return `It was ${show(before)} a step before: this step was too large.`;
    return now < 0.001 ? "The map is the one that is wanted, nearly." : `It was ${show(before)} a step before.`;
  }

  plot(losses) {
    const high = Math.max(...losses), last = Math.max(20, losses.length - 1);
    const points = losses.map((loss, n) => `${100 * n / last},${(60 * (1 - loss / high)).toFixed(2)}`);
    this.top.textContent = `Loss, 0 to ${show(high)}`;
    const [x, y] = points.at(-1).split(",");
    this.curve.replaceChildren(h("svg", { viewBox: "-3 -3 106 66", fill: "none", stroke: "currentColor",
      role: "img", "aria-label": `The loss over ${losses.length - 1} steps` },
      h("path", { d: "M0,0V60H100", "stroke-width": 0.5 }),
      h("path", { d: `M${points.join("L")}`, stroke: "var(--mark)" }),
      h("circle", { cx: x, cy: y, r: 2, fill: "var(--mark)", stroke: "none" })));
  }
});
})();
