// The scan that is open, its lesions and their clicks. All arrays are in RAS order.

import { $, ask, enqueue, fetchVoxels, make, say, unpack } from "./server.js";
import { COLOURS, VIEWS, colourOf, draw, presetsOf } from "./views.js";

export const state = {
  server: {}, scans: [], head: null, voxels: null, mask: null, session: null, lesions: [], chosen: 1, pending: [],
  at: [0, 0, 0], view: VIEWS[0], window: [40, 400], slab: { mm: 0, kind: "mean" }, opacity: 35, isShown: true,
  isSaved: true, isLeaving: false, opening: 0, opened: 0, expected: {}, questions: [],
};

// ---------------------------------------------------------------- clicks that outlive a reload

// The clicks on each scan are kept until the window is closed, so that a reload or another scan does not lose them.
export function remember() {
  if (!state.head || !state.session || state.isLeaving) return;
  const lesions = state.lesions.map(({ lesion, name, colour, clicks }) => ({
    lesion, name, colour,
    clicks: [...clicks, ...state.pending.filter((one) => one.lesion === lesion).map(({ point, sign }) => ({ point, sign }))],
  }));
  const { shape, affine } = state.head;
  const kept = { shape, affine, lesions, chosen: state.chosen, at: state.at, isSaved: state.isSaved && !state.pending.length };
  try {
    sessionStorage.setItem(`clicks:${state.head.name}`, JSON.stringify(kept));
    sessionStorage.setItem("scan", state.head.name);
  } catch { // there is no room, so the clicks are lost when the page is closed; older ones must not take their place
    sessionStorage.removeItem(`clicks:${state.head.name}`);
  }
}

function remembered(name) {
  return JSON.parse(sessionStorage.getItem(`clicks:${name}`) ?? "null");
}

// Whether a scan is open and no other one was asked for. A click on a scan that is about to close must not reach the next one.
const isReady = () => Boolean(state.session) && state.opened === state.opening;

const isUnsaved = (kept) => Boolean(kept && !kept.isSaved && kept.lesions.some((one) => one.clicks.length));

// ---------------------------------------------------------------- list of scans

export async function begin() {
  state.server = await ask("GET", "api/server");
  const { network, target, dataset } = state.server;
  $("network").textContent = `${dataset}, target: ${target}. Network: ${network}`;
  await listScans();
  const last = sessionStorage.getItem("scan");
  if (state.scans.some((scan) => scan.name === last)) await openScan(last);
}

async function listScans() {
  state.scans = (await ask("GET", "api/scans")).scans;
  showScans();
}

export const hasUnsaved = () => state.scans.some((scan) => isUnsaved(remembered(scan.name)));

export function showScans() {
  const part = $("filter").value.toLowerCase();
  const found = state.scans.filter((scan) => scan.name.toLowerCase().includes(part));
  $("scans").replaceChildren(...found.slice(0, 500).map((scan) => {
    const button = make("button", { textContent: scan.name });
    const kept = scan.name === state.head?.name ? state : remembered(scan.name);
    const unsaved = isUnsaved(kept);
    const row = make("li", { className: unsaved ? "unsaved" : scan.saved ? "saved" : "" });
    row.classList.toggle("chosen", state.head?.name === scan.name);
    row.append(button);
    row.addEventListener("click", () => openScan(scan.name));
    return row;
  }));
  const more = found.length - 500;
  $("count").textContent = more > 0 ? `${more} more; type a part of the name` : found.length ? "" : "no scan's name contains this";
}

// Leave the open scan. Its memory is given back before the next one is read.
function leave() {
  if (state.session) ask("DELETE", `api/sessions/${state.session}`).catch(() => {});
  Object.assign(state, { session: null, lesions: [], pending: [], voxels: null, mask: null, head: null, isSaved: true, questions: [] });
  $("tools").hidden = true;
  for (const { id } of VIEWS) {
    $(id).width = $(id).width; // clears the canvas
    $(id).nextElementSibling.textContent = "";
  }
  $("header").replaceChildren();
  $("questions").replaceChildren();
}

function openScan(name) {
  const opening = ++state.opening;
  return enqueue("reading", async () => {
    if (opening !== state.opening) return;
    leave();
    showScans();
    const place = `api/scans/${encodeURIComponent(name)}`;
    const head = await ask("GET", `${place}?order=ras`);
    const voxels = await fetchVoxels(`${place}/voxels?order=ras`, head.shape);
    if (opening !== state.opening) return;
    Object.assign(state, { head, voxels, mask: new Uint8Array(voxels.length), opened: opening });
    state.at = head.shape.map((n) => Math.floor(n / 2));
    for (const view of VIEWS) Object.assign(view, { zoom: 1, shift: [0, 0] });
    choosePresets();
    showChannels(1);
    showHeader();
    $("saved").textContent = "";
    $("tools").hidden = false;
    await continueOn(name);
    showScans();
    $(state.view.id).focus();
  });
}

// Begin a session with the clicks that were made on this scan earlier, if its shape and affine are still the same.
async function continueOn(name) {
  const kept = remembered(name);
  const isSame = kept && JSON.stringify([kept.shape, kept.affine]) === JSON.stringify([state.head.shape, state.head.affine]);
  const fresh = [{ colour: COLOURS[0] }];
  if (!isSame || !kept.lesions.length) return startSession(fresh);
  Object.assign(state, { chosen: kept.chosen, at: kept.at, isSaved: kept.isSaved });
  return startSession(kept.lesions).catch((error) => {
    if (error.status !== 422) throw error;
    say(`the earlier clicks on this scan cannot be used: ${error.message}`);
    state.isSaved = true;
    return startSession(fresh);
  });
}

// A scan of several channels is shown one channel at a time; the network sees all of them.
function showChannels(chosen) {
  const names = state.head.channels;
  $("channels").replaceChildren(...(names.length < 2 ? [] : names.map((name, number) => {
    const button = make("button", { textContent: name || `channel ${number + 1}` });
    button.classList.toggle("chosen", number + 1 === chosen);
    button.addEventListener("click", () => showChannel(number + 1));
    return button;
  })));
}

function showChannel(channel) {
  if (!isReady()) return Promise.resolve(false);
  const { opened } = state;
  return enqueue("reading", async () => {
    if (opened !== state.opened) return;
    const place = `api/scans/${encodeURIComponent(state.head.name)}`;
    const head = await ask("GET", `${place}?order=ras&channel=${channel}`);
    state.voxels = await fetchVoxels(`${place}/voxels?order=ras&channel=${channel}`, head.shape);
    state.head = head;
    choosePresets();
    showChannels(channel);
    showHeader();
    drawAll();
  });
}

function showHeader() {
  const { head } = state;
  const edges = head.spacing.map((edge) => edge.toFixed(2)).join(" x ");
  const rows = {
    scan: head.name,
    voxels: `${head.shape.join(" x ")} (right, front, up)`,
    spacing: `${edges} mm`,
    "in the file": head.stored.shape.join(" x "),
    intensities: `${head.range.map((one) => Number(one.toPrecision(6))).join(" to ")}${head.kind === "CT" ? " HU" : ""}`,
    kind: head.kind,
    "saved in": state.server.output,
  };
  $("header").replaceChildren(...Object.entries(rows).flatMap(([name, text]) => [
    make("dt", { textContent: name }),
    make("dd", { textContent: text }),
  ]));
  showQuestions();
}

// Doubts about the scan, and about the latest clicks on it.
function showQuestions() {
  $("questions").replaceChildren(...[...state.head.notes, ...state.questions].map((text) => make("li", { textContent: text })));
}

// ---------------------------------------------------------------- sessions and lesions

async function startSession(lesions) {
  await take(await ask("POST", "api/sessions", { scan: state.head.name, order: "ras", lesions }));
}

// Make a request for the open session. If the session has ended, begin a new one with the clicks that the page knows.
async function inSession(method, path, fields) {
  try {
    return await ask(method, `api/sessions/${state.session}${path}`, fields);
  } catch (error) {
    if (error.status !== 410) throw error;
    state.mask.fill(0);
    await startSession(state.lesions.map(({ lesion, name, colour, clicks }) => ({ lesion, name, colour, clicks })));
    return ask(method, `api/sessions/${state.session}${path}`, fields);
  }
}

async function take(found) {
  if (found.changed) paste(found.changed.box, await unpack(found.changed.values));
  state.session = found.session;
  state.lesions = found.lesions;
  state.expected = { first: found.expected_first_seconds, next: found.expected_seconds };
  if (!found.lesions.some((one) => one.lesion === state.chosen)) state.chosen = found.lesions[0]?.lesion ?? 1;
  state.questions = found.questions;
  showQuestions();
  showLesions();
  drawAll();
}

function paste(box, part) {
  const [I, J] = state.head.shape;
  let place = 0;
  for (let i = box[0][0]; i < box[0][1]; i++) {
    for (let j = box[1][0]; j < box[1][1]; j++) {
      for (let k = box[2][0]; k < box[2][1]; k++) state.mask[i + I * (j + J * k)] = part[place++];
    }
  }
}

// Change the session of the scan that is open now. Nothing happens if another scan was opened before the job's turn.
function change(method, path, fields, { doing = "computing", expected } = {}) {
  const { opened } = state;
  if (!isReady()) return Promise.resolve(false);
  return enqueue(doing, async () => {
    if (opened !== state.opened || !state.session) return;
    await take(await inSession(method, path, fields));
    state.isSaved = false;
  }, expected).finally(() => {
    remember();
    showScans();
  });
}

const clicksOf = (number) => state.lesions.find((one) => one.lesion === number)?.clicks ?? [];
const lesionPath = () => `/lesions/${state.chosen}`;

export function addClick(point, sign) {
  if (!isReady()) return;
  const lesion = state.chosen;
  if (!sign && !state.server.knows_background) {
    say("this network was trained without background clicks, so they have no effect");
  }
  const click = { lesion, point, sign };
  state.pending.push(click);
  remember();
  showLesions();
  drawAll();
  const expected = () => (clicksOf(lesion).length ? state.expected.next : state.expected.first);
  change("POST", `${lesionPath()}/clicks`, { point, sign, space: "voxel" }, { expected }).then(() => {
    state.pending = state.pending.filter((one) => one !== click);
    remember();
    if (state.head) showLesions();
    drawAll();
  });
}

export function undo() {
  if (!$("undo").disabled) change("POST", `${lesionPath()}/undo`, {});
}

export function clear() {
  const count = clicksOf(state.chosen).length;
  if (count > 1 && !confirm(`Remove all ${count} clicks of this lesion?`)) return;
  if (count) change("POST", `${lesionPath()}/clear`, {});
}

export function newLesion() {
  const { opened } = state;
  if (!isReady()) return Promise.resolve(false);
  return enqueue("adding", async () => {
    if (opened !== state.opened) return;
    const colour = COLOURS.find((one) => !state.lesions.some((lesion) => colourOf(lesion) === one)) ?? COLOURS[0];
    const found = await inSession("POST", "/lesions", { colour });
    state.chosen = found.lesion;
    await take(found);
    remember();
  });
}

async function removeLesion(one) {
  if (one.clicks.length && !confirm(`Remove ${one.name || `lesion ${one.lesion}`} with its clicks?`)) return;
  await change("DELETE", `/lesions/${one.lesion}`);
  if (state.session && !state.lesions.length) await newLesion();
}

// Choose a lesion, and show the place of its last click.
function chooseLesion(one) {
  if (!one) return;
  const point = one.clicks.at(-1)?.point;
  if (point && one.lesion !== state.chosen) state.at = point.map(Math.round);
  state.chosen = one.lesion;
  for (const row of $("lesions").children) row.classList.toggle("chosen", Number(row.dataset.lesion) === one.lesion);
  showButtons();
  drawAll();
}

export function nextLesion() {
  const now = state.lesions.findIndex((one) => one.lesion === state.chosen);
  chooseLesion(state.lesions[(now + 1) % state.lesions.length]);
}

// The name of a lesion. If the network segments several objects, it is that of its object.
function nameField(one) {
  const { objects } = state.server;
  const title = objects.length ? "Object of the lesion (T)" : "Name of the lesion";
  if (objects.length < 2) {
    return make("input", { type: "text", value: one.name, placeholder: `lesion ${one.lesion}`, maxLength: 64, title, disabled: objects.length });
  }
  const field = make("select", { title, required: true });
  field.append(...(one.name ? objects : ["", ...objects]).map((name) => new Option(name || "which object?", name, false, name === one.name)));
  return field;
}

function showLesions() {
  if ($("lesions").contains(document.activeElement) && document.activeElement.type === "text") document.activeElement.blur();
  $("lesions").replaceChildren(...state.lesions.map((one) => {
    const row = make("li");
    row.dataset.lesion = one.lesion;
    row.classList.toggle("chosen", one.lesion === state.chosen);
    row.addEventListener("click", () => chooseLesion(state.lesions.find((each) => each.lesion === one.lesion)));
    const label = one.name || `lesion ${one.lesion}`;
    const colour = make("input", { type: "color", value: colourOf(one), title: `Colour of ${label}` });
    colour.addEventListener("change", () => change("PATCH", `/lesions/${one.lesion}`, { colour: colour.value }, { doing: "changing" }));
    const name = nameField(one);
    name.addEventListener("change", () => change("PATCH", `/lesions/${one.lesion}`, { name: name.value }, { doing: "changing" }));
    const remove = make("button", { textContent: "\u00d7", title: `Remove ${label}` });
    remove.addEventListener("click", (event) => {
      event.stopPropagation();
      removeLesion(one);
    });
    const waiting = state.pending.filter((click) => click.lesion === one.lesion).length;
    const count = `${one.clicks.length} click${one.clicks.length === 1 ? "" : "s"}${waiting ? `, ${waiting} waiting` : ""}`;
    const size = make("span", {
      className: "size", textContent: `${one.ml.toFixed(2)} ml, ${one.longest_mm.toFixed(1)} mm, ${count}`,
      title: "Volume, longest diameter in an axial slice, number of clicks",
    });
    row.append(colour, name, remove, size);
    return row;
  }));
  showButtons();
}

function showButtons() {
  const isMarked = clicksOf(state.chosen).length || state.pending.some((one) => one.lesion === state.chosen);
  $("undo").disabled = $("clear").disabled = !isMarked;
  $("save").disabled = !state.lesions.some((one) => one.clicks.length);
}

export async function save(overwrite = false) {
  if ($("save").disabled || !isReady()) return;
  const { opened } = state;
  await enqueue("saving", async () => {
    if (opened !== state.opened) return;
    try {
      const found = await inSession("POST", "/save", { overwrite });
      state.isSaved = true;
      remember();
      $("saved").textContent = `saved: ${found.files.join(", ")}`;
      say("saved", "good");
      await listScans();
    } catch (error) {
      const mayReplace = !overwrite && error.status === 422 && error.message.includes("overwrite"); // other files are never replaced
      if (!mayReplace || !confirm(`${error.message}\n\nReplace it?`)) throw error;
      setTimeout(() => save(true));
    }
  });
}

// ---------------------------------------------------------------- window and drawing

function choosePresets() {
  const all = presetsOf(state.head);
  state.window = [...Object.values(all)[0]];
  $("presets").replaceChildren(...Object.entries(all).map(([name, window], number) => {
    const button = make("button", { textContent: name, title: `${name} (${number + 1})` });
    button.dataset.window = window.join();
    button.addEventListener("click", () => { state.window = [...window]; drawAll(); });
    return button;
  }));
}

let drawing = false;
export function drawAll() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => {
    drawing = false;
    if (!state.voxels) return;
    for (const view of VIEWS) {
      $(view.id).parentElement.classList.toggle("active", view === state.view);
      draw(state, view);
    }
    const [level, width] = state.window;
    for (const [id, value] of [["level", level], ["width", width]]) {
      if (document.activeElement !== $(id)) $(id).value = Number(value.toPrecision(4));
    }
    for (const button of $("presets").children) button.classList.toggle("chosen", button.dataset.window === state.window.join());
    performance.mark("drawn"); // the benchmark reads this
  });
}
