// Activation functions: their slope, what they do to a feature map, and why two layers
// without one between them are a single layer.
(() => {
"use strict";
const { div, follow, forward, h, lookOf, named, paint, panel, pointable, range, scaleOf, show,
  three } = cnnbook;

const { activations } = forward, NAMES = {}, FAR = 6;
for (const kind in activations) [NAMES[kind]] = activations[kind];
const XS = range(241).map((n) => n / 20 - FAR);

const isFlat = (slope) => Math.abs(slope) < 0.05;
const apply = (kind, data) => forward.activate({ data }, kind).data;

function curve(ys, look) {
  const points = XS.map((x, n) => `${x},${(-ys[n]).toFixed(3)}`);
  return h("path", { d: `M${points.join("L")}`, ...look });
}
const STRONG = { stroke: "var(--mark)", "stroke-width": 0.16 };
const DASHED = { "stroke-dasharray": 0.3, "stroke-width": 0.12 };

const plot = (...inside) => h("svg", { viewBox: "-6 -6 12 12", role: "img", fill: "none",
  "aria-label": "A plot, from −6 to 6 both ways", stroke: "currentColor", "stroke-width": 0.05 },
  h("path", { d: "M-6,0H6M0,-6V6" }), ...inside);

const plus = (number) => `${number < 0 ? "−" : "+"} ${show(Math.abs(number))}`;

cnnbook.define("activation-explorer", class extends cnnbook.Widget {
  start() {
    this.maps = this.given("maps");
    const [map] = Object.keys(this.maps);
    return { bend: "relu", x: 1, map, a: 1.5, b: 1, c: -1, d: 1, between: "linear" };
  }

  build() {
    const move = (x) => this.set({ x: +Math.min(Math.max(x, -FAR), FAR).toFixed(2) });
    this.plot = follow(h("div"), (_, share) => move((2 * share - 1) * FAR));
    this.before = pointable("The feature map", (row, column) => {
      const { shape, data } = this.maps[this.state.map];
      move(data[row * shape[1] + column]);
    });
    this.after = pointable("The map after the function");
    this.scales = [0, 1].map(() => div("scale"));
    [this.shares, this.said, this.line] = ["p", "p", "div"].map((tag) => h(tag));
    return [
      div("fields", this.choice("bend", "Function", NAMES),
        this.range("x", "x", -FAR, FAR, 0.01), this.choice("map", "Feature map", named(this.maps))),
      this.problem,
      div("result",
        three(panel("Output for each x", this.plot), panel("A map before", this.before, this.scales[0]),
          panel("… and after", this.after, this.scales[1])),
        this.status, this.shares),
      h("b", {}, "Two layers of one number: c · f(a · x + b) + d"),
      div("fields",
        ...["a", "b", "c", "d"].map((name) => this.range(name, name, -2, 2, 0.25)),
        this.choice("between", "f", { linear: "nothing", ...NAMES })),
      div("panels narrow result", this.line, this.said),
    ];
  }

  draw() {
    const { bend, x } = this.state, map = this.maps[this.state.map];
    const [, value, derivative] = activations[bend], y = value(x), slope = derivative(x);
    const others = Object.keys(NAMES).map((kind) => curve(apply(kind, XS), { opacity: 0.35 }));
    this.plot.replaceChildren(plot(...others, curve(apply(bend, XS), STRONG),
      h("path", { d: `M${x - 1},${slope - y}L${x + 1},${-slope - y}`, ...DASHED }),
      h("circle", { cx: x, cy: -y, r: 0.2, fill: "var(--mark)" })));
    this.status.textContent = `At x = ${show(x)}, ${NAMES[bend]} gives ${show(y)}; its slope there is ` +
      show(+slope.toFixed(3)) +
      (isFlat(slope) ? ": flat, or saturated, so training has little to follow." : ".");

    const after = { ...map, data: apply(bend, map.data) };
    [[this.before, map], [this.after, after]].forEach(([canvas, values], n) => {
      const look = lookOf(values);
      paint(canvas, values, look);
      this.scales[n].replaceChildren(...scaleOf(look));
    });
    const percent = (numbers, isSo) =>
      `${Math.round(100 * numbers.filter(isSo).length / numbers.length)}%`;
    this.shares.textContent = `${percent(map.data, (x) => x < 0)} of the numbers in this ` +
      `map are negative. ${percent(map.data, (x) => isFlat(derivative(x)))} lie where ${NAMES[bend]} is flat.`;
    this.drawLayers();
  }

  drawLayers() {
    const { a, b, c, d, between } = this.state, inner = XS.map((x) => a * x + b);
    const two = apply(between, inner).map((y) => c * y + d);
    const one = XS.map((x) => a * c * x + b * c + d);
    this.line.replaceChildren(plot(curve(two, STRONG), curve(one, DASHED)));
    const merged = `${show(a * c)} · x ${plus(b * c + d)}`;
    this.said.textContent = between === "linear"
      ? `The first layer gives ${show(a)} · x ${plus(b)}. The second gives ${show(c)} · that ` +
        `${plus(d)}. One layer does both at once: ${merged} (dashed).`
      : a * c === 0 ? "With a weight of 0, x no longer counts, and nothing bends."
      : `With ${NAMES[between]} between them, the two layers bend. No single layer does: ` +
        `${merged} (dashed) is what they were without.`;
  }
});
})();
