// The photo lab: a network runs in the page on a photo of the reader's own.  What does it
// answer, what do its layers see, and what if channels are switched off or parts hidden?
(() => {
"use strict";
const { bar, div, fit, forward, grey, h, inWorker, mapSheet, network, paint, panel, parse, percent,
  pictures, pointable, scaledTo, show, shownTo, signed } = cnnbook;

const MOST = 1024; // pixels of a photo's longer side: more than a network takes

const PROBABLE = /^(softmax|sigmoid)$/; // activations that make probabilities of scores

// Lay signed numbers over a photo, which shows through where they are small; roots, since
// a few large ones would hide all others.
function glow(photo, numbers) {
  const { shape, data } = grey(photo, 3);
  const most = numbers.reduce((most, number) => Math.max(most, Math.abs(number)), 0) || 1;
  return { shape, data: data.map((shade, n) => {
    const number = numbers[Math.floor(n / 3)];
    return shade + Math.sqrt(Math.abs(number) / most) * (signed(number > 0)[n % 3] / 255 - shade);
  }) };
}

const likeliest = (shares) => [...shares.keys()].sort((a, b) => shares[b] - shares[a]);

cnnbook.define("photo-lab", class extends cnnbook.Widget {
  start() {
    this.pictures = pictures(this, { most: MOST, grid: {}, reads: (file) => this.reads(file) });
    this.white = this.choice("white", "White is", { 1: "1", 255: "255", "": "not said" });
    this.choices = [this.choice("layer", "Layer", {}, (layer) => this.set({ layer, channel: 0 })), this.choice("target", "Class", {})];
    this.facts = h("span");
    this.known = {};
    const { picture } = this.pictures.first;
    return { picture, white: "", order: "number", stride: 8, hide: "mean", ...this.use(this.given("network").classifier) };
  }

  build() {
    const [layer, target] = this.choices, { pick, fields } = this.pictures;
    const camera = pick("Take one", { accept: "image/*", capture: "environment" });
    camera.hidden = !matchMedia("(pointer: coarse)").matches;
    this.seen = pointable("What it sees");
    this.status = h("div", { class: "panels", role: "status" });
    this.sheet = mapSheet("Channels; Enter or a click switches one", (channel) => this.set({ channel }));
    const tiles = this.sheet.part.querySelector("canvas"), toggle = () => this.toggle();
    tiles.addEventListener("click", toggle);
    tiles.addEventListener("keydown", (event) => {
      if (!/^( |Enter)$/.test(event.key)) return;
      event.preventDefault();
      toggle();
    });
    this.over = pointable("What hiding parts changes");
    this.button = h("button", { onclick: () => this.run ? this.mark() : this.hide().catch((error) => {
      if (this.run) this.problem.textContent = error.message; // else another network came
      this.mark();
    }) });
    this.done = h("progress", { "aria-label": "Done" });
    this.found = h("p", { role: "status" });
    return [
      div("fields", ...fields, camera, pick("Your own network", { accept: ".js" }), this.facts, this.white),
      this.problem,
      div("panels result", panel("What it sees", this.seen), this.status),
      div("fields", layer, this.choice("order", "Order", { number: "by number", strength: "the strongest first" }),
        h("button", { onclick: () => this.set({ silent: "" }) }, "All on")),
      div("result", this.sheet.part),
      div("fields", target, this.number("window", "Window", 1, 512), this.number("stride", "Stride", 1, 512),
        this.choice("hide", "Hide with", { mean: "the mean colour", grey: "grey" }), this.button, this.done),
      div("result narrow", this.over, this.found, "Orange: without it, the score drops. Blue: it rises."),
    ];
  }

  // Take a network, whose last layer then gives scores in place of probabilities; answer
  // with what has to change in the state.
  use(data) {
    const { input, layers, output, name, range, classes } = network(data), last = this.end(data.layers);
    const [count, ...more] = data.layers.at(-1).shape, kind = last.activation?.kind, { layer } = this.state ?? {};
    if (more.length || ![1, 3].includes(input[2])) throw new Error("This network does not give scores to photos.");
    const end = PROBABLE.test(kind) ? { ...last, activation: null } : last;
    const worker = inWorker({ ...data, layers: data.layers.map((layer) => layer === last ? end : layer) });
    this.worker?.stop();
    const names = [...Array(Math.max(count, 2)).keys()].map((k, _, { length }) => classes?.length === length ? classes[k] : String(k));
    const maps = layers.filter(({ shape, kind }) => shape[2] && kind !== "train_only");
    this.offer("layer", maps.map(({ name, shape }) => [name, `${name}: ` + shape.join(" × ")]));
    this.offer("target", [["likeliest", "the likeliest"], ...names.map((name, k) => [k, name])]);
    this.facts.textContent = `${name}: ${input.join(" × ")} numbers, ${names.length} classes`;
    this.white.hidden = range;
    Object.assign(this, { worker, input, output, range, names, run: null,
      kind: count === 1 || kind === "sigmoid" ? "sigmoid" : "softmax" });
    return maps.some(({ name }) => name === layer) ? {} : { channel: 0, silent: "", target: "likeliest",
      layer: (maps.find((one) => one.activation) ?? maps[0]).name, window: Math.min(16, ...input.slice(0, 2)) };
  }

  // The layer whose activation gives the answers: behind it, layers only train, or flatten one row.
  end(layers) {
    let at = layers.length - 1;
    const same = ({ kind }) => kind === "train_only" || (kind === "flatten" && layers[at - 1].shape.at(-1) === layers[at].shape[0]);
    while (at && same(layers[at])) at--;
    const made = layers.slice(layers.findLastIndex(({ arrays }) => arrays), at);
    if (made.some(({ activation }) => PROBABLE.test(activation?.kind)))
      throw new Error("This network changes its probabilities further, so that they are no scores.");
    return layers[at];
  }

  async reads(file) {
    if (!file.name.endsWith(".js")) return false;
    this.set(this.use(parse(await file.text())));
    return true;
  }

  // What is switched off: the state holds "layer=channel&…", and all else {layer: [channel, …]}.
  toggle() {
    const { layer, channel, silent } = this.state, one = `${layer}=${channel}`, off = new Set(silent.split("&"));
    off.delete(one) || off.add(one);
    this.set({ silent: [...off].filter(Boolean).join("&") });
  }

  get off() {
    const off = {};
    for (const [layer, channel] of new URLSearchParams(this.state.silent)) (off[layer] ??= []).push(Number(channel));
    return off;
  }

  // Whether things have changed since this was asked.
  isNew(what, ...things) {
    const before = this.known[what] ?? [];
    this.known[what] = things;
    return things.some((thing, n) => thing !== before[n]);
  }

  draw() {
    const { white, layer, order, channel, silent, target, window, stride, hide } = this.state;
    const picture = this.pictures.current(), { input, range, off } = this;
    this.counts = input.slice(0, 2).map((side) => forward.places(side, window, stride, "valid")[0]);
    if (this.isNew("image", picture, this.worker, white)) {
      this.photo = fit(shownTo(this, picture), input);
      this.high = range ? range[1] : Number(white);
      this.image = scaledTo(this.high, this.photo);
      paint(this.seen, this.photo);
    }
    if (!this.high) throw new Error("Say what white is to this network, 1 or 255: it does not tell, and a wrong guess gives wrong answers.");
    if (this.isNew("asked", this.image, silent)) { // and draw again with the answers
      const asked = this.asked = {}, all = silent ? [{}, off] : [{}];
      Promise.all(all.map((off) => this.answer(this.image, off))).then((answers) => { asked.answers = answers; },
        (error) => { asked.error = error; }).then(() => this.show());
    }
    if (this.isNew("hidden", this.asked, target, window, stride, hide)) {
      this.mark();
      this.done.value = 0;
      this.found.textContent = "";
      paint(this.over, this.photo, { boxes: [[0, 0, window, window]] });
    }
    const { answers, error } = this.asked;
    if (error) throw error;
    if (!answers) return;
    this.sheet.show(answers.at(-1).outputs[layer], { order, channel, silenced: off[layer] });
    const best = likeliest(answers[0].shares).slice(0, 5);
    if (this.isNew("told", answers)) this.status.replaceChildren(...answers.map(({ shares }, n) => panel(n ? "With channels off" : "As it is",
      ...best.map((k) => bar(this.names[k], percent(shares[k]), `width: ${100 * shares[k]}%`)))));
  }

  // All outputs, and the scores and the probabilities of the classes.
  async answer(image, silent) {
    const outputs = await this.worker.run(image, { silent }), { data } = outputs[this.output];
    const scores = data.length > 1 ? data : Float32Array.of(-data[0], data[0]);
    const shares = forward.activate({ shape: [scores.length], data: scores }, this.kind).data;
    return { outputs, scores, shares };
  }

  mark(run) {
    this.run = run;
    this.button.textContent = run ? "Stop" : "Hide part by part";
  }

  // Hide a window at every place, and see how far the score drops: cnnbook.explanations.occlusion_map.
  async hide() {
    const { image, photo, off, asked: { answers }, state: { window, stride, target, hide } } = this, run = {};
    if (!answers || this.hasAttribute("wrong")) return;
    const [rows, columns, depth] = image.shape, [down, across] = this.counts;
    this.mark(run);
    const { scores, shares } = answers.at(-1), k = target === "likeliest" ? likeliest(shares)[0] : target;
    const colour = forward.globalPool2d(image, true).data.map((mean) => hide === "grey" ? this.high / 2 : mean);
    const sums = new Float32Array(rows * columns), counts = sums.slice();
    const drops = new Float32Array(this.done.max = down * across);
    const corner = (n) => [Math.floor(n / across) * stride, (n % across) * stride];
    // Each pixel shows the mean of the windows that cover it.
    const outline = (n) => paint(this.over, glow(photo, sums.map((sum, at) => sum / (counts[at] || 1))),
      { boxes: [[...corner(n), window, window]] });
    for (let n = 0; n < drops.length; n++) {
      const [top, left] = corner(n), data = image.data.slice(), each = (go) => {
        for (let u = top; u < top + window; u++)
          for (let v = left; v < left + window; v++) go(u * columns + v);
      };
      each((at) => data.set(colour, at * depth));
      const hidden = await this.answer({ shape: image.shape, data }, off);
      if (run !== this.run) return;
      drops[n] = scores[k] - hidden.scores[k];
      each((at) => { counts[at] += 1; sums[at] += drops[n]; });
      outline(n);
      this.done.value = n + 1;
    }
    const [most] = likeliest(this.drops = drops), [top, left] = corner(most);
    outline(most);
    this.found.textContent = `The score of ${this.names[k]}, ${show(scores[k])}, drops most, by ${show(drops[most])}, ` +
      `with rows from ${top} and columns from ${left} hidden.`;
    this.mark();
  }
});
})();
