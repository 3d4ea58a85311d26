/* What a page can do more of where scripts run: drop files and folders, see progress, copy
   a key, look into a text. Without this, every page works as a form. */
"use strict";

const AT_ONCE = 2; // uploads at a time
const TEXT_BYTES = 65536;

// ---- uploads

const form = document.querySelector("form[data-upload]");
const waiting = [];
let running = 0, failed = 0, done = 0;

/* Return the path of a file below the folder, each of its names percent-encoded. */
function target(names) {
  return form.dataset.upload + "/" + names.map(encodeURIComponent).join("/") + "?replace=only-files";
}

function list() {
  let found = document.getElementById("uploads");
  if (!found) {
    found = document.createElement("ul");
    found.id = "uploads";
    found.className = "uploads";
    found.setAttribute("aria-label", "Uploads");
    form.after(found);
  }
  found.hidden = false;
  return found;
}

function element(tag, text, parent) {
  const made = document.createElement(tag);
  made.textContent = text;
  parent.append(made);
  return made;
}

/* Put a file into the queue, and a row for it on the page. */
function add(file, names) {
  const row = element("li", "", list());
  const upload = { file, names, row };
  element("bdi", names.join(" / "), row);
  upload.state = element("span", "waits", row);
  upload.button = element("button", "Stop", row);
  upload.button.type = "button";
  upload.button.addEventListener("click", () => stopOrRetry(upload));
  upload.bar = element("progress", "", row);
  upload.bar.max = 1;
  upload.bar.value = 0;
  upload.bar.setAttribute("aria-label", "Progress of " + names.join(" / "));
  waiting.push(upload);
  next();
}

function stopOrRetry(upload) {
  if (upload.request) {
    upload.request.abort();
  } else if (waiting.includes(upload)) {
    waiting.splice(waiting.indexOf(upload), 1);
    fail(upload, "stopped");
    settle();
  } else {
    failed -= 1;
    upload.state.className = "";
    upload.state.textContent = "waits";
    upload.button.textContent = "Stop";
    waiting.push(upload);
    next();
  }
}

function next() {
  while (running < AT_ONCE && waiting.length) send(waiting.shift());
}

function send(upload) {
  const request = upload.request = new XMLHttpRequest();
  running += 1;
  request.open("PUT", target(upload.names));
  request.upload.onprogress = (event) => {
    if (!event.lengthComputable) return;
    upload.bar.value = event.loaded / event.total;
    const percent = Math.floor(100 * event.loaded / event.total);
    upload.state.textContent = percent < 100 ? percent + " %" : "is spread over the servers …";
  };
  request.onload = () => request.status < 300 ? finish(upload) : fail(upload, request.responseText);
  request.onerror = () => fail(upload, "the gateway does not answer");
  request.onabort = () => fail(upload, "stopped");
  request.onloadend = () => {
    upload.request = null;
    running -= 1;
    settle();
  };
  request.send(upload.file);
}

function finish(upload) {
  done += 1;
  upload.bar.value = 1;
  upload.state.textContent = "stored";
  upload.button.remove();
}

function fail(upload, why) {
  failed += 1;
  upload.bar.value = 0;
  upload.state.className = "failed";
  upload.state.textContent = why.slice(0, 300);
  upload.button.textContent = "Retry";
}

/* Go on, or show the folder with what is new in it. */
function settle() {
  next();
  if (!running && !waiting.length && done && !failed) location.assign(form.dataset.upload + "/");
}

/* Walk what was dropped: files, and folders with all they hold. */
async function walk(entry, names) {
  const path = [...names, entry.name];
  if (entry.isFile) {
    entry.file((file) => add(file, path), () => undefined);
    return;
  }
  const reader = entry.createReader();
  for (;;) { // a reader gives some at a time, and nothing at the end
    const some = await new Promise((yes, no) => reader.readEntries(yes, no));
    if (!some.length) return;
    for (const one of some) await walk(one, path);
  }
}

function drop(event) {
  event.preventDefault();
  document.body.classList.remove("dropping");
  const items = [...event.dataTransfer.items].filter((item) => item.kind === "file");
  const entries = items.map((item) => item.webkitGetAsEntry && item.webkitGetAsEntry());
  const files = [...event.dataTransfer.files];
  entries.forEach((entry, i) => entry ? walk(entry, []) : files[i] && add(files[i], [files[i].name]));
}

if (form) {
  const input = form.querySelector("input[type=file]");
  input.multiple = true;
  form.querySelectorAll(".scripted").forEach((one) => { one.hidden = false; });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    for (const file of input.files) add(file, [file.name]);
    input.value = "";
  });
  const isFile = (event) => [...event.dataTransfer.types].includes("Files");
  document.addEventListener("dragover", (event) => {
    if (!isFile(event)) return;
    event.preventDefault();
    document.body.classList.add("dropping");
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) document.body.classList.remove("dropping");
  });
  document.addEventListener("drop", (event) => isFile(event) && drop(event));
  window.addEventListener("beforeunload", (event) => {
    if (running) event.preventDefault();
  });
}

// ---- the table, keys, texts

const all = document.getElementById("all");
if (all) {
  all.hidden = false;
  all.addEventListener("change", () => {
    document.querySelectorAll("input[name=item]").forEach((one) => { one.checked = all.checked; });
  });
}

document.querySelectorAll("form[data-confirm]").forEach((one) => {
  one.addEventListener("submit", (event) => {
    if (!window.confirm(one.dataset.confirm)) event.preventDefault();
  });
});

document.querySelectorAll("[data-copy]").forEach((button) => {
  button.hidden = false;
  button.addEventListener("click", async () => {
    const field = document.getElementById(button.dataset.copy);
    field.select();
    await navigator.clipboard.writeText(field.value);
    button.textContent = "Copied";
  });
});

document.querySelectorAll("[data-text]").forEach(async (place) => {
  const headers = { Range: "bytes=0-" + (TEXT_BYTES - 1) };
  const reply = await fetch(place.dataset.text, { headers });
  const text = reply.status === 416 ? "" : await reply.text();
  const cut = reply.status === 206 && !(reply.headers.get("Content-Range") || "").endsWith("/" + reply.headers.get("Content-Length"));
  place.textContent = (text || "The file is empty.") + (cut ? "\n…" : "");
});
