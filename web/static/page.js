// What the page does beyond plain links and forms: suggestions, keys, copying, a sign that a search is under way.
"use strict";
(() => {
  const form = document.querySelector(".ask");
  const said = document.getElementById("said");
  const root = document.documentElement;
  let box = document.getElementById("q");
  root.classList.add("scripted");

  // --- loading
  const loading = (on) => {
    root.classList.toggle("is-loading", on);
    document.getElementById("content").setAttribute("aria-busy", String(on));
    if (on) said.textContent = "Searching";
  };
  form.addEventListener("submit", () => loading(true));
  window.addEventListener("pageshow", () => loading(false));

  // --- code of several lines does not fit an input
  const grow = (text) => {
    const area = document.createElement("textarea");
    for (const name of ["id", "name", "required", "spellcheck", "autocapitalize", "autocomplete", "aria-describedby"]) {
      if (box.hasAttribute(name)) area.setAttribute(name, box.getAttribute(name));
    }
    area.value = text;
    close();
    box.replaceWith(area);
    box = area;
    form.method = "post";
    area.focus();
  };

  // --- suggestions: a combobox with a listbox
  const list = document.getElementById("offers");
  let chosen = -1, asked = 0, timer = 0;
  const close = () => {
    list.hidden = true;
    list.replaceChildren();
    chosen = -1;
    asked += 1;
    clearTimeout(timer);
    if (box.getAttribute("role") === "combobox") {
      box.setAttribute("aria-expanded", "false");
      box.removeAttribute("aria-activedescendant");
    }
  };
  const choose = (index) => {
    const items = [...list.children];
    chosen = (index + items.length + 1) % (items.length + 1);
    if (chosen === items.length) chosen = -1;
    items.forEach((item, at) => item.setAttribute("aria-selected", String(at === chosen)));
    if (chosen < 0) return box.removeAttribute("aria-activedescendant");
    box.setAttribute("aria-activedescendant", items[chosen].id);
    items[chosen].scrollIntoView({ block: "nearest" });
  };
  // The word at the caret, and where it stands.
  const word = () => {
    const at = box.selectionStart;
    const start = box.value.slice(0, at).search(/\S*$/);
    return { text: box.value.slice(start, at), start, at };
  };
  const take = (item) => {
    const { start, at } = word();
    box.setRangeText(item.dataset.value, start, at, "end");
    close();
    box.focus();
  };
  const offer = (found) => {
    list.replaceChildren(...found.map((each, at) => {
      const item = document.createElement("li");
      item.id = `offer-${at}`;
      item.setAttribute("role", "option");
      item.setAttribute("aria-selected", "false");
      item.dataset.value = each.text;
      for (const text of [each.text, each.kind]) {
        const part = document.createElement("span");
        part.textContent = text;
        item.append(part);
      }
      item.addEventListener("mousedown", (event) => { event.preventDefault(); take(item); });
      return item;
    }));
    chosen = -1;
    list.hidden = !found.length;
    box.setAttribute("aria-expanded", String(found.length > 0));
    box.removeAttribute("aria-activedescendant");
    said.textContent = found.length ? `${found.length} suggestions` : "";
  };
  const suggest = async () => {
    const { text } = word();
    const mine = ++asked;
    if (text.length < 2) return close();
    const address = new URL(form.dataset.suggest, location.href);
    address.searchParams.set("prefix", text.slice(0, 200));
    address.searchParams.set("limit", "8");
    try {
      const reply = await fetch(address, { headers: { Accept: "application/json" } });
      if (!reply.ok || mine !== asked) return;
      const body = await reply.json();
      if (mine !== asked) return;
      const found = body.suggestions ?? body.items ?? [];
      offer(found.map((each) => typeof each === "string" ? { text: each, kind: "" } : { text: each.text ?? each.value ?? "", kind: each.kind ?? "" }));
    } catch {
      close(); // suggestions are a help, and their absence is no fault
    }
  };
  if (form.dataset.suggest && box.tagName === "INPUT") {
    box.setAttribute("role", "combobox");
    box.setAttribute("aria-autocomplete", "list");
    box.setAttribute("aria-controls", "offers");
    box.setAttribute("aria-expanded", "false");
  }
  form.addEventListener("input", () => {
    clearTimeout(timer);
    if (box.getAttribute("role") === "combobox") timer = setTimeout(suggest, 120);
  });
  form.addEventListener("focusout", (event) => { if (!form.contains(event.relatedTarget)) close(); });
  form.addEventListener("paste", (event) => {
    const text = event.clipboardData?.getData("text/plain") ?? "";
    if (box.tagName !== "INPUT" || !text.trim().includes("\n")) return;
    event.preventDefault();
    grow(box.value.slice(0, box.selectionStart) + text + box.value.slice(box.selectionEnd));
  });
  form.addEventListener("keydown", (event) => {
    if (event.target !== box || event.isComposing) return;
    const open = !list.hidden;
    if (event.key === "Escape" && open) { event.preventDefault(); close(); }
    else if (event.key === "ArrowDown" && open) { event.preventDefault(); choose(chosen + 1); }
    else if (event.key === "ArrowUp" && open) { event.preventDefault(); choose(chosen < 0 ? list.children.length - 1 : chosen - 1); }
    else if (event.key === "Enter" && open && chosen >= 0) { event.preventDefault(); take(list.children[chosen]); }
    else if (event.key === "Enter" && box.tagName === "TEXTAREA" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
    else if (event.key === "ArrowDown" && !open && box.tagName === "INPUT") { event.preventDefault(); step(1); }
  });

  // --- results by key
  const opens = () => [...document.querySelectorAll(".result .open")];
  const step = (by) => {
    const links = opens();
    if (!links.length) return;
    const within = document.activeElement?.closest(".result");
    const at = links.findIndex((link) => link.closest(".result") === within);
    if (at + by < 0) return box.focus();
    const next = links[Math.min(links.length - 1, at + by)];
    next.focus({ preventScroll: true });
    next.closest(".result").scrollIntoView({ block: "nearest" });
  };
  document.addEventListener("keydown", (event) => {
    const target = event.target;
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (target.matches("input, textarea, select")) return;
    if (event.key === "/") { event.preventDefault(); box.focus(); box.select(); }
    else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      if (target.matches(".code") || !opens().length) return;
      event.preventDefault();
      step(event.key === "ArrowDown" ? 1 : -1);
    } else if (event.key === "c" && !String(getSelection())) {
      const button = (target.closest(".result") ?? document.querySelector(".result"))?.querySelector(".copy");
      if (button) copy(button);
    }
  });

  // --- copying
  const put = async (text) => {
    if (navigator.clipboard) return navigator.clipboard.writeText(text);
    const area = document.createElement("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    if (!done) throw new Error("not copied");
  };
  const copy = async (button) => {
    let word = "Copied";
    try {
      const reply = await fetch(button.dataset.text);
      if (!reply.ok) throw new Error(reply.statusText);
      await put(await reply.text());
    } catch {
      word = "Could not copy";
    }
    button.textContent = said.textContent = word;
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  };
  for (const button of document.querySelectorAll(".copy")) {
    button.hidden = false;
    button.addEventListener("click", () => copy(button));
  }

  // --- how up to date the index is: looked at often while it changes, seldom otherwise, and never unseen
  const SOON = 2000, LATER = 15000;
  const refresh = async () => {
    const line = document.querySelector(".bar .live");
    if (line && !document.hidden) {
      try {
        const reply = await fetch(form.dataset.live);
        const found = new DOMParser().parseFromString(await reply.text(), "text/html").querySelector(".live");
        if (found) line.replaceWith(found);
        else if (reply.ok) line.remove();
      } catch {
        // the server is gone for now; the line is as old as the page
      }
    }
    watch();
  };
  const watch = () => {
    const line = document.querySelector(".bar .live");
    if (line) setTimeout(refresh, line.dataset.tone === "busy" ? SOON : LATER);
  };
  watch();

  // --- a page that waits for the first answers asks for them
  const awaited = document.querySelector("[data-await]");
  const look = async () => {
    try {
      if ((await fetch(awaited.dataset.await)).ok) return form.method === "post" ? form.requestSubmit() : location.reload();
    } catch {
      // the server is gone for now
    }
    setTimeout(look, 1000);
  };
  if (awaited) setTimeout(look, 1000);

  // --- filters start closed where they would push the results away
  if (matchMedia("(max-width: 60rem)").matches) document.querySelector(".filters details")?.removeAttribute("open");
})();
