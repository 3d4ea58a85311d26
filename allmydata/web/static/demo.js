/* The page of a demo without leaving it, so that the film goes on while servers die. */
"use strict";

(() => {
  const LOOK_EVERY = 3000, TRY_AGAIN = 2000; // milliseconds
  let busy = 0;

  /* Put what a page tells of the servers in place of what is here; keep the focus. */
  function take(page) {
    const fresh = page.getElementById("servers");
    const here = document.getElementById("servers");
    if (!fresh || fresh.innerHTML === here.innerHTML) return;
    const focused = here.contains(document.activeElement) ? document.activeElement : null;
    const card = focused && focused.closest(".server");
    here.replaceChildren(...fresh.childNodes);
    if (!card) return;
    const again = document.getElementById(card.id);
    const same = again.querySelector("button[value='" + focused.value + "']");
    (same || again.querySelector("button")).focus();
  }

  async function ask(options) {
    const reply = await fetch(options ? "/_/do" : "/_/demo", options);
    return new DOMParser().parseFromString(await reply.text(), "text/html");
  }

  function tell(words) {
    document.getElementById("notice").textContent = words;
  }

  async function act(form, button) {
    const body = new URLSearchParams(new FormData(form));
    if (button && button.name) body.set(button.name, button.value);
    const buttons = [...form.querySelectorAll("button")];
    buttons.forEach((one) => one.setAttribute("aria-disabled", "true"));
    busy += 1;
    try {
      const page = await ask({ method: "POST", body });
      const news = page.querySelector("#notice, .hero.bad .state");
      if (news) tell(news.textContent.trim());
      take(page);
      show(page);
    } catch {
      tell("The gateway does not answer.");
    } finally {
      busy -= 1;
      buttons.forEach((one) => one.removeAttribute("aria-disabled"));
    }
  }

  /* Show the film that a page has, if there is none here. */
  function show(page) {
    const there = page.querySelector("#film video");
    if (!there || document.querySelector("#film video")) return;
    document.getElementById("film").replaceChildren(...page.getElementById("film").childNodes);
    watch();
    const film = document.querySelector("#film video");
    film.focus();
    film.play().catch(() => undefined);
  }

  /* A film that broke off for want of servers goes on where it was. */
  function watch() {
    const film = document.querySelector("#film video");
    if (!film) return;
    film.addEventListener("error", () => {
      const at = film.currentTime;
      tell("The film has to wait: too few servers answer.");
      setTimeout(() => {
        film.load();
        film.currentTime = at;
        film.play().catch(() => undefined);
      }, TRY_AGAIN);
    });
  }

  document.addEventListener("submit", (event) => {
    const button = event.submitter;
    event.preventDefault();
    if (!busy) act(event.target, button);
  });
  setInterval(async () => {
    if (!busy && !document.hidden) take(await ask().catch(() => document));
  }, LOOK_EVERY);
  watch();
})();
