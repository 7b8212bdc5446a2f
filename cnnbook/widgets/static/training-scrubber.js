// Slide through a training: what the network made of one picture after so many epochs.
(() => {
"use strict";
const { bar, bitmap, div, h, lookOf, paint, panel, percent, pointable, range, scaleOf } = cnnbook;

const INKS = ["currentColor", "var(--mark)"];
const still = matchMedia("(prefers-reduced-motion: reduce)");

cnnbook.define("training-scrubber", class extends cnnbook.Widget {
  start() {
    this.arrays = this.given("training");
    this.facts = this.arrays.facts;
    return { step: 0 };
  }

  build() {
    const photo = pointable("The picture");
    paint(photo, this.arrays.picture);
    this.button = h("button", { onclick: () => {
      if (this.timer) return this.stop();
      if (!still.matches) this.timer = setInterval(() => this.go(), 1000);
      this.go(); // by one for each press, where nothing is to move by itself
    } });
    this.sheets = this.facts.sheets.map(({ title, limits }) => {
      const look = limits && lookOf({ data: limits });
      const tiles = div(look ? "tiles" : "tiles small");
      const scale = look ? div("scale", ...scaleOf(look)) : "";
      return { title, colour: look?.colour, tiles, part: panel(title, tiles, scale) };
    });
    return [
      div("fields", this.button, this.range("step", "Checkpoint", 0, this.facts.epochs.length - 1)),
      this.problem,
      div("result", this.status,
        div("panels three", panel("The picture", photo, this.shares = h("div")),
          this.curves = div("panels pair")),
        div("panels", ...this.sheets.map(({ part }) => part))),
    ];
  }

  // To the next checkpoint, after the last to the first.
  go() {
    const { length } = this.facts.epochs, step = Math.floor(this.state.step + 1 || 0) % length;
    this.set({ step });
    if (step === length - 1) this.stop();
  }

  stop() {
    this.timer = clearInterval(this.timer);
    this.set({});
  }

  draw() {
    const { step } = this.state, { epochs, classes, curves, probabilities } = this.facts;
    const epoch = epochs[step], last = epochs.at(-1), shares = probabilities[step].map(percent);
    this.button.textContent = still.matches ? "Next" : this.timer ? "Pause" : "Play";
    this.fields.get("step").ariaValueText = this.status.textContent = `After ${epoch} of ${last} epochs: ` +
      shares.map((share, k) => `${classes[k]} ${share}`).join(", ");
    this.shares.replaceChildren(...shares.map((share, k) => bar(classes[k], share)));
    this.curves.replaceChildren(...curves.map(({ title, lines }) => panel(title,
      h("svg", { viewBox: "-1 -1 102 62", fill: "none", stroke: "currentColor" },
        h("path", { d: `M0,0V60H100M${100 * epoch / last},0V60`, "stroke-width": 0.5 }),
        ...lines.map(({ d }, n) => h("path", { d, stroke: INKS[n] }))),
      ...lines.map(({ name, values }, n) =>
        h("div", { style: `border-bottom: 3px solid ${INKS[n]}` }, `${name} ${values[epoch - 1] ?? "–"}`)))));
    for (const { title, colour, tiles } of this.sheets) {
      const { shape: [, count, ...shape], data } = this.arrays[title], size = data.length / epochs.length / count;
      tiles.replaceChildren(...range(count).map((n) => bitmap({ shape,
        data: data.subarray((step * count + n) * size, (step * count + n + 1) * size) }, { colour })));
    }
  }
});
})();
