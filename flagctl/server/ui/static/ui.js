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

  // The editor has a form beside a text. An answer about what was typed must not undo what was typed since: a part of the form with
  // the cursor in it, or that was changed since, stays as it is and only learns which of its fields are in the text by now.
  const fieldsOf = (part) => [...part.querySelectorAll("[name^='f:'], #env")];
  const nameOf = (details) => details.id || details.querySelector("summary").textContent;
  const stateOf = (field) => (field.type === "checkbox" ? field.checked : field.value);
  let sent = null;
  let stayed = [], open = [], cursor = null;
  const remember = () => {
    const form = document.getElementById("edit");
    sent = form ? { text: document.getElementById("text")?.value, fields: new Map(fieldsOf(form).map((one) => [one.id, stateOf(one)])) } : null;
    stayed = [];
  };
  const isCheck = (event) => event.detail.requestConfig?.path.endsWith("/edit/check");
  document.addEventListener("htmx:beforeRequest", (event) => { if (event.detail.requestConfig.path.includes("/edit/")) remember(); });
  // A step makes the form anew, so nothing can be typed into it meanwhile; the cursor stays where it is.
  const hold = (event, held) => {
    if (!event.detail.requestConfig.path.endsWith("/edit/step")) return;
    for (const field of document.querySelectorAll("#quick input, #quick textarea")) field.readOnly = held;
  };
  document.addEventListener("htmx:beforeSend", (event) => hold(event, true));
  document.addEventListener("htmx:afterRequest", (event) => hold(event, false));
  document.addEventListener("htmx:beforeSwap", (event) => {
    open = [...document.querySelectorAll("#quick details[open]")].map(nameOf);
    const field = document.activeElement;
    cursor = field?.id && field.closest("#editor") ? { id: field.id, top: field.getBoundingClientRect().top } : null;
    if (isCheck(event) && sent && document.getElementById("text")?.value !== sent.text) event.detail.shouldSwap = false;
  });
  document.addEventListener("htmx:oobBeforeSwap", (event) => {
    const part = event.detail.target;
    if (!part.matches("#edit fieldset") || !sent) return;
    const typedSince = fieldsOf(part).some((one) => sent.fields.has(one.id) && sent.fields.get(one.id) !== stateOf(one));
    if (part.contains(document.activeElement) || typedSince) {
      event.detail.shouldSwap = false;
      stayed.push(part);
    }
  });
  const sums = () => {
    for (const group of document.querySelectorAll("[data-weights]")) {
      const numbers = [...group.querySelectorAll("input.percent")].map((one) => Number(one.value.replace("%", "") || 0));
      const sum = Math.round(numbers.reduce((one, other) => one + other, 0) * 1000) / 1000;
      const text = Number.isNaN(sum) ? "no numbers" : sum === 100 ? "Sum: 100 %" : `Sum: ${sum} %, not 100 %`;
      const place = group.querySelector(".sum");
      if (place.textContent !== text) place.textContent = text;
      place.classList.toggle("wrong", sum !== 100);
    }
  };
  // A button that was pressed may have been away, inside of what is folded, when the form came; and what stands above it may have grown.
  const stay = () => {
    const field = cursor && document.getElementById(cursor.id);
    if (!field) return;
    if (document.activeElement !== field) field.focus({ preventScroll: true });
    scrollBy({ top: field.getBoundingClientRect().top - cursor.top, behavior: "instant" });
  };
  const settle = () => {
    const came = document.getElementById("came");
    if (!came) return;
    for (const one of document.querySelectorAll("#quick details")) if (open.includes(nameOf(one))) one.open = true;
    const marks = JSON.parse(came.dataset.marks), done = JSON.parse(came.dataset.done);
    for (const place of document.querySelectorAll(".field-error")) {
      const id = place.id.replace(/-error$/, "");
      if (place.textContent !== (marks[id] ?? "")) place.textContent = marks[id] ?? "";
      for (const field of document.querySelectorAll(`[aria-describedby~="${place.id}"]:is(input, select, textarea)`)) {
        if (marks[id]) field.setAttribute("aria-invalid", "true"); else field.removeAttribute("aria-invalid");
      }
    }
    for (const part of stayed.splice(0)) {
      for (const was of part.querySelectorAll("[name^='was:']")) {
        const name = was.name.slice(4);
        if (name in done) was.value = done[name];
      }
    }
    const text = document.getElementById("text"), fresh = came.querySelector("textarea");
    if (text && fresh && text.value !== fresh.value) {
      const { scrollTop, scrollLeft } = text;
      text.value = fresh.value;
      text.scrollTo(scrollLeft, scrollTop);
      fresh.remove();
    }
    sums();
    stay();
  };
  document.addEventListener("htmx:afterSwap", settle);
  document.addEventListener("input", sums);
  sums();

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
