/* Files that go up: dropped or chosen, two at a time, each with its progress. The queue can
   be paused, and each file stopped, taken up again, or left out. What was stopped begins
   anew: a gateway keeps nothing of a file that did not come whole. */
"use strict";

(() => {
  const AT_ONCE = 2;
  const form = document.querySelector("form[data-upload]");
  if (!form) return;

  const uploads = []; // each is waiting, running, stopped, failed or stored
  let isPaused = false;
  let panel;

  const having = (state) => uploads.filter((one) => one.state === state);

  /* Return the path of a file below the folder, each of its names percent-encoded. */
  const target = (names) =>
    form.dataset.upload + "/" + names.map(encodeURIComponent).join("/") + "?replace=only-files";

  function element(tag, text, parent) {
    const made = document.createElement(tag);
    made.textContent = text;
    parent.append(made);
    return made;
  }

  function button(text, label, parent, act) {
    const made = element("button", text, parent);
    made.type = "button";
    if (label) made.setAttribute("aria-label", text + " " + label);
    made.addEventListener("click", act);
    return made;
  }

  // ---- what is shown

  /* Make the list, with what concerns all of it above. */
  function makePanel() {
    const section = document.createElement("section");
    section.id = "uploads";
    section.className = "tile uploads";
    section.setAttribute("aria-label", "Uploads");
    const head = element("div", "", section);
    head.className = "row";
    panel = { total: element("strong", "", head) };
    panel.pause = button("Pause", "", head, pauseOrGoOn);
    panel.cancel = button("Cancel all", "", head, () => [...uploads].forEach(leaveOut));
    panel.bar = element("progress", "", section);
    panel.bar.setAttribute("aria-label", "Progress of all uploads");
    panel.note = element("p", "", section);
    panel.note.className = "hint";
    panel.list = element("ul", "", section);
    panel.said = element("p", "", section); // only for those who can't see the rest
    panel.said.className = "unseen";
    panel.said.setAttribute("role", "status");
    panel.said.setAttribute("aria-live", "polite");
    panel.section = section;
    (form.closest(".tools") || form).after(section);
  }

  function say(words) {
    panel.said.textContent = words;
  }

  function showTotal() {
    const sum = (one) => one.state === "stored" ? one.weight : Math.min(one.loaded, one.weight);
    const all = uploads.reduce((so, one) => so + one.weight, 0);
    const gone = uploads.reduce((so, one) => so + sum(one), 0);
    panel.bar.max = all || 1;
    panel.bar.value = gone;
    const percent = all ? Math.floor(100 * gone / all) : 0;
    panel.total.textContent = having("stored").length + " of " + uploads.length + " stored, " + percent + " %";
    panel.pause.hidden = !isPaused && !having("waiting").length;
    panel.pause.textContent = isPaused ? "Go on" : "Pause";
    panel.note.textContent = !isPaused ? "" :
      having("running").length ? "Paused: what is under way is finished, nothing new begins." :
      "Paused: nothing begins until you go on.";
    panel.cancel.hidden = uploads.every((one) => one.state === "stored");
    panel.section.hidden = !uploads.length;
  }

  const WORDS = {
    waiting: "waits",
    running: "begins …",
    stopped: "stopped; it will begin anew",
    stored: "stored",
  };
  const BUTTONS = { waiting: "Stop", running: "Stop", stopped: "Retry", failed: "Retry" };

  /* Note in which state an upload is, and show it. */
  function become(upload, state, words) {
    upload.state = state;
    if (state !== "running") upload.loaded = 0;
    upload.bar.value = state === "stored" ? 1 : 0;
    upload.bar.hidden = state !== "running" && state !== "stored";
    upload.words.className = state;
    upload.words.textContent = words || WORDS[state];
    upload.button.hidden = upload.cancel.hidden = state === "stored";
    upload.button.textContent = BUTTONS[state] || "";
    upload.button.setAttribute("aria-label", upload.button.textContent + " " + upload.label);
    showTotal();
  }

  // ---- what happens

  /* Put a file into the queue, and a row for it on the page. */
  function add(file, names) {
    if (!panel) makePanel();
    const row = element("li", "", panel.list);
    const label = names.join(" / ");
    const upload = { file, names, row, label, loaded: 0, weight: Math.max(1, file.size) };
    element("bdi", label, row);
    upload.words = element("span", "", row);
    upload.button = button("Stop", label, row, () => stopOrGoOn(upload));
    upload.cancel = button("Cancel", label, row, () => leaveOut(upload));
    upload.bar = element("progress", "", row);
    upload.bar.max = 1;
    upload.bar.setAttribute("aria-label", "Progress of " + label);
    uploads.push(upload);
    become(upload, "waiting");
    next();
  }

  function next() {
    while (!isPaused && having("running").length < AT_ONCE && having("waiting").length) {
      send(having("waiting")[0]);
    }
    showTotal();
  }

  function pauseOrGoOn() {
    isPaused = !isPaused;
    say(isPaused ? "Uploads paused" : "Uploads go on");
    next();
  }

  function stopOrGoOn(upload) {
    if (upload.state === "running" || upload.state === "waiting") {
      const request = upload.request;
      become(upload, "stopped");
      say(upload.label + " stopped");
      if (request) request.abort();
    } else {
      become(upload, "waiting");
    }
    settle();
  }

  function leaveOut(upload) {
    if (upload.state === "stored") return;
    const request = upload.request;
    const hadFocus = upload.row.contains(document.activeElement);
    uploads.splice(uploads.indexOf(upload), 1);
    upload.state = "left out";
    upload.row.remove();
    if (request) request.abort();
    say(upload.label + " cancelled");
    if (hadFocus) form.querySelector("button").focus();
    settle();
  }

  function send(upload) {
    const request = upload.request = new XMLHttpRequest();
    const isOurs = () => upload.request === request && upload.state === "running";
    become(upload, "running");
    request.open("PUT", target(upload.names));
    request.setRequestHeader("Accept", "application/json");
    request.upload.onprogress = (event) => {
      if (!event.lengthComputable || !isOurs()) return;
      upload.loaded = event.loaded;
      upload.bar.value = event.loaded / event.total;
      const percent = Math.floor(100 * event.loaded / event.total);
      upload.words.textContent = percent < 100 ? percent + " %" : "is spread over the servers …";
      showTotal();
    };
    const end = (state, words) => {
      if (!isOurs()) return; // it was stopped, or left out
      become(upload, state, words);
      say(upload.label + ": " + upload.words.textContent);
    };
    request.onload = () => request.status < 300 ? end("stored") : end("failed", explain(request));
    request.onerror = () => end("failed", "the gateway does not answer, or the file can't be read");
    request.onloadend = () => {
      if (upload.request === request) upload.request = null;
      settle();
    };
    request.send(upload.file);
  }

  const REASONS = { // what is said to programs, for people
    "PUT to a directory": "there is a folder of that name; an upload replaces files only",
    "There was already a child by that name, and you asked me to not replace it.":
      "there is something of that name; an upload replaces files only",
  };

  /* Return in words why the gateway refused. */
  function explain(request) {
    try {
      const { message, why, fix } = JSON.parse(request.responseText).error;
      return REASONS[message] || [message, why, fix].filter(Boolean).join("; ");
    } catch {
      return request.responseText.slice(0, 300) || "the gateway answered " + request.status;
    }
  }

  /* Go on, or show the folder with what is new in it. */
  function settle() {
    next();
    if (uploads.length && uploads.every((one) => one.state === "stored")) {
      location.assign(form.dataset.upload + "/");
    }
  }

  // ---- where files come from

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

  /* Let a whole folder be chosen too, by those who don't drop. */
  function offerFolders() {
    const chooser = document.createElement("input");
    chooser.type = "file";
    chooser.webkitdirectory = true;
    chooser.addEventListener("change", () => {
      for (const file of chooser.files) add(file, file.webkitRelativePath.split("/"));
      chooser.value = "";
    });
    const made = button("Folder…", "", form, () => chooser.click());
    made.setAttribute("aria-label", "Upload a folder");
    form.querySelector("button.main").after(made);
    element("span", "or drop files and folders anywhere here", form).className = "hint";
  }

  const input = form.querySelector("input[type=file]");
  input.multiple = true;
  if ("webkitdirectory" in input && form.closest(".tools")) offerFolders();
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
    if (uploads.some((one) => one.state !== "stored" && one.state !== "failed")) event.preventDefault();
  });
})();
