// Draws three views of a scan with outlines, clicks, cross, letters of the directions and a scale.

import { $ } from "./server.js";

// Each view: axes of the array (RAS) along x, y and through the slices. Both x and y run backwards on the screen, so
// that patients' right is on the left, and front and head are at the top, as radiologists expect.
export const VIEWS = [
  { id: "axial", x: 0, y: 1, through: 2 },
  { id: "coronal", x: 0, y: 2, through: 1 },
  { id: "sagittal", x: 1, y: 2, through: 0 },
];
export const COLOURS = ["#ff9f40", "#4fc3f7", "#aed581", "#f06292", "#ba68c8", "#ffd54f", "#4db6ac", "#ff7043"];
const LETTERS = [["L", "R"], ["P", "A"], ["I", "S"]]; // ends of the RAS axes, negative end first
const BARS = [500, 200, 100, 50, 20, 10, 5, 2, 1]; // lengths of the scale in mm
const LITTLE_ENDIAN = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1;

export const colourOf = (lesion) => lesion.colour || COLOURS[(lesion.lesion - 1) % COLOURS.length];
const rgb = (text) => [1, 3, 5].map((at) => parseInt(text.slice(at, at + 2), 16));

// Pixels are written as whole 32-bit numbers, which is several times faster than four bytes.
function pixel(red, green, blue, alpha) {
  return LITTLE_ENDIAN
    ? ((alpha << 24) | (blue << 16) | (green << 8) | red) >>> 0
    : ((red << 24) | (green << 16) | (blue << 8) | alpha) >>> 0;
}
const GREYS = Uint32Array.from({ length: 256 }, (_, grey) => pixel(grey, grey, grey, 255));

// The letters at both ends of an axis. An axis that is more than 15 degrees oblique has two letters at each end.
export function endsOf(affine, axis) {
  const column = [0, 1, 2].map((row) => affine[row][axis]);
  const length = Math.hypot(...column);
  const parts = column.map((value, row) => [value / length, LETTERS[row]]).filter(([value]) => Math.abs(value) > 0.26);
  parts.sort((a, b) => Math.abs(b[0]) - Math.abs(a[0]));
  const end = (sign) => parts.slice(0, 2).map(([value, names]) => names[sign * value > 0 ? 1 : 0]).join("");
  return [end(-1), end(1)];
}

const stridesOf = (shape) => [1, shape[0], shape[0] * shape[1]];

// First and last slice of the slab around the cross. A slab of 0 mm is one slice.
export function slabOf(state, view) {
  const { shape, spacing } = state.head;
  const count = Math.max(1, Math.round(state.slab.mm / spacing[view.through]));
  const first = state.at[view.through] - Math.floor((count - 1) / 2);
  return [Math.max(0, first), Math.min(shape[view.through] - 1, first + count - 1)];
}

// Place and size of a view on its canvas, in pixels of the screen.
export function placeOf(state, view) {
  const { shape, spacing } = state.head;
  const canvas = $(view.id);
  const ratio = window.devicePixelRatio || 1;
  const [width, height] = [Math.round(canvas.clientWidth * ratio), Math.round(canvas.clientHeight * ratio)];
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const [wide, high] = [shape[view.x] * spacing[view.x], shape[view.y] * spacing[view.y]];
  const scale = Math.min(width / wide, height / high) * view.zoom;
  return {
    canvas, ratio, scale, wide: wide * scale, high: high * scale,
    stepX: spacing[view.x] * scale, stepY: spacing[view.y] * scale,
    left: (width - wide * scale) / 2 + view.shift[0] * ratio, top: (height - high * scale) / 2 + view.shift[1] * ratio,
  };
}

// The intensities of a slice or slab, row by row from the top left of the screen.
function sliceOf(state, view) {
  const { shape } = state.head;
  const step = stridesOf(shape);
  const [W, H] = [shape[view.x], shape[view.y]];
  const [first, last] = slabOf(state, view);
  const [voxels, stepX, isMaximum] = [state.voxels, step[view.x], state.slab.kind === "maximum"];
  const values = new Float32Array(W * H);
  for (let slice = first; slice <= last; slice++) {
    for (let y = 0; y < H; y++) {
      let place = slice * step[view.through] + (H - 1 - y) * step[view.y] + (W - 1) * stepX;
      for (let at = y * W; at < (y + 1) * W; at++, place -= stepX) {
        if (slice === first) values[at] = voxels[place];
        else if (!isMaximum) values[at] += voxels[place];
        else if (voxels[place] > values[at]) values[at] = voxels[place];
      }
    }
  }
  if (!isMaximum && last > first) for (let at = 0; at < values.length; at++) values[at] /= last - first + 1;
  return values;
}

function greyImage(state, view) {
  const { shape } = state.head;
  const image = new ImageData(shape[view.x], shape[view.y]);
  const pixels = new Uint32Array(image.data.buffer);
  const values = sliceOf(state, view);
  const [level, width] = state.window;
  const [factor, low] = [255 / width, level - width / 2];
  for (let at = 0; at < pixels.length; at++) {
    const grey = (values[at] - low) * factor;
    pixels[at] = GREYS[grey > 255 ? 255 : grey > 0 ? grey | 0 : 0];
  }
  return image;
}

// The fill of the lesions, and their edges: a line between each pair of pixels of which only one is in the lesion.
function overlay(state, view) {
  const { shape } = state.head;
  const step = stridesOf(shape);
  const [W, H] = [shape[view.x], shape[view.y]];
  const image = new ImageData(W, H);
  const pixels = new Uint32Array(image.data.buffer);
  const fills = new Map(state.lesions.map((one) => [one.lesion, pixel(...rgb(colourOf(one)), Math.round(2.55 * state.opacity))]));
  const [mask, stepX, stepY] = [state.mask, step[view.x], step[view.y]];
  const edges = new Map();
  for (let y = 0; y < H; y++) {
    let place = state.at[view.through] * step[view.through] + (H - 1 - y) * stepY + (W - 1) * stepX;
    for (let x = 0; x < W; x++, place -= stepX) {
      const lesion = mask[place];
      if (!lesion) continue;
      pixels[x + W * y] = fills.get(lesion) ?? 0;
      const lines = edges.get(lesion) ?? edges.set(lesion, []).get(lesion);
      if (x === 0 || mask[place + stepX] !== lesion) lines.push(x, y, x, y + 1);
      if (x === W - 1 || mask[place - stepX] !== lesion) lines.push(x + 1, y, x + 1, y + 1);
      if (y === 0 || mask[place + stepY] !== lesion) lines.push(x, y, x + 1, y);
      if (y === H - 1 || mask[place - stepY] !== lesion) lines.push(x, y + 1, x + 1, y + 1);
    }
  }
  return [image, edges];
}

function paint(context, place, image, smooth) {
  const canvas = new OffscreenCanvas(image.width, image.height);
  canvas.getContext("2d").putImageData(image, 0, 0);
  context.imageSmoothingEnabled = smooth;
  context.drawImage(canvas, place.left, place.top, place.wide, place.high);
}

function stroke(context, style, width, ...segments) {
  context.strokeStyle = style;
  context.lineWidth = width;
  context.beginPath();
  for (const [x, y, toX, toY] of segments) {
    context.moveTo(x, y);
    context.lineTo(toX, toY);
  }
  context.stroke();
}

function drawEdges(context, state, place, edges) {
  for (const [number, lines] of edges) {
    const lesion = state.lesions.find((one) => one.lesion === number);
    const isChosen = number === state.chosen;
    const segments = [];
    for (let at = 0; at < lines.length; at += 4) {
      segments.push([
        place.left + lines[at] * place.stepX, place.top + lines[at + 1] * place.stepY,
        place.left + lines[at + 2] * place.stepX, place.top + lines[at + 3] * place.stepY,
      ]);
    }
    stroke(context, lesion ? colourOf(lesion) : "#fff", (isChosen ? 2 : 1.2) * place.ratio, ...segments);
  }
}

// Draw a click: a ring with a plus on the target, a red ring with a minus on the background. It is dashed while it waits.
function drawClick(context, place, x, y, sign, colour, isWaiting) {
  const size = 6 * place.ratio;
  for (const [style, width] of [["#000", 4], [sign ? colour : "#ff4d4d", 2]]) {
    context.setLineDash(isWaiting ? [3 * place.ratio, 3 * place.ratio] : []);
    context.beginPath();
    context.arc(x, y, size, 0, 2 * Math.PI);
    context.strokeStyle = style;
    context.lineWidth = width * place.ratio;
    context.stroke();
    context.setLineDash([]);
    const lines = [[x - size / 2, y, x + size / 2, y], ...(sign ? [[x, y - size / 2, x, y + size / 2]] : [])];
    stroke(context, style, width * place.ratio, ...lines);
  }
}

function write(context, place, text, x, y, align, baseline) {
  context.font = `600 ${13 * place.ratio}px system-ui, sans-serif`;
  Object.assign(context, { textAlign: align, textBaseline: baseline, lineWidth: 3 * place.ratio, strokeStyle: "#000c" });
  context.strokeText(text, x, y);
  context.fillStyle = "#f2d98b";
  context.fillText(text, x, y);
}

function drawLetters(context, state, view, place) {
  const { width, height } = place.canvas;
  const edge = 7 * place.ratio;
  const [[right, left], [bottom, top]] = [endsOf(state.head.affine, view.x), endsOf(state.head.affine, view.y)];
  write(context, place, left, edge, height / 2, "left", "middle");
  write(context, place, right, width - edge, height / 2, "right", "middle");
  write(context, place, top, width / 2, edge + 20 * place.ratio, "center", "top");
  write(context, place, bottom, width / 2, height - edge, "center", "bottom");
  const mm = BARS.find((one) => one * place.scale < width / 4);
  if (!mm) return;
  const [x, y, long] = [edge, height - edge - 2 * place.ratio, mm * place.scale];
  const lines = [[x, y, x + long, y], [x, y - 4 * place.ratio, x, y], [x + long, y - 4 * place.ratio, x + long, y]];
  for (const [style, wide] of [["#000c", 4], ["#f2d98b", 2]]) stroke(context, style, wide * place.ratio, ...lines);
  write(context, place, mm >= 10 ? `${mm / 10} cm` : `${mm} mm`, x + long + edge, y + 2 * place.ratio, "left", "bottom");
}

function drawCross(context, place, x, y) {
  const { width, height } = place.canvas;
  const gap = 9 * place.ratio; // the middle stays free, so that the voxel under the cross is seen
  const lines = [[x, 0, x, y - gap], [x, y + gap, x, height], [0, y, x - gap, y], [x + gap, y, width, y]];
  stroke(context, "#0006", 2.5 * place.ratio, ...lines);
  stroke(context, "#6cb8f0", place.ratio, ...lines);
}

export function draw(state, view) {
  const { shape } = state.head;
  const place = placeOf(state, view);
  const context = place.canvas.getContext("2d");
  context.fillStyle = "#000";
  context.fillRect(0, 0, place.canvas.width, place.canvas.height);
  paint(context, place, greyImage(state, view), true);
  if (state.isShown) {
    const [fill, edges] = overlay(state, view);
    paint(context, place, fill, false);
    drawEdges(context, state, place, edges);
  }
  const onScreen = (point) => [
    place.left + (shape[view.x] - 0.5 - point[view.x]) * place.stepX,
    place.top + (shape[view.y] - 0.5 - point[view.y]) * place.stepY,
  ];
  drawCross(context, place, ...onScreen(state.at));
  const [first, last] = slabOf(state, view);
  const isInSlab = (point) => Math.round(point[view.through]) >= first && Math.round(point[view.through]) <= last;
  for (const lesion of state.lesions) {
    const waiting = state.pending.filter((one) => one.lesion === lesion.lesion);
    for (const { point, sign, lesion: isWaiting } of [...lesion.clicks, ...waiting]) {
      if (isInSlab(point)) drawClick(context, place, ...onScreen(point), sign, colourOf(lesion), Boolean(isWaiting));
    }
  }
  drawLetters(context, state, view, place);
  const value = state.voxels[stridesOf(shape).reduce((sum, step, axis) => sum + step * state.at[axis], 0)];
  const shown = `${Number(value.toPrecision(5))}${state.head.kind === "CT" ? " HU" : ""}`;
  const mm = ((last - first + 1) * state.head.spacing[view.through]).toFixed(1);
  const slab = last > first ? `, ${state.slab.kind} of ${mm} mm` : "";
  place.canvas.nextElementSibling.textContent =
    `${view.id} ${state.at[view.through] + 1}/${shape[view.through]}${slab}   voxel ${state.at.join(", ")}: ${shown}`;
}

// The voxel under the mouse, or null outside the scan.
export function voxelAt(state, view, event) {
  const { shape } = state.head;
  const place = placeOf(state, view);
  const edge = place.canvas.getBoundingClientRect();
  const x = ((event.clientX - edge.left) * place.ratio - place.left) / place.stepX;
  const y = ((event.clientY - edge.top) * place.ratio - place.top) / place.stepY;
  const point = [...state.at];
  point[view.x] = shape[view.x] - 1 - Math.floor(x);
  point[view.y] = shape[view.y] - 1 - Math.floor(y);
  return point.every((n, axis) => n >= 0 && n < shape[axis]) ? point : null;
}
