// A sheet of all channels of one layer: tiles in one canvas, to see and to choose from.
//
//   const sheet = cnnbook.mapSheet(label, (channel) => …);  // called when one is chosen
//   sheet.part                                              // the element to place
//   sheet.show(map, {order: "strength", channel: 3});       // draws it
//
// A map is {shape: [rows, columns, channels], data: Float32Array}.  Its channels come in
// the order of their "number", or of their "strength": the largest mean first.  Each has
// a scale of colours of its own, as the legend says.  Silent ones, zero everywhere, are
// crossed out; those that a reader has `silenced` are marked "off".  Where no channel is
// named, the first is chosen.  After show, sheet.channel is the one that is chosen,
// sheet.order lists all as they stand there, and sheet.tiles[channel] has the map of one,
// its look, and whether it isSilent.
(() => {
"use strict";
const { bitmap, div, h, lookOf, pointable, range, scaleOf } = cnnbook;

const SIDE = 68, MARGIN = 3, NUMBER = 14, // of a tile; its number stands below
  MOST = 16000; // rows of a canvas: some browsers draw none that is taller

// One channel of a map, and what is to be known of it.
function tileOf({ shape: [rows, columns, depth], data }, channel, { colour, low }) {
  const part = new Float32Array(rows * columns).map((_, n) => data[n * depth + channel]);
  const map = { shape: [rows, columns, 1], data: part }, { high } = lookOf(map);
  const look = { colour, low: low && -high, high };
  return { map, look, image: bitmap(map, look), sum: part.reduce((a, b) => a + b),
    isSilent: !part.some(Boolean) };
}

cnnbook.mapSheet = (label, pick) => {
  let shown, now, wide, side, step;
  const canvas = pointable(label, null, (down, right) =>
    choose(sheet.order.indexOf(now.channel) + down * wide + right));
  const legend = div("scale"), count = h("p");
  const box = div("sheet", canvas);
  const sheet = { part: h("div", {}, box, legend, count), show };

  const choose = (place) => pick(sheet.order[place] ?? now.channel);
  canvas.onclick = (event) => {
    const place = Math.floor(event.offsetY / step) * wide + Math.floor(event.offsetX / side);
    place in sheet.order ? choose(place) : event.stopImmediatePropagation(); // behind the last
  };
  new ResizeObserver(() => requestAnimationFrame(draw)).observe(box);

  function show(map, { order, channel, silenced = [] } = {}) {
    if (map !== shown) {
      shown = map;
      const look = lookOf(map), [, bar] = scaleOf(look);
      sheet.tiles = range(map.shape[2]).map((n) => tileOf(map, n, look));
      legend.replaceChildren(look.low ? "minus that" : "0", bar, "each map’s largest");
      const silent = sheet.tiles.filter(({ isSilent }) => isSilent).length;
      count.textContent = `${silent} of ${map.shape[2]} maps are silent.`;
    }
    sheet.order = [...sheet.tiles.keys()];
    if (order === "strength") sheet.order.sort((a, b) => sheet.tiles[b].sum - sheet.tiles[a].sum);
    now = { channel: sheet.channel = channel ?? sheet.order[0], silenced };
    canvas.ariaLabel = `${label}: ${now.channel}`; // for those who hear it
    draw();
    // Bring the chosen tile into the box, without moving the page.
    const top = Math.floor(sheet.order.indexOf(now.channel) / wide) * step;
    box.scrollTop = Math.min(Math.max(box.scrollTop, top + step + NUMBER - box.clientHeight), top);
  }

  function draw() {
    if (!shown) return;
    const [rows, columns, depth] = shown.shape, width = box.clientWidth;
    wide = Math.max(1, Math.floor(width / SIDE));
    side = width / wide;
    const inner = side - 2 * MARGIN, height = inner * rows / columns;
    step = height + 2 * MARGIN + NUMBER;
    const tall = Math.ceil(depth / wide) * step, dots = Math.min(devicePixelRatio, MOST / tall);
    const pen = canvas.getContext("2d");
    [canvas.width, canvas.height] = [width * dots, tall * dots];
    pen.scale(dots, dots);
    pen.imageSmoothingEnabled = columns > inner * dots;
    pen.fillStyle = "#777"; // to be read on white and on black
    const line = (strokeStyle, lineWidth, path) =>
      Object.assign(pen, { strokeStyle, lineWidth }).stroke(new Path2D(path));
    sheet.order.forEach((channel, place) => {
      const x = (place % wide) * side + MARGIN, y = Math.floor(place / wide) * step + MARGIN;
      const { image, isSilent } = sheet.tiles[channel], from = `M${x} ${y}`;
      pen.drawImage(image, x, y, inner, height);
      pen.fillText(channel + (now.silenced.includes(channel) ? " off" : ""), x, y + height + NUMBER);
      if (isSilent) line("#999", 1, `${from}l${inner} ${height}m0-${height}l-${inner} ${height}`);
      if (channel === now.channel) line("#b3446c", 4, `${from}h${inner}v${height}h-${inner}z`);
    });
  }

  return sheet;
};
})();
