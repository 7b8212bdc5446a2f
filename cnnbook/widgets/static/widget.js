// What the widgets share: arrays that scripts bring, pictures that readers bring, drawing,
// and an element that keeps its state in the address of the page.
//
// A widget extends cnnbook.Widget and gives
//   start()   its state at first: {name: a number or a text}
//   build()   its parts, made once of h(…), this.number, this.choice, this.range
//   draw()    called when the state has changed; what it throws is shown
// How all of them look is in widget.css.
(() => {
"use strict";
const book = (globalThis.cnnbook ??= {});

// --- Data: a script shares a set of arrays or other things under a name.

// Notebooks run this script more than once, and may place an element before its arrays.
const sets = (book.sets ??= new Map()), waiting = (book.waiting ??= new Set());

function share(name, things) {
  sets.set(name, things);
  waiting.forEach((widget) => widget.connectedCallback());
}

function unpack(thing) {
  const { shape, dtype, scale, data } = thing;
  if (!data) return thing;
  const bytes = book.bytesOf(data);
  const numbers = dtype === "uint8" ? bytes : new Int16Array(bytes.buffer);
  return { shape, data: Float32Array.from(numbers, (n) => n * scale) };
}

// The whole numbers from zero up to a count.
const range = (count) => [...Array(count).keys()];

// --- Pictures

// Read a reader's file: upright, on white, its longer side at most so many pixels.
async function readPicture(file, most) {
  let picture;
  try {
    picture = await createImageBitmap(file, { imageOrientation: "from-image" });
  } catch {
    throw new Error(`“${file.name}” is not a picture that this browser can read.`);
  }
  let { width, height } = picture;
  const part = Math.min(1, most / Math.max(width, height));
  const goal = [width, height].map((side) => Math.max(1, Math.round(side * part)));
  do { // by halves: in one step some browsers would skip most pixels
    width = Math.max(goal[0], width >> 1);
    height = Math.max(goal[1], height >> 1);
    const canvas = h("canvas", { width, height }), pen = canvas.getContext("2d");
    pen.fillStyle = "#fff";
    pen.fillRect(0, 0, width, height);
    pen.imageSmoothingQuality = "high";
    pen.drawImage(picture, 0, 0, width, height);
    picture = canvas;
  } while (width > goal[0] || height > goal[1]);
  const { data } = picture.getContext("2d").getImageData(0, 0, width, height);
  const colours = data.filter((_, n) => n % 4 < 3);
  return { shape: [height, width, 3], data: new Float32Array(colours).map((n) => n / 255) };
}

// Cut out the largest centred part with the proportions of an image, and resize it, as
// cnnbook.pictures.load_image does, so that both get the same numbers.
function fit(picture, [rows, columns]) {
  const [tall, wide] = picture.shape, scale = Math.min(tall / rows, wide / columns);
  const { shape, data } = resize(resize(picture, columns, scale), rows, scale);
  return { shape, data: data.map((number) => Math.min(Math.max(number, 0), 1)) };
}

// Resize the columns, and lay the result on its side, so that twice makes both sides.
// The filter, a bicubic one, widens where pixels are averaged.
function resize({ shape: [rows, columns, depth], data }, count, scale) {
  const mixes = range(count).map((j) => {
    const far = (n) => Math.abs(n + 0.5 - columns / 2 - (j + 0.5 - count / 2) * scale) / Math.max(scale, 1);
    const near = range(columns).filter((n) => far(n) < 2), weights = near.map(far).map(
      (x) => x < 1 ? (1.5 * x - 2.5) * x * x + 1 : ((2.5 - x / 2) * x - 4) * x + 2);
    return { from: near[0], weights, total: weights.reduce((a, b) => a + b) };
  });
  const mixed = new Float32Array(count * rows * depth).map((_, to) => {
    const line = Math.floor(to / depth), { from, weights, total } = mixes[Math.floor(line / rows)];
    return weights.reduce((sum, weight, n) =>
      sum + weight * data[((line % rows) * columns + from + n) * depth + to % depth], 0) / total;
  });
  return { shape: [count, rows, depth], data: mixed };
}

// The mean of the channels, in one channel or in several alike.
function grey({ shape: [rows, columns, channels], data }, depth = 1) {
  const means = new Float32Array(rows * columns * depth);
  for (let n = 0; n < means.length; n++) {
    const from = Math.floor(n / depth) * channels;
    for (let c = 0; c < channels; c++) means[n] += data[from + c] / channels;
  }
  return { shape: [rows, columns, depth], data: means };
}

// What a network sees of a picture, white being 1: one of one channel gets cnnbook.pictures.as_grey.
function shownTo({ input }, picture) {
  const { shape: [rows, columns, channels], data } = picture;
  if (input[2] > 1 || channels === 1) return picture;
  return { shape: [rows, columns, 1], data: Float32Array.from({ length: rows * columns }, (_, n) =>
    Math.min(1, 0.299 * data[3 * n] + 0.587 * data[3 * n + 1] + 0.114 * data[3 * n + 2])) };
}

// The same in the numbers that the network takes.
const scaledTo = (white, { shape, data }) => ({ shape, data: data.map((number) => number * white) });

// --- Colours: [red, green, blue] for a part from 0 to 1, between stops.

function ramp(...stops) {
  const shades = range(257).map((at) => { // once, as maps have many numbers
    const place = at / 256 * (stops.length - 1), n = Math.min(Math.floor(place), stops.length - 2);
    return stops[n].map((low, c) => low + (stops[n + 1][c] - low) * (place - n));
  });
  const colour = (part) => shades[Math.round(256 * Math.min(Math.max(part || 0, 0), 1))];
  colour.css = `linear-gradient(90deg, ${stops.map(css)})`;
  return colour;
}
const css = (rgb) => `rgb(${rgb.map(Math.round)})`;
const greys = ramp([0, 0, 0], [255, 255, 255]);
const signed = ramp([0, 114, 178], [255, 255, 255], [230, 159, 0]);
const amounts = ramp([68, 1, 84], [71, 45, 123], [59, 82, 139], [44, 114, 142], // viridis
  [33, 145, 140], [40, 174, 128], [94, 201, 98], [173, 220, 48], [253, 231, 37]);
const inkOn = ([r, g, b]) => (0.3 * r + 0.59 * g + 0.11 * b > 130 ? "#000" : "#fff");

// How to colour a map: amounts from zero, signed numbers with zero in the middle.
function lookOf({ data }) {
  const low = data.reduce((a, b) => Math.min(a, b), 0);
  const high = data.reduce((a, b) => Math.max(a, b), 0), most = Math.max(-low, high) || 1;
  return { colour: low < 0 ? signed : amounts, low: low < 0 ? -most : 0, high: most };
}

// The colours of a map, place by place.
const shadesOf = ({ shape, data }, { colour = greys, low = 0, high = 1 } = {}) => (n) =>
  shape[2] === 3 ? Array.from(data.subarray(3 * n, 3 * n + 3), (c) => c * 255)
    : colour((data[n] - low) / (high - low));

// A canvas with one pixel for each place of a map.
function bitmap(map, look) {
  const [height, width] = map.shape, shade = shadesOf(map, look);
  const canvas = h("canvas", { width, height }), pen = canvas.getContext("2d");
  const pixels = pen.createImageData(width, height);
  pixels.data.fill(255);
  for (let n = 0; n < width * height; n++) pixels.data.set(shade(n), 4 * n);
  pen.putImageData(pixels, 0, 0);
  return canvas;
}

// Draw a map, with padding (top, left, bottom, right) around it, and outline boxes (row,
// column, rows, columns).  Where numbers are few, they are written out.
function paint(canvas, map, look = {}) {
  const { shape: [rows, columns, channels], data } = map;
  const { boxes = [], padding = [0, 0, 0, 0] } = look;
  const [top, left, bottom, right] = padding;
  canvas.cells = [rows + top + bottom, columns + left + right];
  const side = Math.ceil(600 / Math.max(...canvas.cells));
  [canvas.height, canvas.width] = canvas.cells.map((count) => count * side);
  const pen = canvas.getContext("2d");
  pen.fillStyle = "#8886";
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.imageSmoothingEnabled = false;
  pen.drawImage(bitmap(map, look), left * side, top * side, columns * side, rows * side);
  if (side > 50 && channels < 3) {
    pen.font = `${side / 3}px sans-serif`;
    pen.textAlign = "center";
    const shade = shadesOf(map, look);
    data.forEach((number, n) => {
      pen.fillStyle = inkOn(shade(n));
      pen.fillText(show(number, 2), (left + (n % columns) + 0.5) * side,
        (top + Math.floor(n / columns) + 0.62) * side, side * 0.9);
    });
  }
  // First the accent, then white beside it: outside the boxes, whose pixels are to be
  // seen, unless these are large.
  pen.lineWidth = boxes.length > 1 ? 2 : 4;
  ["#b3446c", "#fff"].forEach((ink, n) => {
    const out = (side > 50 ? -1 : 1) * pen.lineWidth * (n + 0.5) / side;
    pen.strokeStyle = ink;
    for (const [row, column, tall, wide] of boxes)
      pen.strokeRect(...[column - out, row - out, wide + 2 * out, tall + 2 * out].map((n) => n * side));
  });
}

// Three digits, however small the number is.
const show = (number, digits = 3) => String(Number(number.toPrecision(digits))).replace("-", "−");

// --- Parts of a widget

function h(tag, attributes = {}, ...inside) {
  const isDrawn = ["svg", "path", "circle"].includes(tag);
  const part = isDrawn ? document.createElementNS("http://www.w3.org/2000/svg", tag)
    : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes))
    if (name.startsWith("on")) part.addEventListener(name.slice(2), value);
    else part.setAttribute(name, value);
  part.append(...inside);
  return part;
}

const div = (classes, ...inside) => h("div", { class: classes }, ...inside);

const panel = (title, ...inside) => div("panel", h("b", {}, title), ...inside);

// Three panels, of which the last two stay side by side on a phone too.
const three = (first, ...pair) => div("panels three", first, div("panels pair", ...pair));

const percent = (share) => `${(100 * share).toFixed(1)}%`;

// A line with a bar: its name, its number, and the style that gives the bar its length
// where the number is no percentage.
const bar = (name, number, style = `width: ${number}`) =>
  div("bar", name, h("b", {}, number), h("i", { style }));

// The colours of a map and the numbers at their ends.
const scaleOf = ({ colour, low, high }) =>
  [show(low), h("i", { style: `background: ${colour.css}` }), show(high)];

const ARROWS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

// Call go with the place of a pointer on a part, as shares of its height and width.
function follow(part, go) {
  const point = (event) => {
    const { top, left, height, width } = part.getBoundingClientRect();
    const place = [(event.clientY - top) / height, (event.clientX - left) / width];
    if (event.type === "pointerdown" || event.pointerType === "mouse" || event.buttons)
      go(...place.map((share) => Math.min(Math.max(share, 0), 0.9999)));
  };
  part.addEventListener("pointerdown", point);
  part.addEventListener("pointermove", point);
  return part;
}

// A canvas to point at.  A pointer calls go(row, column); where there is step(rows,
// columns), arrows call it, with eight at once when shift is held.
function pointable(label, go, step) {
  const canvas = h("canvas", { role: step ? "application" : "img", "aria-label": label });
  const cell = (...place) => place.map((share, n) => Math.floor(share * canvas.cells[n]));
  if (go) follow(canvas, (...place) => go(...cell(...place)));
  if (!step) return canvas;
  canvas.tabIndex = 0;
  canvas.ariaLabel += "; the arrow keys move on";
  canvas.addEventListener("keydown", (event) => {
    if (!ARROWS[event.key] || event.altKey) return;
    event.preventDefault();
    step(...ARROWS[event.key].map((n) => n * (event.shiftKey ? 8 : 1)));
  });
  return canvas;
}

// A table of numbers to edit: edit(place, text).  One stop for the tab key; arrows go on.
function table(label, edit) {
  const box = h("div", { role: "group", "aria-label": label, class: "table" });
  const place = ({ target }) => [...box.children].indexOf(target);
  let width = 0;
  box.addEventListener("input", (event) => edit(place(event), event.target.value.replaceAll("_", "")));
  box.addEventListener("focusin", (event) => {
    for (const cell of box.children) cell.tabIndex = cell === event.target ? 0 : -1;
    event.target.select();
  });
  box.addEventListener("keydown", (event) => {
    const [down, right] = ARROWS[event.key] ?? [], at = place(event);
    const next = box.children[at + down * width + right], column = (at % width) + right;
    if (!next || column < 0 || column >= width) return;
    event.preventDefault();
    next.focus();
  });
  // Show numbers as they are written, in colours of a look; some are lit.
  box.show = (texts, columns, { colour, low, high }, isLit = () => false) => {
    if (texts.length !== box.children.length || columns !== width) {
      box.replaceChildren(...texts.map((_, n) => h("input", { autocomplete: "off",
        tabindex: n ? -1 : 0, "aria-label": `row ${Math.floor(n / columns)}, column ${n % columns}` })));
      box.style.setProperty("--columns", width = columns);
    }
    texts.forEach((text, n) => {
      const cell = box.children[n], rgb = colour((toNumber(text) - low) / (high - low));
      if (cell.value !== text) cell.value = text;
      cell.style.cssText = `background: ${css(rgb)}; color: ${inkOn(rgb)}`;
      cell.classList.toggle("lit", isLit(n));
    });
  };
  return box;
}

// Readers write decimal commas too.
const toNumber = (text) => (text.trim() ? Number(text.replace(",", ".").replace("−", "-")) : NaN);

// The numbers of a table, or what is wrong with them.
function toNumbers(texts, count, name) {
  const wrong = texts.find((text) => !Number.isFinite(toNumber(text)));
  if (wrong !== undefined) throw new Error(`The ${name} must hold numbers; it holds “${wrong}”.`);
  if (texts.length === count) return Float32Array.from(texts, toNumber);
  throw new Error(`The ${name} must hold ${count} numbers; it holds ${texts.length}.`);
}

// Options of a choice between things, by their names.
const named = (things) => Object.fromEntries(Object.keys(things).map((name) => [name, name]));

// --- The element

// The states that the address holds: #id?name=value&name=value/id?…
const addresses = () => new Map(location.hash.slice(1).split("/").map((part) => part.split("?")));

class Widget extends HTMLElement {
  async connectedCallback() {
    if (this.shadowRoot) return; // it was only moved
    waiting.add(this);
    if (!Object.values(this.dataset).every((name) => sets.has(name))) return;
    waiting.delete(this);
    const root = this.attachShadow({ mode: "open" });
    // Some parts measure themselves, so they wait for their styles; until then, or until it
    // is clear that none will come, the text inside the element stays.
    await new Promise((onload) => root.append(h("slot"), h("link", { rel: "stylesheet",
      href: this.getAttribute("styles"), onload, onerror: onload })));
    this.fields = new Map();
    this.first = this.start();
    this.problem = h("p", { role: "alert" });
    this.status = h("p", { role: "status" });
    root.firstChild.replaceWith(...this.build());
    this.restore(addresses().get(this.id));
    addEventListener("hashchange", () => {
      const kept = addresses().get(this.id);
      if (kept) this.restore(kept);
    });
    if (addresses().get(this.id)) this.scrollIntoView();
  }

  // The set that an attribute names, such as data-pictures.
  given(kind) {
    const set = Object.entries(sets.get(this.dataset[kind]) ?? {});
    return Object.fromEntries(set.map(([name, thing]) => [name, unpack(thing)]));
  }

  restore(kept = "") {
    this.state = { ...this.first };
    this.show(); // if what follows cannot be shown, this was
    for (const [name, text] of new URLSearchParams(kept))
      if (Object.hasOwn(this.first, name)) this.state[name] = this.read(name, text);
    this.show();
  }

  read(name, text) {
    return typeof this.first[name] === "number" ? toNumber(text) : text;
  }

  set(changes) {
    Object.assign(this.state, changes);
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => this.show());
    clearTimeout(this.saving); // browsers refuse to save often
    this.saving = setTimeout(() => this.save(), 300);
  }

  save() {
    if (!this.id) return; // in a notebook, whose address is not ours
    const changed = Object.entries(this.state).filter(([name, now]) => now !== this.first[name]);
    const all = addresses().set(this.id, String(new URLSearchParams(changed)));
    const kept = [...all].filter(([, state]) => state).map((part) => part.join("?"));
    history.replaceState(history.state, "", `#${kept.join("/")}`);
  }

  show() {
    try {
      this.fields.forEach((field, name) => this.fill(field, this.state[name]));
      this.fields.forEach((field, name) => this.check(field, this.state[name]));
      this.draw();
      this.problem.textContent = "";
    } catch (error) {
      this.problem.textContent = error.message;
      if (error.constructor !== Error) console.error(error); // our own fault
    }
    // Results that no longer hold are hidden.
    this.toggleAttribute("wrong", this.problem.textContent);
  }

  fill(field, value) {
    const isBeingWritten = field.type === "number" && field === this.shadowRoot.activeElement;
    if (!isBeingWritten) field.value = Number.isNaN(value) ? "" : value;
  }

  check(field, value) {
    const { label, min, max, step } = field;
    if (typeof value === "string") {
      if (field.value !== value) throw new Error(`There is no “${value}” under “${label}”.`);
    } else if (!(value >= min && value <= max && (step !== "1" || Number.isInteger(value)))) {
      const kind = step === "1" ? "whole number" : "number";
      throw new Error(`${label} must be a ${kind} from ${min} to ${max}; ` +
        `it is ${Number.isNaN(value) ? "missing" : value}.`);
    }
  }

  // Of use where `row` and `column` in the state point at a number of this.map.

  get place() {
    return this.inside(this.state.row, this.state.column);
  }

  inside(...place) {
    return place.map((n, side) => Math.min(Math.max(Math.floor(n) || 0, 0), this.map.cells[side] - 1));
  }

  point(...place) {
    const [row, column] = this.inside(...place);
    this.set({ row, column });
  }

  step(down, right) {
    const [row, column] = this.place;
    this.point(row + down, column + right);
  }

  field(name, label, tag, attributes, change = (value) => this.set({ [name]: value })) {
    const field = h(tag, { ...attributes, oninput: () => change(this.read(name, field.value)) });
    this.fields.set(name, Object.assign(field, { label }));
    return h("label", {}, `${label} `, field);
  }

  number(name, label, min, max, { step = 1, type = "number", change } = {}) {
    return this.field(name, label, "input", { type, min, max, step }, change);
  }

  range(name, label, min, max, step) {
    return this.number(name, label, min, max, { step, type: "range" });
  }

  choice(name, label, options, change) {
    const whole = this.field(name, label, "select", {}, change);
    this.offer(name, Object.entries(options));
    return whole;
  }

  // Pairs of a value and its text, in place of those that were there.
  offer(name, options) {
    this.fields.get(name).replaceChildren(
      ...options.map(([value, text]) => h("option", { value }, text)));
  }
}

// The picture of a widget: one of the book's, the reader's own, or a grid of nine by
// nine numbers.  The widget keeps `picture` and `pixels` in its state.
const CAT = "010000010011000110011111110010111010011111110011101110001111100000111000000000000";

// It may ask for more pixels of the longer side, or for [rows, columns]; do without the
// grid; and read other files itself: then reads(file) answers with true.
function pictures(widget, { most = 96, grid = { grid: "a grid to edit" }, reads } = {}) {
  const given = widget.given("pictures"), [first] = Object.keys(given);
  let own;
  const take = async ({ files: [file] }) => {
    try {
      if (!file || await reads?.(file)) return;
      own = most.length ? fit(await readPicture(file, 1024), most) : await readPicture(file, most);
      widget.set({ picture: "own" });
    } catch (error) {
      widget.problem.textContent = error.message;
    }
  };
  const pick = (label, attributes) => h("label", {}, `${label} `,
    h("input", { type: "file", ...attributes, onchange: ({ target }) => take(target) }));
  const texts = () => widget.state.pixels.split("_");
  const cells = table("Pixels of the grid", (at, text) =>
    widget.set({ pixels: texts().map((old, n) => (n === at ? text : old)).join("_") }));
  widget.addEventListener("dragover", (event) => event.preventDefault());
  widget.addEventListener("drop", (event) => {
    event.preventDefault();
    take(event.dataTransfer);
  });
  return {
    first: { picture: first ?? "grid", pixels: [...CAT].join("_") },
    cells, pick,
    fields: [
      widget.choice("picture", "Picture", { ...named(given), ...grid, own: "your own" }),
      pick("Your own, which stays on your device", { accept: "image/*" }),
    ],
    current() {
      const { picture } = widget.state;
      if (picture === "grid") return { shape: [9, 9, 1], data: toNumbers(texts(), 81, "grid") };
      if (picture !== "own") return given[picture];
      if (own) return own;
      throw new Error("Choose a file: your pictures stay with you, so no link can bring them back.");
    },
    // Draw it on a canvas, or lay it out as a table.
    show(canvas, picture, look) {
      const isGrid = widget.state.picture === "grid", { boxes = [], padding = [0, 0] } = look;
      const isLit = (n) => boxes.some(([row, column, tall, wide]) => {
        const u = Math.floor(n / 9) + padding[0] - row, v = (n % 9) + padding[1] - column;
        return u >= 0 && u < tall && v >= 0 && v < wide;
      });
      cells.hidden = !isGrid;
      if (isGrid) cells.show(texts(), 9, { colour: greys, low: 0, high: look.high }, isLit);
      if (!canvas) return;
      canvas.hidden = isGrid;
      paint(canvas, picture, look);
    },
  };
}

const define = (tag, widget) => customElements.get(tag) ?? customElements.define(tag, widget);

Object.assign(book, { Widget, bar, bitmap, define, div, fit, follow, grey, h, lookOf, named, paint, panel,
  percent, pictures, pointable, range, readPicture, scaledTo, scaleOf, share, show, shownTo, signed, table, three, toNumbers });
})();
