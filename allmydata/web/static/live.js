/* Transfers as they happen: draws what /live?t=events tells. The page came with a picture
   of how it was, made by livepage.py; what is drawn here is the same. */
"use strict";

(() => {
  const moves = document.getElementById("moves");
  const lines = document.getElementById("lines"); // not on every page
  const SVG = "http://www.w3.org/2000/svg";
  const CONTROLS = /[\u0000-\u001f\u007f]/g;
  const BY_NAME = new Intl.Collator("en", { numeric: true });
  const running = new Set();
  let drawing = new Map(); // what came since the last frame, by number

  function make(tag, attributes, ...children) {
    const made = tag === "svg" || tag === "path"
      ? document.createElementNS(SVG, tag) : document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...children);
    return made;
  }

  const shown = (text) => text.replace(CONTROLS, (c) => c === "\u007f" ? "\u2421" : String.fromCharCode(0x2400 + c.charCodeAt(0)));

  function size(bytes) {
    if (bytes < 1000) return bytes + " B";
    for (const unit of "kMGTPE") {
      bytes /= 1000;
      if (bytes < 999.95) return bytes.toFixed(1) + " " + unit + "B";
    }
    return bytes.toFixed(1) + " EB";
  }

  function duration(seconds) {
    for (const [length, name] of [[86400, "d"], [3600, "h"], [60, "min"]]) {
      if (seconds >= length) return (seconds / length).toFixed(1) + " " + name;
    }
    return seconds.toFixed(2) + " s";
  }

  const rate = (told) => told.seconds ? size(Math.floor(told.done / told.seconds)) + "/s" : "";

  function sums(told) {
    const part = told.size ? Math.floor(100 * told.done / told.size) : 100;
    const words = [size(told.done) + " of " + size(told.size), part + " %", rate(told), duration(told.seconds)];
    return words.filter(Boolean).join(" · ");
  }

  function cells(marks) {
    const gap = Math.min(0.06, marks.length / 400), shape = "h" + (1 - 2 * gap).toFixed(4) + "v1H";
    let path = "";
    for (let i = 0; i < marks.length; i++) {
      const x = (i + gap).toFixed(4);
      if (marks[i] === "1") path += "M" + x + " 0" + shape + x + "z";
    }
    return path;
  }

  function shares(numbers) {
    if (!numbers.length) return "";
    return "share" + (numbers.length > 1 ? "s " : " ") + [...numbers].sort((a, b) => a - b).join(", ");
  }

  /* Return how a server does, as a class and in words. */
  function standing(told, server) {
    const others = told.servers.filter((one) => one.name !== server.name);
    const state = server.state;
    if (server.replaced_by !== null && (state === "active" || state === "replaced")) {
      const holder = others.find((one) => one.shares.includes(server.replaced_by));
      const took = "share " + server.replaced_by + (holder ? " on " + holder.name : "") + " took its place";
      return state === "active" ? ["late", "late: " + took] : [state, "silent: " + took];
    }
    if (state === "active" && !server.segments) return ["asked", "at hand"];
    if (state === "active") {
      const now = told.outcome === "running";
      const words = told.kind === "upload" ? (now ? "takes" : "took its share") : (now ? "gives" : "gave");
      const left = others.find((one) => one.replaced_by !== null && server.shares.includes(one.replaced_by));
      return left ? ["stand-in", words + " in place of " + left.name] : [state, words];
    }
    if (state === "late") return [state, "late: not waited for"];
    return [state, server.why ? "failed: " + server.why : state];
  }

  function row(told, server, columns) {
    const [state, words] = standing(told, server);
    const label = server.segments + " of " + told.segments + (told.segments === 1 ? " segment" : " segments");
    const strip = make("svg", { class: "strip", viewBox: "0 0 " + (columns || 1) + " 1", preserveAspectRatio: "none", role: "img", "aria-label": label },
      make("path", { class: "bed", d: cells("1".repeat(columns)) }), make("path", { class: "got", d: cells(server.cells) }));
    const who = make("span", { class: "who" }, make("bdi", {}, shown(server.name)), make("small", {}, shares(server.shares)));
    return make("li", { class: state }, who, strip, make("span", { class: "words" }, shown(words)));
  }

  const stateOf = (told) => ["running", "done", "cancelled"].includes(told.outcome) ? told.outcome : "failed";

  function picture(told) {
    const columns = Math.max(0, ...told.servers.map((one) => one.cells.length));
    const state = stateOf(told);
    const title = make("h3", {}, (told.kind === "upload" ? "↑ Upload " : "↓ Download "), make("code", {}, told.storage_index + "…"));
    const head = make("header", {}, title, make("span", { class: "outcome" }, told.outcome), make("p", { class: "sums" }, sums(told)));
    const servers = [...told.servers].sort((a, b) => BY_NAME.compare(a.name, b.name));
    const rows = make("ul", { class: "rows" }, ...servers.map((one) => row(told, one, columns)));
    return make("li", { class: "move " + state, "data-id": told.id }, head, rows);
  }

  function trouble(told) {
    const found = ["silent", "late", "replaced", "failed"].map((state) => [told.servers.filter((one) => one.state === state).length, state]);
    return found.filter(([number]) => number).map((pair) => pair.join(" ")).join(", ");
  }

  function line(told) {
    const cell = (words, kind) => make("td", kind ? { class: kind } : {}, words);
    const went = make("td", {}, make("span", { class: stateOf(told) }, told.outcome));
    const bad = trouble(told);
    if (bad) went.append("; servers: " + bad);
    const when = new Date(told.ended * 1000).toISOString().slice(11, 19);
    return make("tr", {}, cell(told.kind), make("td", {}, make("code", {}, told.storage_index + "…")), cell(size(told.size), "num"),
      cell(duration(told.seconds), "num"), cell(rate(told), "num less"), cell(when, "less"), went);
  }

  function say(id, words) {
    const place = document.getElementById(id);
    if (place && place.textContent !== words) place.textContent = words;
  }

  function draw() {
    const news = drawing;
    drawing = new Map();
    for (const told of news.values()) {
      const old = moves.querySelector("[data-id='" + told.id + "']");
      if (old) old.replaceWith(picture(told));
      else moves.prepend(picture(told));
      if (told.outcome === "running") running.add(told.id);
      else end(told);
    }
    const ended = moves.querySelectorAll(".move:not(.running)");
    [...ended].slice(Number(moves.dataset.most)).forEach((one) => one.remove());
    document.getElementById("nothing").hidden = moves.childElementCount > 0;
    say("state", running.size + " running");
  }

  function end(told) {
    running.delete(told.id);
    say("news", told.kind + " " + told.storage_index + " " + told.outcome + ", " + duration(told.seconds));
    if (!lines) return;
    lines.prepend(line(told));
    while (lines.childElementCount > Number(lines.dataset.most)) lines.lastElementChild.remove();
  }

  function listen() {
    const source = new EventSource("/live?t=events");
    const link = document.getElementById("link");
    source.addEventListener("open", () => {
      running.clear();
      if (link) link.className = "on";
      say("state", "0 running");
      const refresh = document.getElementById("refresh");
      if (refresh) refresh.hidden = true;
    });
    source.addEventListener("transfer", (event) => {
      const told = JSON.parse(event.data);
      if (!drawing.size) requestAnimationFrame(draw);
      drawing.set(told.id, told);
    });
    source.addEventListener("error", () => {
      if (link) link.className = "";
      say("state", "the gateway does not answer; trying again …");
      if (source.readyState === EventSource.CLOSED) setTimeout(listen, 5000);
    });
  }

  listen();
})();
