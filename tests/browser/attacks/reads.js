/* Tries to read each of PATHS, by all that a page can; what could be read is in the list read. */
const tries = [];
const take = (what) => (text) => { if (text) read.push(what + ": " + String(text).slice(0, 80)) };
for (const path of PATHS) {
  for (const how of [{}, {credentials: "include"}, {mode: "no-cors", credentials: "include"}]) {
    tries.push(fetch(GATEWAY + path, how).then((r) => r.text()).then(take("fetch " + path)));
  }
  for (const [tag, source] of [["script", "src"], ["img", "src"], ["video", "src"], ["link", "href"]]) {
    tries.push(new Promise((done) => {
      const one = document.createElement(tag);
      one.onload = one.onloadedmetadata = () => {
        take(tag + " " + path)(tag === "img" ? one.naturalWidth : tag === "script" ? 0 : "loaded");
        done();
      };
      one.onerror = done;
      if (tag === "link") one.rel = "stylesheet";
      one[source] = GATEWAY + path;
      document.head.append(one);
    }));
  }
  const frame = document.createElement("iframe");
  frame.src = GATEWAY + path;
  tries.push(new Promise((done) => { frame.onload = frame.onerror = done; })
    .then(() => take("frame " + path)(frame.contentDocument && frame.contentDocument.body.innerText)));
  document.body.append(frame);
}
tries.push(new Promise((done) => {
  const events = new EventSource(GATEWAY + "/live?t=events", {withCredentials: true});
  events.onopen = () => { take("events")("open"); done() };
  events.onerror = () => { events.close(); done() };
}));
