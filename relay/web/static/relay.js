"use strict";
// Everything works without this; with it, pages move by themselves and buttons are pressed once.

// Parts of a page that ask for themselves anew: the same address, the same id, until it is not live any more.
const live = (id) => {
  const part = document.getElementById(id);
  if (!part || !part.dataset.live) return;
  setTimeout(async () => {
    try {
      if (!document.hidden) {
        const answer = await fetch(location.href, { headers: { "X-Fragment": id } });
        if (answer.redirected || answer.status === 404) return location.reload();
        if (answer.ok) {
          const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById(id);
          if (!fresh || !fresh.dataset.live) return location.reload();
          const here = part.contains(document.activeElement) ? document.activeElement.id : "";
          if (fresh.innerHTML !== part.innerHTML && !part.querySelector("details[open]")) {
            part.replaceChildren(...fresh.childNodes);
            if (here) document.getElementById(here)?.focus();
          }
        }
      }
    } catch {
      // Away for a moment: ask again.
    }
    live(id);
  }, 1000 * part.dataset.live);
};
for (const part of document.querySelectorAll("[data-live]")) live(part.id);

// What is wrong with a form is read out and scrolled to.
document.querySelector("[data-focus]")?.focus();

// Another system's log-in opens in a window of its own, if the browser lets it; else on this page. When it is done there,
// that window closes and this page, which asks for itself anew, goes on.
document.addEventListener("submit", (event) => {
  const name = event.target.dataset.popup;
  if (!name || !window.open("about:blank", name, "popup,width=560,height=720")) return;
  event.target.target = name;
  history.replaceState(null, "", "?opened");
});
if (document.querySelector("[data-close]") && window.opener) window.close();

// A double click sends one form; but a window that was closed without an answer may be opened again at once.
document.addEventListener("submit", (event) => {
  if (event.target.dataset.popup) return;
  if (event.target.dataset.sent) return event.preventDefault();
  event.target.dataset.sent = "yes";
});
addEventListener("pageshow", () => {
  for (const form of document.forms) delete form.dataset.sent;
});

// What was opened to be asked again is closed by Escape, and the focus goes back to what opened it.
document.addEventListener("keydown", (event) => {
  const asked = event.key === "Escape" && event.target.closest("details.confirm[open]");
  if (!asked) return;
  asked.open = false;
  asked.querySelector("summary").focus();
});

for (const button of document.querySelectorAll("[data-copy]")) {
  if (!navigator.clipboard) continue;
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).value);
    button.textContent = "Copied";
  });
}
