// The page of promise-serve: mouse, keys and controls. The list of keys is also what the help shows.

import { addClick, begin, clear, drawAll, hasUnsaved, newLesion, nextLesion, remember, save, showScans, state, undo } from "./session.js";
import { $, authorised, hideMessage, make, say } from "./server.js";
import { VIEWS, placeOf, voxelAt } from "./views.js";

const DRAG = 4; // pixels that the mouse may move during a click
const NOTCH = 50; // pixels of the wheel for one slice; a notch of most mice is 100 or 120

function scroll(view, steps) {
  const n = state.head.shape[view.through];
  state.at[view.through] = Math.max(0, Math.min(n - 1, state.at[view.through] + steps));
  drawAll();
}

function moveCross(view, right, up) {
  for (const [axis, steps] of [[view.x, -right], [view.y, up]]) { // x runs backwards on the screen
    state.at[axis] = Math.max(0, Math.min(state.head.shape[axis] - 1, state.at[axis] + steps));
  }
  drawAll();
}

// Zoom around the place under the mouse, or around the cross if the zoom comes from the keyboard.
function zoom(view, factor, event = null) {
  const place = placeOf(state, view);
  const { shape } = state.head;
  const edge = place.canvas.getBoundingClientRect();
  const x = event ? event.clientX - edge.left : (place.left + (shape[view.x] - 0.5 - state.at[view.x]) * place.stepX) / place.ratio;
  const y = event ? event.clientY - edge.top : (place.top + (shape[view.y] - 0.5 - state.at[view.y]) * place.stepY) / place.ratio;
  const before = view.zoom;
  view.zoom = Math.max(1, Math.min(20, before * factor));
  const from = [x - edge.width / 2, y - edge.height / 2];
  view.shift = view.zoom === 1 ? [0, 0] : view.shift.map((shift, axis) => from[axis] - (from[axis] - shift) * view.zoom / before);
  drawAll();
}

function changeWindow(level, width) {
  const [now, wide] = state.window;
  state.window = [now + level * wide, wide * width];
  drawAll();
}

function press(id) {
  const field = $(id);
  field.dispatchEvent(new Event(field.type === "range" ? "input" : "change"));
}

function changeOpacity(by) {
  $("opacity").value = Number($("opacity").value) + by;
  press("opacity");
}

function changeSlab(by) {
  const field = $("slab");
  field.selectedIndex = Math.max(0, Math.min(field.options.length - 1, field.selectedIndex + by));
  press("slab");
}

function nextObject() {
  const field = document.querySelector("#lesions .chosen select");
  if (!field) return;
  field.selectedIndex = (field.selectedIndex + 1) % field.options.length;
  field.dispatchEvent(new Event("change"));
}

function nextView() {
  state.view = VIEWS[(VIEWS.indexOf(state.view) + 1) % VIEWS.length];
  $(state.view.id).focus();
  enlarge($("views").dataset.large ? state.view.id : "");
}

function enlarge(id) {
  $("views").dataset.large = id;
  drawAll();
}

const cross = (right, up) => (event) => moveCross(state.view, right * (event.shiftKey ? 10 : 1), up * (event.shiftKey ? 10 : 1));
const slices = (steps) => () => scroll(state.view, steps);

// Each row: keys as the help shows them, what they do, and an action for each key, by the key's name in lower case.
const KEYS = [
  ["Enter", "click on the target at the cross", { enter: (event) => addClick([...state.at], event.shiftKey || event.altKey ? 0 : 1) }],
  ["B, Shift + Enter", "click on the background at the cross", { b: () => addClick([...state.at], 0) }],
  ["W A S D", "move the cross; with Shift by ten voxels", { w: cross(0, 1), a: cross(-1, 0), s: cross(0, -1), d: cross(1, 0) }],
  ["Arrows", "next or previous slice", { arrowup: slices(1), arrowright: slices(1), arrowdown: slices(-1), arrowleft: slices(-1) }],
  ["Page Up, Page Down", "ten slices up or down", { pageup: slices(10), pagedown: slices(-10) }],
  ["V", "next view", { v: nextView }],
  ["X", "enlarge this view, or show all three", { x: () => enlarge($("views").dataset.large ? "" : state.view.id) }],
  ["+, \u2212, 0", "zoom in, zoom out, show the whole slice", { "+": () => zoom(state.view, 1.2), "=": () => zoom(state.view, 1.2), "-": () => zoom(state.view, 1 / 1.2), 0: () => zoom(state.view, 0) }],
  ["Z, Ctrl + Z", "undo the last click", { z: undo, "ctrl+z": undo }],
  ["Shift + Delete", "remove all clicks of the lesion", { delete: (event) => event.shiftKey && clear() }],
  ["N", "new lesion", { n: newLesion }],
  ["L", "next lesion", { l: nextLesion }],
  ["T", "next object of the lesion", { t: nextObject }],
  ["H", "hide or show outlines", { h: () => { $("show").checked = !$("show").checked; press("show"); } }],
  ["O, P", "fill the lesions less, more", { o: () => changeOpacity(-10), p: () => changeOpacity(10) }],
  ["1 to 6", "window presets", Object.fromEntries([1, 2, 3, 4, 5, 6].map((one) => [one, () => $("presets").children[one - 1]?.click()]))],
  ["U, J", "window level up, down", { u: () => changeWindow(0.05, 1), j: () => changeWindow(-0.05, 1) }],
  ["I, K", "window wider, narrower", { i: () => changeWindow(0, 1.1), k: () => changeWindow(0, 1 / 1.1) }],
  ["[, ]", "slab thinner, thicker", { "[": () => changeSlab(-1), "]": () => changeSlab(1) }],
  ["M", "slab: mean or maximum", { m: () => { $("slab-kind").selectedIndex = 1 - $("slab-kind").selectedIndex; press("slab-kind"); } }],
  ["F", "find a scan; then arrows and Enter", {}],
  ["Ctrl + S", "save", { "ctrl+s": () => save() }],
  ["Esc", "leave a field, close a message", {}],
  ["?", "this help", {}],
];
const MOUSE = [
  ["Click", "the target"],
  ["Right click, Alt or Ctrl + click", "not the target (background)"],
  ["Shift + click", "move the cross without a click"],
  ["Wheel", "next or previous slice"],
  ["Ctrl + wheel", "zoom"],
  ["Drag", "change the window: width sideways, level up and down"],
  ["Middle button, Shift + drag", "move the picture"],
];
const ALWAYS = { "?": showHelp, f: () => { $("filter").focus(); $("filter").select(); } }; // these need no scan
const ACTIONS = Object.assign({}, ...KEYS.map(([, , actions]) => actions));

function showHelp() {
  for (const [id, rows] of [["mouse", MOUSE], ["keys", KEYS]]) {
    $(id).replaceChildren(...rows.flatMap(([keys, text]) => [
      make("dt", { textContent: keys }),
      make("dd", { textContent: text }),
    ]));
  }
  $("help").showModal();
}

// Whether a key belongs to the field that has the focus.
function isTaken(event) {
  const { tagName, type } = event.target;
  if (document.querySelector("dialog[open]") || tagName === "SELECT") return true;
  if (tagName === "INPUT" && !["range", "checkbox", "color"].includes(type)) return true;
  const isPressed = ["Enter", " "].includes(event.key) && ["INPUT", "BUTTON", "SUMMARY"].includes(tagName);
  return isPressed || (type === "range" && /^(Arrow|Page)/.test(event.key));
}

// In the list of scans, arrows move from row to row. Returns whether the key was used for that.
function walk(event) {
  const rows = [...$("scans").querySelectorAll("button")];
  const at = rows.indexOf(document.activeElement);
  const isInList = at >= 0 || document.activeElement === $("filter");
  if (!isInList || !["ArrowDown", "ArrowUp", "Enter"].includes(event.key)) return false;
  if (event.key === "Enter") {
    if (at < 0) rows[0]?.click();
    return at < 0;
  }
  const next = at + (event.key === "ArrowDown" ? 1 : -1);
  (rows[Math.min(next, rows.length - 1)] ?? $("filter")).focus();
  return true;
}

function onKey(event) {
  const key = `${event.ctrlKey || event.metaKey ? "ctrl+" : ""}${event.key.toLowerCase()}`;
  if (event.key === "Escape") {
    hideMessage();
    if (!document.querySelector("dialog[open]")) $(state.view.id).focus();
  } else if (walk(event)) {
    event.preventDefault();
  } else if (key === "ctrl+s" && state.session) {
    event.preventDefault();
    save();
  } else if (!isTaken(event)) {
    const act = ALWAYS[key] ?? (state.session && ACTIONS[key]);
    if (!act) return;
    event.preventDefault();
    act(event);
  }
}

function listen(view) {
  const canvas = $(view.id);
  let from = null;
  let wheel = 0;
  canvas.addEventListener("contextmenu", (event) => event.preventDefault());
  canvas.addEventListener("focus", () => { state.view = view; drawAll(); });
  canvas.addEventListener("pointerdown", (event) => {
    if (!state.voxels) return;
    canvas.focus();
    canvas.setPointerCapture(event.pointerId);
    const moves = event.button === 1 || (event.button === 0 && event.shiftKey);
    from = { x: event.clientX, y: event.clientY, button: event.button, moves, moved: false, window: [...state.window], shift: [...view.shift] };
    if (event.button === 1) event.preventDefault();
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!from || !state.voxels) return;
    const [dx, dy] = [event.clientX - from.x, event.clientY - from.y];
    from.moved ||= Math.hypot(dx, dy) > DRAG;
    if (!from.moved) return;
    if (from.moves) {
      view.shift = [from.shift[0] + dx, from.shift[1] + dy];
    } else if (from.button === 0) {
      const speed = Math.max(from.window[1], 1e-6) / 300;
      state.window = [from.window[0] + dy * speed, Math.max(from.window[1] + dx * speed, from.window[1] / 100)];
    }
    drawAll();
  });
  canvas.addEventListener("pointerup", (event) => {
    const began = from;
    from = null;
    if (!began || began.moved || began.button === 1 || !state.voxels) return;
    const point = voxelAt(state, view, event);
    if (!point) return;
    state.at = point;
    drawAll();
    if (!event.shiftKey) addClick([...point], began.button === 2 || event.altKey || event.ctrlKey ? 0 : 1);
  });
  canvas.addEventListener("pointercancel", () => { from = null; });
  canvas.addEventListener("wheel", (event) => {
    if (!state.voxels) return;
    event.preventDefault();
    if (event.ctrlKey) {
      zoom(view, event.deltaY < 0 ? 1.2 : 1 / 1.2, event);
      return;
    }
    wheel += event.deltaY;
    if (event.deltaMode === 0 && Math.abs(wheel) < NOTCH) return;
    scroll(view, wheel < 0 ? 1 : -1);
    wheel = 0;
  }, { passive: false });
}

// ---------------------------------------------------------------- controls

function control(id, event, act) {
  $(id).addEventListener(event, () => {
    act($(id));
    drawAll();
  });
}

VIEWS.forEach(listen);
document.addEventListener("keydown", onKey);
$("show-help").addEventListener("click", showHelp);
$("message").addEventListener("click", hideMessage);
$("filter").addEventListener("input", showScans);
$("new-lesion").addEventListener("click", newLesion);
$("undo").addEventListener("click", undo);
$("clear").addEventListener("click", clear);
$("save").addEventListener("click", () => save());
control("opacity", "input", (field) => { state.opacity = Number(field.value); });
control("show", "change", (field) => { state.isShown = field.checked; });
control("slab", "change", (field) => { state.slab.mm = Number(field.value); });
control("slab-kind", "change", (field) => { state.slab.kind = field.value; });
control("level", "input", (field) => { if (field.value) state.window = [Number(field.value), state.window[1]]; });
control("width", "input", (field) => { if (Number(field.value) > 0) state.window = [state.window[0], Number(field.value)]; });
new ResizeObserver(drawAll).observe($("views"));
window.addEventListener("pagehide", () => {
  remember();
  state.isLeaving = true; // requests that fail from now on must not change what `remember` kept
  if (state.session) fetch(`api/sessions/${state.session}`, { method: "DELETE", headers: authorised(), keepalive: true });
});
window.addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
window.addEventListener("beforeunload", (event) => {
  if (hasUnsaved()) event.preventDefault();
});
begin().catch((error) => say(error.message));
