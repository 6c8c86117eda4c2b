// Shortcuts, theme, and small helpers of forms. Everything else is links, forms and htmx.
(() => {
  "use strict";
  const root = document.documentElement;

  document.getElementById("theme")?.addEventListener("click", () => {
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    localStorage.setItem("flagctl-theme", root.dataset.theme);
  });
  // On a phone the links are wider than the screen, and the one of this page may be out of sight.
  const here = document.querySelector("nav a[aria-current]");
  if (here) here.parentElement.scrollLeft = here.offsetLeft - 40;
  const shortcuts = document.getElementById("shortcuts");
  document.getElementById("help")?.addEventListener("click", () => shortcuts.showModal());

  const typing = (element) => element.closest("input, textarea, select, [contenteditable]") !== null;
  const step = (by) => {
    const links = [...document.querySelectorAll("table a.key")];
    const at = links.indexOf(document.activeElement);
    links[Math.min(Math.max(at + by, 0), links.length - 1)]?.focus();
  };
  let leader = 0;
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape" && typing(event.target)) { event.target.blur(); return; }
    if (typing(event.target)) return;
    if (leader && Date.now() - leader < 1500) {
      leader = 0;
      document.querySelector(`nav a[data-key="${CSS.escape(event.key)}"]`)?.click();
      return;
    }
    if (event.key === "/") {
      const field = document.querySelector("[data-search]");
      if (field) { event.preventDefault(); field.focus(); field.select(); }
    } else if (event.key === "?") shortcuts.showModal();
    else if (event.key === "g") leader = Date.now();
    else if (event.key === "j") step(1);
    else if (event.key === "k") step(-1);
  });

  // A context attribute that is clicked on is put into the JSON of the playground.
  const examples = { string: "", number: 0, boolean: true, semver: "1.0.0", datetime: "2026-01-01T00:00:00Z", ip: "192.0.2.1", list: [], object: {} };
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-attribute]");
    if (!button) return;
    const area = document.getElementById("context");
    try {
      const data = JSON.parse(area.value || "{}");
      if (!(button.dataset.attribute in data)) data[button.dataset.attribute] = examples[button.dataset.type] ?? "";
      area.value = JSON.stringify(data, null, 2);
      area.dispatchEvent(new Event("input", { bubbles: true }));
      area.focus();
    } catch { /* what is there is no JSON; leave it to its author */ }
  });

  // Text that was not saved is not lost by a slip.
  let submitted = false;
  document.addEventListener("submit", () => { submitted = true; });
  addEventListener("beforeunload", (event) => {
    const text = document.querySelector("[data-guard]");
    const base = document.querySelector("textarea[name=base_text]");
    if (text && base && text.value !== base.value && !submitted) event.preventDefault();
  });

  // A request that failed is told at the top of the page, and to those who listen.
  const tell = (text) => {
    const note = document.getElementById("trouble") ?? document.createElement("p");
    note.id = "trouble";
    note.className = "note bad";
    note.textContent = text;
    document.getElementById("main").prepend(note);
    document.getElementById("status").textContent = text;
  };
  document.addEventListener("htmx:responseError", (event) => {
    const { status, responseText } = event.detail.xhr;
    tell(status === 401 || status === 403 ? `The program was started anew: ${responseText.slice(0, 200)}.` : `The server answered ${status}.`);
  });
  document.addEventListener("htmx:sendError", () => tell("The server does not answer."));
  document.addEventListener("htmx:afterOnLoad", () => document.getElementById("trouble")?.remove());
})();
