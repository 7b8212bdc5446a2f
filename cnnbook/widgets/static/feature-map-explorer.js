// The feature-map explorer: every layer and channel of a network, and for each number the
// window that it sees, back through all layers to the picture.
//
// A network runs in the page, or comes as pictures of its maps on one photo, each of which
// is loaded when its layer is opened; see cnnbook.widgets.chains.
(() => {
"use strict";
const { bytesOf, div, h, inWorker, mapSheet, named, paint, panel, pictures, pointable, readPicture, scaledTo, scaleOf,
  sets, show, shownTo } = cnnbook;

const decode = (text) => readPicture(new Blob([bytesOf(text)]), Infinity);

// A layer's map from its picture: one channel above the other, white for the peak of each.
async function recorded(set, [rows, columns], folder) {
  if (!sets.has(set))
    await new Promise((onload, fail) => document.head.append(h("script", { src: `${folder}${set}.js`,
      onload, onerror: () => fail(new Error("The maps of this layer cannot be loaded.")) })));
  const { peaks, picture } = sets.get(set), { data } = await decode(picture);
  const depth = peaks.length, map = new Float32Array(rows * columns * depth);
  return { shape: [rows, columns, depth], data: map.map((_, n) => {
    const channel = n % depth, pixel = channel * rows * columns + Math.floor(n / depth);
    return data[3 * pixel] * peaks[channel];
  }) };
}

// Numbers that are no map, laid out as nearly in a square as their count allows.
function cellsOf({ shape: [count], data }) {
  let rows = Math.floor(Math.sqrt(count));
  while (count % rows) rows--;
  return { shape: [rows, count / rows, 1], data };
}

// What a span of places, along rows or columns, sees of the layer before.
const seenBy = ({ size, stride, offset }, before, side, [from, to]) => from > to ? [from, to] : [
  Math.max(from * stride[side] + offset[side], 0),
  Math.min(to * stride[side] + offset[side] + size[side], before.sides[side]) - 1,
];

// A window in its map, in small and in words.
function step({ name, sides: [rows, columns] }, spans) {
  const [[top, bottom], [left, right]] = spans;
  const words = spans.map(([from, to]) => (from < to ? `${from}–${to}` : from > to ? "none" : from));
  return h("li", {}, h("svg", { viewBox: `0 0 ${columns} ${rows}` },
    h("path", { d: `M${left} ${top}H${right + 1}V${bottom + 1}H${left}z` })),
  name, h("br"), words.join(" × "));
}

cnnbook.define("feature-map-explorer", class extends cnnbook.Widget {
  start() {
    const networks = this.given("network");
    this.views = {};
    for (const [title, { layers, ...chain }] of Object.entries(this.given("chains")))
      layers.forEach((layer, n) => {
        this.views[`${title} ${layer.name}`] = { ...chain, ...layer, network: networks[title],
          steps: [...layers.slice(0, n + 1), ...(layer.shrunk ?? [])].reverse() };
      });
    const [, first] = Object.keys(this.views);
    this.pictures = pictures(this, { most: this.views[first].steps.at(-1).sides, grid: {} });
    return { ...this.pictures.first, layer: this.getAttribute("layer") ?? first, order: "strength",
      channel: -1, row: 32, column: 28 }; // the strongest, until one is chosen
  }

  build() {
    this.sheet = mapSheet("All maps of the layer", (channel) => this.set({ channel }));
    this.map = pointable("The chosen map", (...to) => this.point(...to), (...by) => this.step(...by));
    this.map.cells = [1, 1]; // until there is one
    this.photo = pointable("The picture");
    this.live = div("fields", ...this.pictures.fields);
    [this.facts, this.scale] = [h("p"), div("scale")];
    this.trail = h("ol", { class: "fields trail" });
    return [
      div("fields",
        this.choice("layer", "Layer", named(this.views), (layer) => this.go(layer)),
        this.choice("order", "Order", { number: "by number", strength: "strongest first" })),
      this.live, this.problem,
      div("result", this.facts, this.sheet.part, div("panels",
        panel("Enlarged", this.map, this.scale), panel("The picture", this.photo)),
      this.status, panel("What it sees of each layer: rows × columns", this.trail)),
    ];
  }

  // To another layer, at the same part of the picture.
  go(layer) {
    const { sides } = this.views[layer].steps[0];
    const [row, column] = this.place.map((at, n) => Math.floor((at + 0.5) / this.map.cells[n] * sides[n]));
    this.set({ layer, row, column });
  }

  // Find a map once, and draw again when it is there.
  ask(view, picture) {
    if (this.asked?.view !== view || this.asked.picture !== picture) {
      const asked = this.asked = { view, picture };
      this.find(view, picture).catch((error) => ({ error })).then((found) => {
        Object.assign(asked, found);
        this.show();
      });
    }
    return this.asked;
  }

  async find({ name, network, photo, set, steps: [{ sides }] }, picture) {
    if (set) return { photo: await decode(photo),
      map: await recorded(set, sides, this.getAttribute("folder")) };
    this.worker ??= inWorker(network);
    const image = scaledTo(network.range[1], shownTo(network, picture));
    return { photo: picture, map: (await this.worker.run(image, { upTo: name }))[name] };
  }

  draw() {
    const { state } = this, view = this.views[state.layer], { about, network, steps } = view;
    this.live.hidden = about;
    const { photo, map, error } = this.ask(view, about ?? this.pictures.current());
    if (error) throw error;
    this.facts.textContent = map ? `${map.shape.join(" × ")} numbers. ${about ?? ""}` : "One moment …";
    if (!map) return;
    const isMap = map.shape.length > 2, shown = isMap ? map : cellsOf(map);
    this.map.cells = shown.shape;
    const [row, column, chosen] = this.inside(state.row, state.column, state.channel);
    this.sheet.part.hidden = !isMap;
    this.sheet.show(shown, { order: state.order, channel: state.channel < 0 ? null : chosen });
    const { channel } = this.sheet, tile = this.sheet.tiles[channel], number = row * shown.shape[1] + column;

    let spans = [row, column].map((at) => (isMap ? [at, at] : [0, 0]));
    this.trail.replaceChildren(...steps.map((layer, n) => {
      if (n) spans = spans.map((span, side) => seenBy(steps[n - 1], layer, side, span));
      return step(layer, spans);
    }));
    const seen = spans.map(([from, to]) => to - from + 1);
    paint(this.map, tile.map, { ...tile.look, boxes: [[row, column, 1, 1]] });
    paint(this.photo, photo, { boxes: [[spans[0][0], spans[1][0], ...seen]] });
    this.scale.replaceChildren(...scaleOf(tile.look));
    const name = network?.layers.length === steps.length && network.classes?.[number];
    this.status.textContent = (isMap ? `Map ${channel}, row ${row}, column ${column}, counted from 0`
      : name || `Number ${number}`) + `: ${about ? "about " : ""}${show(tile.map.data[number])}. ` +
      `It sees ${seen.join(" × ")} pixels of the picture.`;
  }
});
})();
