// The page of promise-serve: three views of a scan, clicks, and the outline that comes back.
// The docstring of promise_cli/serve/page_api.py describes the requests. All arrays are in RAS order.

const PRESETS = {
  CT: { soft: [40, 400], liver: [60, 160], lung: [-600, 1500], bone: [400, 1800], brain: [40, 80] },
};
const COLOURS = ["#ff9f40", "#4fc3f7", "#aed581", "#f06292", "#ba68c8", "#ffd54f", "#4db6ac", "#ff7043"];
const DRAG = 4; // pixels that the mouse may move during a click

// Each view: axes of the array along x, y and through the slices. Right is shown on the left, as radiologists expect.
const VIEWS = [
  { id: "axial", x: 0, y: 1, through: 2, ends: "S I" },
  { id: "coronal", x: 0, y: 2, through: 1, ends: "A P" },
  { id: "sagittal", x: 1, y: 2, through: 0, ends: "R L" },
];

const $ = (id) => document.getElementById(id);
const state = {
  scans: [], head: null, voxels: null, mask: null, session: null, lesions: [], chosen: 1, at: [0, 0, 0],
  window: [40, 400], opening: 0, server: {},
};

// ---------------------------------------------------------------- requests

async function call(method, path, fields) {
  const headers = { "Content-Type": "application/json" };
  const key = sessionStorage.getItem("key");
  if (key) headers.Authorization = `Bearer ${key}`;
  const body = fields === undefined ? undefined : JSON.stringify(fields);
  const answer = await fetch(path, { method, headers, body });
  if (answer.status === 401) {
    await askForKey();
    return call(method, path, fields);
  }
  if (!answer.ok) {
    const reason = await answer.json().then((found) => found.detail, () => answer.statusText);
    const error = new Error(reason);
    error.status = answer.status;
    throw error;
  }
  return answer;
}

const ask = async (method, path, fields) => (await call(method, path, fields)).json();

function askForKey() {
  const login = $("login");
  if (!login.open) login.showModal();
  return new Promise((done) => {
    login.addEventListener("close", () => {
      sessionStorage.setItem("key", $("key").value.trim());
      done();
    }, { once: true });
  });
}

// Jobs run one after the other, so that changes of the mask arrive in order.
let last = Promise.resolve();
let waiting = 0;

function enqueue(doing, job) {
  waiting += 1;
  const began = performance.now();
  const sign = setInterval(() => showBusy(doing, (performance.now() - began) / 1000), 200);
  showBusy(doing, 0);
  const done = last.then(job).catch((error) => say(error.message)).finally(() => {
    clearInterval(sign);
    waiting -= 1;
    if (!waiting) $("busy").hidden = true;
  });
  last = done;
  return done;
}

function showBusy(doing, seconds) {
  const expected = state.expected;
  $("busy").hidden = false;
  if (expected && doing === "computing") {
    $("progress").value = Math.min(0.97, seconds / expected);
  } else {
    $("progress").removeAttribute("value");
  }
  const about = expected && doing === "computing" ? ` of about ${expected.toFixed(1)}` : "";
  $("doing").textContent = `${doing}: ${seconds.toFixed(1)}${about} s${waiting > 1 ? `, ${waiting - 1} waiting` : ""}`;
}

let hiding;
function say(text, kind = "error") {
  const place = $("message");
  place.textContent = text;
  place.hidden = false;
  place.style.background = kind === "error" ? "" : "#2f5d3a";
  clearTimeout(hiding);
  hiding = setTimeout(() => { place.hidden = true; }, kind === "error" ? 12000 : 4000);
}

// ---------------------------------------------------------------- list of scans

async function begin() {
  state.server = await ask("GET", "api/server");
  const { network, target, dataset } = state.server;
  $("network").textContent = `${dataset}, ${target}. ${network}`;
  await listScans();
}

async function listScans() {
  state.scans = (await ask("GET", "api/scans")).scans;
  showScans();
}

function showScans() {
  const part = $("filter").value.toLowerCase();
  const rows = state.scans.filter((scan) => scan.name.toLowerCase().includes(part)).slice(0, 500);
  $("scans").replaceChildren(...rows.map((scan) => {
    const row = document.createElement("li");
    row.textContent = scan.name;
    row.classList.toggle("saved", scan.saved);
    row.classList.toggle("chosen", state.head?.name === scan.name);
    row.addEventListener("click", () => openScan(scan.name));
    return row;
  }));
}

async function openScan(name) {
  if (state.lesions.some((lesion) => lesion.clicks.length) && !state.isSaved
      && !confirm("The clicks on this scan are not saved. Open another scan?")) return;
  const opening = ++state.opening;
  await enqueue("reading", async () => {
    if (state.session) ask("DELETE", `api/sessions/${state.session}`).catch(() => {});
    Object.assign(state, { session: null, lesions: [], voxels: null, head: null });
    const place = `api/scans/${encodeURIComponent(name)}`;
    const head = await ask("GET", `${place}?order=ras`);
    const voxels = await fetchVoxels(`${place}/voxels?order=ras`, head);
    if (opening !== state.opening) return;
    Object.assign(state, { head, voxels, mask: new Uint8Array(voxels.length), isSaved: true });
    state.at = head.shape.map((n) => Math.floor(n / 2));
    for (const view of VIEWS) Object.assign(view, { zoom: 1, shift: [0, 0] });
    choosePresets();
    showChannels(1);
    await startSession([{ colour: COLOURS[0] }]);
    showHeader();
    showScans();
    $("tools").hidden = false;
    $("saved").textContent = "";
  });
}

// A scan of several channels is shown one channel at a time; the network sees all of them.
function showChannels(chosen) {
  const names = state.head.channels;
  $("channels").replaceChildren(...(names.length < 2 ? [] : names.map((name, number) => {
    const button = document.createElement("button");
    button.textContent = name || `channel ${number + 1}`;
    button.classList.toggle("chosen", number + 1 === chosen);
    button.addEventListener("click", () => showChannel(number + 1));
    return button;
  })));
}

function showChannel(channel) {
  const place = `api/scans/${encodeURIComponent(state.head.name)}`;
  return enqueue("reading", async () => {
    const head = await ask("GET", `${place}?order=ras&channel=${channel}`);
    state.voxels = await fetchVoxels(`${place}/voxels?order=ras&channel=${channel}`, head);
    state.head = head;
    choosePresets();
    showChannels(channel);
    showHeader();
    drawAll();
  });
}

async function fetchVoxels(path, head) {
  const answer = await call("GET", path);
  const Type = answer.headers.get("X-Type") === "int16" ? Int16Array : Float32Array;
  const voxels = new Type(head.shape.reduce((a, b) => a * b));
  const bytes = new Uint8Array(voxels.buffer);
  const reader = answer.body.getReader();
  let place = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    bytes.set(value, place);
    place += value.length;
    $("progress").value = place / bytes.length;
  }
  if (place !== bytes.length) throw new Error("the scan was not sent completely; open it again");
  return voxels;
}

function showHeader() {
  const head = state.head;
  const rows = {
    scan: head.name,
    voxels: head.shape.join(" x "),
    spacing: `${head.spacing.map((edge) => edge.toFixed(2)).join(" x ")} mm`,
    stored: head.stored.shape.join(" x "),
    intensities: head.range.join(" to "),
    kind: head.kind,
    saved: state.server.output,
  };
  $("header").replaceChildren(...Object.entries(rows).flatMap(([name, text]) => {
    const [term, value] = [document.createElement("dt"), document.createElement("dd")];
    term.textContent = name;
    value.textContent = text;
    return [term, value];
  }));
  showQuestions(head.notes);
}

function showQuestions(questions) {
  $("questions").replaceChildren(...questions.map((text) => {
    const row = document.createElement("li");
    row.textContent = text;
    return row;
  }));
}

// ---------------------------------------------------------------- sessions and lesions

async function startSession(lesions) {
  const fields = { scan: state.head.name, order: "ras", lesions };
  take(await ask("POST", "api/sessions", fields));
}

// A session that ended is begun again with the clicks that the page knows.
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

function take(found) {
  state.session = found.session;
  state.lesions = found.lesions;
  state.expected = found.expected_seconds;
  if (!found.lesions.some((one) => one.lesion === state.chosen)) state.chosen = found.lesions[0]?.lesion ?? 1;
  if (found.changed) state.pasting = paste(found.changed);
  showQuestions([...state.head.notes, ...found.questions]);
  showLesions();
  drawAll();
}

async function paste({ box, values }) {
  const packed = Uint8Array.from(atob(values), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const part = new Uint8Array(await new Response(stream).arrayBuffer());
  const [I, J] = state.head.shape;
  let place = 0;
  for (let i = box[0][0]; i < box[0][1]; i++) {
    for (let j = box[1][0]; j < box[1][1]; j++) {
      for (let k = box[2][0]; k < box[2][1]; k++) state.mask[i + I * (j + J * k)] = part[place++];
    }
  }
  drawAll();
}

function change(method, path, fields) {
  if (!state.session) return Promise.resolve();
  return enqueue("computing", async () => {
    take(await inSession(method, path, fields));
    await state.pasting;
    state.isSaved = false;
  });
}

const lesionPath = () => `/lesions/${state.chosen}`;
function addClick(point, sign) {
  if (!sign && !state.server.knows_background) {
    say("this network was trained without background clicks, so they have no effect");
  }
  return change("POST", `${lesionPath()}/clicks`, { point, sign, space: "voxel" });
}
const undo = () => change("POST", `${lesionPath()}/undo`, {});

async function newLesion() {
  const colour = COLOURS[state.lesions.length % COLOURS.length];
  await enqueue("computing", async () => {
    const found = await inSession("POST", "/lesions", { colour });
    state.chosen = found.lesion;
    take(found);
  });
}

function showLesions() {
  $("lesions").replaceChildren(...state.lesions.map((one) => {
    const row = document.createElement("li");
    row.classList.toggle("chosen", one.lesion === state.chosen);
    row.addEventListener("click", () => { state.chosen = one.lesion; showLesions(); drawAll(); });
    const colour = Object.assign(document.createElement("input"), { type: "color", value: one.colour || COLOURS[0] });
    colour.addEventListener("change", () => change("PATCH", `/lesions/${one.lesion}`, { colour: colour.value }));
    const name = Object.assign(document.createElement("input"), {
      type: "text", value: one.name, placeholder: `lesion ${one.lesion}`, maxLength: 64,
    });
    name.addEventListener("change", () => change("PATCH", `/lesions/${one.lesion}`, { name: name.value }));
    const remove = Object.assign(document.createElement("button"), { textContent: "x", title: "Remove this lesion" });
    remove.addEventListener("click", (event) => {
      event.stopPropagation();
      change("DELETE", `/lesions/${one.lesion}`);
    });
    const size = Object.assign(document.createElement("span"), { className: "size" });
    const count = `${one.clicks.length} click${one.clicks.length === 1 ? "" : "s"}`;
    size.textContent = `${one.ml.toFixed(2)} ml, ${one.longest_mm.toFixed(1)} mm, ${count}`;
    row.append(colour, name, remove, size);
    return row;
  }));
  const clicks = state.lesions.find((one) => one.lesion === state.chosen)?.clicks ?? [];
  $("undo").disabled = $("clear").disabled = !clicks.length;
  $("save").disabled = !state.lesions.some((one) => one.clicks.length);
}

async function save(overwrite = false) {
  await enqueue("saving", async () => {
    try {
      const found = await inSession("POST", "/save", { overwrite });
      state.isSaved = true;
      $("saved").textContent = `saved: ${found.files.join(", ")}`;
      say("saved", "good");
      await listScans();
    } catch (error) {
      if (overwrite || !confirm(`${error.message}\n\nReplace it?`)) throw error;
      setTimeout(() => save(true));
    }
  });
}

// ---------------------------------------------------------------- drawing

function choosePresets() {
  const { percentiles, kind } = state.head;
  const low = percentiles["0.5"];
  const high = percentiles["99.5"];
  const auto = [(low + high) / 2, Math.max(high - low, 1e-6)];
  const all = { auto, ...(PRESETS[kind] ?? {}) };
  state.window = all.soft ?? auto;
  $("presets").replaceChildren(...Object.entries(all).map(([name, window]) => {
    const button = document.createElement("button");
    button.textContent = name;
    button.addEventListener("click", () => { state.window = [...window]; drawAll(); });
    return button;
  }));
}

let drawing = false;
function drawAll() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => {
    drawing = false;
    if (state.voxels) VIEWS.forEach(draw);
    const [level, width] = state.window;
    $("window").textContent = `level ${level.toPrecision(4)}, width ${width.toPrecision(4)}`;
  });
}

// Where a view lies on its canvas: pixels of the screen for each voxel, and the corner of the image.
function placeOf(view) {
  const { shape, spacing } = state.head;
  const canvas = $(view.id);
  const ratio = window.devicePixelRatio || 1;
  const [width, height] = [canvas.clientWidth * ratio, canvas.clientHeight * ratio];
  if (canvas.width !== Math.round(width) || canvas.height !== Math.round(height)) {
    canvas.width = Math.round(width);
    canvas.height = Math.round(height);
  }
  const [wide, high] = [shape[view.x] * spacing[view.x], shape[view.y] * spacing[view.y]];
  const scale = Math.min(width / wide, height / high) * view.zoom;
  return {
    canvas, ratio, wide: wide * scale, high: high * scale, stepX: spacing[view.x] * scale, stepY: spacing[view.y] * scale,
    left: (width - wide * scale) / 2 + view.shift[0] * ratio, top: (height - high * scale) / 2 + view.shift[1] * ratio,
  };
}

const strides = () => [1, state.head.shape[0], state.head.shape[0] * state.head.shape[1]];

function sliceImages(view) {
  const { shape } = state.head;
  const step = strides();
  const [W, H] = [shape[view.x], shape[view.y]];
  const base = state.at[view.through] * step[view.through];
  const [level, width] = state.window;
  const [factor, low] = [255 / width, level - width / 2];
  const grey = new ImageData(W, H);
  const over = new ImageData(W, H);
  const colours = new Map(state.lesions.map((one) => [one.lesion, rgb(one.colour || COLOURS[0])]));
  const alpha = Math.round(2.55 * $("opacity").value);
  const isShown = $("show").checked;
  const edges = new Map();
  for (let y = 0; y < H; y++) {
    for (let x = 0; x < W; x++) {
      const [i, j] = [W - 1 - x, H - 1 - y];
      const place = base + i * step[view.x] + j * step[view.y];
      const value = (state.voxels[place] - low) * factor;
      const pixel = 4 * (x + W * y);
      grey.data[pixel] = grey.data[pixel + 1] = grey.data[pixel + 2] = value;
      grey.data[pixel + 3] = 255;
      const lesion = isShown ? state.mask[place] : 0;
      if (!lesion) continue;
      over.data.set(colours.get(lesion) ?? [255, 255, 255], pixel);
      over.data[pixel + 3] = alpha;
      // The mask's own edge: a line between each pair of pixels of which only one belongs to the lesion.
      const lines = edges.get(lesion) ?? edges.set(lesion, []).get(lesion);
      if (x === 0 || state.mask[place + step[view.x]] !== lesion) lines.push([x, y, x, y + 1]);
      if (x === W - 1 || state.mask[place - step[view.x]] !== lesion) lines.push([x + 1, y, x + 1, y + 1]);
      if (y === 0 || state.mask[place + step[view.y]] !== lesion) lines.push([x, y, x + 1, y]);
      if (y === H - 1 || state.mask[place - step[view.y]] !== lesion) lines.push([x, y + 1, x + 1, y + 1]);
    }
  }
  return [grey, over, edges];
}

const rgb = (text) => [1, 3, 5].map((at) => parseInt(text.slice(at, at + 2), 16));

function asCanvas(image) {
  const canvas = new OffscreenCanvas(image.width, image.height);
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}

function drawEdges(context, place, edges) {
  context.lineWidth = 1.5 * place.ratio;
  for (const [lesion, lines] of edges) {
    context.strokeStyle = state.lesions.find((one) => one.lesion === lesion)?.colour || COLOURS[0];
    context.beginPath();
    for (const [x, y, toX, toY] of lines) {
      context.moveTo(place.left + x * place.stepX, place.top + y * place.stepY);
      context.lineTo(place.left + toX * place.stepX, place.top + toY * place.stepY);
    }
    context.stroke();
  }
  context.lineWidth = 1;
}

function draw(view) {
  const { shape } = state.head;
  const place = placeOf(view);
  const context = place.canvas.getContext("2d");
  const [grey, over, edges] = sliceImages(view);
  context.fillStyle = "#000";
  context.fillRect(0, 0, place.canvas.width, place.canvas.height);
  context.imageSmoothingEnabled = true;
  context.drawImage(asCanvas(grey), place.left, place.top, place.wide, place.high);
  context.imageSmoothingEnabled = false;
  context.drawImage(asCanvas(over), place.left, place.top, place.wide, place.high);
  drawEdges(context, place, edges);
  const onScreen = (point) => [
    place.left + (shape[view.x] - 1 - point[view.x] + 0.5) * place.stepX,
    place.top + (shape[view.y] - 1 - point[view.y] + 0.5) * place.stepY,
  ];
  const [x, y] = onScreen(state.at);
  context.strokeStyle = "#5aa9e680";
  context.beginPath();
  context.moveTo(x, 0);
  context.lineTo(x, place.canvas.height);
  context.moveTo(0, y);
  context.lineTo(place.canvas.width, y);
  context.stroke();
  for (const lesion of state.lesions) {
    for (const { point, sign } of lesion.clicks) {
      if (Math.round(point[view.through]) !== state.at[view.through]) continue;
      const [cx, cy] = onScreen(point);
      context.beginPath();
      context.arc(cx, cy, 5 * place.ratio, 0, 2 * Math.PI);
      context.lineWidth = 2 * place.ratio;
      context.strokeStyle = sign ? lesion.colour || COLOURS[0] : "#ff4d4d";
      context.stroke();
      if (!sign) {
        context.moveTo(cx - 4 * place.ratio, cy);
        context.lineTo(cx + 4 * place.ratio, cy);
        context.stroke();
      }
      context.lineWidth = 1;
    }
  }
  const sides = view.id === "sagittal" ? "A left, P right" : "R left, L right";
  const value = state.voxels[state.at.reduce((sum, n, axis) => sum + n * strides()[axis], 0)];
  place.canvas.nextElementSibling.textContent =
    `${view.id} ${state.at[view.through] + 1}/${shape[view.through]}  (${sides})  voxel ${state.at.join(", ")}: ${value}`;
}

// ---------------------------------------------------------------- mouse and keys

function voxelAt(view, event) {
  const { shape } = state.head;
  const place = placeOf(view);
  const edge = place.canvas.getBoundingClientRect();
  const x = ((event.clientX - edge.left) * place.ratio - place.left) / place.stepX;
  const y = ((event.clientY - edge.top) * place.ratio - place.top) / place.stepY;
  const point = [...state.at];
  point[view.x] = shape[view.x] - 1 - Math.floor(x);
  point[view.y] = shape[view.y] - 1 - Math.floor(y);
  return point.every((n, axis) => n >= 0 && n < shape[axis]) ? point : null;
}

function scroll(view, steps) {
  const n = state.head.shape[view.through];
  state.at[view.through] = Math.max(0, Math.min(n - 1, state.at[view.through] + steps));
  drawAll();
}

function listen(view) {
  const canvas = $(view.id);
  let from = null;
  canvas.addEventListener("contextmenu", (event) => event.preventDefault());
  canvas.addEventListener("pointerdown", (event) => {
    if (!state.voxels) return;
    canvas.focus();
    canvas.setPointerCapture(event.pointerId);
    from = { x: event.clientX, y: event.clientY, button: event.button, moved: false, window: [...state.window], shift: [...view.shift] };
    if (event.button === 1) event.preventDefault();
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!from) return;
    const [dx, dy] = [event.clientX - from.x, event.clientY - from.y];
    from.moved ||= Math.hypot(dx, dy) > DRAG;
    if (!from.moved) return;
    if (from.button === 0) {
      const speed = Math.max(from.window[1], 1e-6) / 300;
      state.window = [from.window[0] + dy * speed, Math.max(from.window[1] + dx * speed, from.window[1] / 100)];
    } else if (from.button === 1) {
      view.shift = [from.shift[0] + dx, from.shift[1] + dy];
    }
    drawAll();
  });
  canvas.addEventListener("pointerup", (event) => {
    const began = from;
    from = null;
    if (!began || began.moved || began.button === 1) return;
    const point = voxelAt(view, event);
    if (!point) return;
    state.at = point;
    drawAll();
    if (!event.shiftKey) addClick(point, began.button === 2 || event.altKey ? 0 : 1);
  });
  canvas.addEventListener("pointercancel", () => { from = null; });
  canvas.addEventListener("wheel", (event) => {
    if (!state.voxels) return;
    event.preventDefault();
    if (event.ctrlKey) {
      view.zoom = Math.max(1, Math.min(20, view.zoom * (event.deltaY < 0 ? 1.2 : 1 / 1.2)));
      if (view.zoom === 1) view.shift = [0, 0];
      drawAll();
    } else {
      scroll(view, event.deltaY < 0 ? 1 : -1);
    }
  }, { passive: false });
  canvas.addEventListener("keydown", (event) => {
    const steps = { ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1, PageUp: 10, PageDown: -10 }[event.key];
    if (!steps || !state.voxels) return;
    event.preventDefault();
    scroll(view, steps);
  });
}

document.addEventListener("keydown", (event) => {
  if (["INPUT", "DIALOG"].includes(event.target.tagName) || !state.session || event.ctrlKey || event.metaKey) return;
  const act = {
    z: () => !$("undo").disabled && undo(),
    n: newLesion,
    h: () => { $("show").checked = !$("show").checked; drawAll(); },
  }[event.key.toLowerCase()];
  act?.();
});

VIEWS.forEach(listen);
$("filter").addEventListener("input", showScans);
$("new-lesion").addEventListener("click", newLesion);
$("undo").addEventListener("click", undo);
$("clear").addEventListener("click", () => change("POST", `${lesionPath()}/clear`, {}));
$("save").addEventListener("click", () => save());
$("opacity").addEventListener("input", drawAll);
$("show").addEventListener("change", drawAll);
window.addEventListener("resize", drawAll);
window.addEventListener("pagehide", () => {
  if (!state.session) return;
  const key = sessionStorage.getItem("key");
  const headers = key ? { Authorization: `Bearer ${key}` } : {};
  fetch(`api/sessions/${state.session}`, { method: "DELETE", headers, keepalive: true });
});
window.addEventListener("beforeunload", (event) => {
  if (state.session && !state.isSaved) event.preventDefault();
});
begin().catch((error) => say(error.message));
