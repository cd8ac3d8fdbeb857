// Requests to promise-serve, one job at a time, with the busy sign and messages.
// The docstring of promise_cli/serve/page_api.py describes the requests.

export const $ = (id) => document.getElementById(id);
export const make = (tag, fields) => Object.assign(document.createElement(tag), fields);

export function authorised() {
  const key = sessionStorage.getItem("key");
  return key ? { Authorization: `Bearer ${key}` } : {};
}

export async function call(method, path, fields) {
  const headers = { "Content-Type": "application/json", ...authorised() };
  const body = fields === undefined ? undefined : JSON.stringify(fields);
  const answer = await fetch(path, { method, headers, body }).catch(() => {
    throw new Error("the server does not answer; is promise-serve still running? The page was not changed");
  });
  if (answer.status === 401) {
    await askForKey();
    return call(method, path, fields);
  }
  if (!answer.ok) {
    const reason = await answer.json().then((found) => found.detail, () => answer.statusText);
    throw Object.assign(new Error(reason), { status: answer.status });
  }
  return answer;
}

export const ask = async (method, path, fields) => (await call(method, path, fields)).json();

function askForKey() {
  const login = $("login");
  if (!login.open) login.showModal();
  return new Promise((done) => {
    login.addEventListener("close", () => {
      const key = $("key").value.trim();
      sessionStorage.setItem("key", /^[!-~]*$/.test(key) ? key : ""); // a header holds no other letters, so the page asks again
      done();
    }, { once: true });
  });
}

export async function fetchVoxels(path, shape) {
  const answer = await call("GET", path);
  const Type = answer.headers.get("X-Type") === "int16" ? Int16Array : Float32Array;
  const voxels = new Type(shape.reduce((a, b) => a * b));
  const bytes = new Uint8Array(voxels.buffer);
  const reader = answer.body.getReader();
  let place = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    if (place + value.length > bytes.length) throw new Error("the scan has changed; open it again");
    bytes.set(value, place);
    place += value.length;
    $("progress").value = place / bytes.length;
  }
  if (place !== bytes.length) throw new Error("the scan was not sent completely; open it again");
  return voxels;
}

export async function unpack(text) {
  const packed = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// Jobs run one after the other, so that changes of the mask arrive in order.
let last = Promise.resolve();
let waiting = 0;

// Run a job after those before it. `expected` returns the seconds that the job will probably take, or null. The promise
// gives true if the job succeeded. If it failed, its reason is shown and the promise gives false.
export function enqueue(doing, job, expected = () => null) {
  waiting += 1;
  let sign;
  const run = async () => {
    const began = performance.now();
    const show = () => showBusy(doing, (performance.now() - began) / 1000, expected());
    sign = setInterval(show, 200);
    show();
    await job();
    return true;
  };
  const done = last.then(run).catch((error) => {
    say(error.message);
    return false;
  }).finally(() => {
    clearInterval(sign);
    waiting -= 1;
    $("busy").hidden = !waiting;
  });
  last = done;
  return done;
}

function showBusy(doing, seconds, expected) {
  $("busy").hidden = false;
  if (expected) $("progress").value = Math.min(0.97, seconds / expected);
  else if (doing !== "reading") $("progress").removeAttribute("value");
  const about = expected ? ` of about ${expected.toFixed(expected < 10 ? 1 : 0)}` : "";
  const more = waiting > 1 ? `, ${waiting - 1} waiting` : "";
  $("doing").textContent = `${doing}: ${seconds.toFixed(1)}${about} s${more}`;
}

let hiding;
export function say(text, kind = "error") {
  const place = $("message");
  place.textContent = text;
  place.className = kind;
  place.hidden = false;
  clearTimeout(hiding);
  hiding = setTimeout(hideMessage, kind === "error" ? 15000 : 4000);
}

export function hideMessage() {
  $("message").hidden = true;
}
