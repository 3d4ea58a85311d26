/* What a page can do more of where scripts run: choose all, ask before what can't be undone,
   copy a key. Without this, every page works as forms and links. */
"use strict";

const all = document.getElementById("all");
if (all) {
  all.hidden = false;
  all.addEventListener("change", () => {
    document.querySelectorAll("input[name=item]").forEach((one) => { one.checked = all.checked; });
  });
}

document.querySelectorAll("[data-confirm]").forEach((one) => {
  one.addEventListener("click", (event) => {
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
