// How the features vote: what each channel of the last maps adds to the logits, and what
// becomes of the verdict when some of them are switched off.
(() => {
"use strict";
const { bar, bitmap, div, forward, h, lookOf, paint, panel, percent, pictures, pointable, range,
  scaledTo, show, shownTo } = cnnbook;

// Rounded to thousandths so that the sum adds up as it is read.
function sum(...ends) {
  const [bias, logit] = ends.map((number) => Math.round(1000 * number));
  const [start, votes, end] = [bias, logit - bias, logit].map((number) => show(number / 1000, 9));
  return `bias ${start} + votes ${votes} = ${end}`;
}

cnnbook.define("fully-connected-explorer", class extends cnnbook.Widget {
  start() {
    this.network = cnnbook.network(this.given("network").classifier);
    this.pictures = pictures(this, { most: this.network.input.slice(0, 2), grid: {} });
    return { ...this.pictures.first, target: "0", against: "1", off: "" };
  }

  build() {
    const { classes } = this.network;
    return [
      div("fields", ...this.pictures.fields,
        this.choice("target", "Votes for", classes), this.choice("against", "against", classes),
        h("button", { onclick: () => this.toggle(this.order.find((n) => !this.off.has(n))) },
          "Switch the strongest off"),
        h("button", { onclick: () => this.set({ off: "" }) }, "All on")),
      this.problem,
      div("result",
        div("panels three", panel("The picture", this.picture = pointable("The picture")), this.sums = h("div")),
        this.status, this.list = div("votes")),
    ];
  }

  toggle(channel) {
    this.off.delete(channel) || this.off.add(channel);
    this.set({ off: [...this.off].join("_") });
  }

  // Run the network; then this.count(isOn, from) gives the logits that some channels make,
  // from the biases on or from nothing.
  look(picture) {
    paint(this.picture, picture);
    const { layers, range: [, white], run } = this.network;
    const outputs = run(scaledTo(white, shownTo(this.network, picture)));
    const last = layers.findLastIndex(({ kind }) => kind === "dense"), { kernel, bias } = layers[last].arrays;
    const { shape, data } = outputs[layers[last - 1].name];
    const map = outputs[layers.findLast((layer) => layer.shape[2]).name], look = lookOf(map);
    const [rows, columns, depth] = map.shape;
    this.count = (isOn, from = bias) => forward.dense(
      { shape, data: data.map((number, n) => (isOn(n % depth) ? number : 0)) }, kernel, from);
    this.channels = range(depth).map((c) => ({
      votes: this.count((n) => n === c, null).data,
      map: bitmap({ shape: [rows, columns, 1], data: map.data.filter((_, n) => n % depth === c) }, look),
      box: h("input", { type: "checkbox", onchange: () => this.toggle(c) }),
    }));
    [this.seen, this.key] = [picture, ""];
  }

  draw() {
    const { classes } = this.network, picture = this.pictures.current();
    if (picture !== this.seen) this.look(picture);
    const off = this.off = new Set(this.state.off.match(/\d+/g)?.map(Number));
    for (const n of off) if (!this.channels[n]) throw new Error(`There is no filter ${n}.`);

    const { target, against } = this.state, gap = (of) => of[target] - of[against];
    const leads = this.channels.map(({ votes }) => gap(votes)), size = (n) => Math.abs(leads[n]);
    if (this.key !== (this.key = String(leads))) {
      this.order = [...leads.keys()].sort((a, b) => size(b) - size(a));
      this.list.replaceChildren(...this.order.map((n) => {
        const { box, map } = this.channels[n], part = leads[n] / size(this.order[0]) || 0;
        return bar(h("label", {}, box, map, `filter ${n}`), show(leads[n]),
          `scale: ${part} 1; background: ${part < 0 ? "#0072b2" : "#e69f00"}`);
      }));
    }
    this.channels.forEach(({ box }, n) => { box.checked = !off.has(n); });

    const biases = this.count(() => false).data;
    this.sums.replaceChildren(...[new Set(), off].map((silent) => {
      const logits = this.count((n) => !silent.has(n)), { data } = forward.softmax(logits);
      const verdict = classes[data.indexOf(Math.max(...data))];
      this.status.textContent = `${silent.size} switched off: ${verdict}`;
      return panel(this.status.textContent, ...classes.flatMap((name, k) => [
        bar(name, percent(data[k])), sum(biases[k], logits.data[k])]),
        h("p", {}, `${classes[target]} − ${classes[against]}: ${sum(gap(biases), gap(logits.data))}`));
    }));
  }
});
})();
