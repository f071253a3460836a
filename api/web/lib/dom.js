// Elements without markup in strings: text from the chain (symbols, names) is always text, never HTML.

/** Make an element: h("a", {href}, "text", child...). `on*` are listeners, `class`, `dataset`, other names attributes. */
export function h(tag, properties, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "dataset") Object.assign(element.dataset, value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(3).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** A panel with a heading; `note` stands beside it. */
export function panel(title, { note, size = "", id } = {}, ...children) {
  return h("section", { class: `panel ${size}`, id, "aria-label": title }, h("header", null, h("h2", null, title), note && h("small", null, note)), ...children);
}

export function tiles(entries) {
  return h("dl", { class: "tiles" }, entries.map(([name, value, note, id]) =>
    h("div", { class: "tile", id }, h("dt", null, name), h("dd", null, value), note && h("dd", { class: "note" }, note))));
}

/** A table from columns [{name, value(row), number, title}] and rows. */
export function table(columns, rows, { caption, empty = "Nothing here." } = {}) {
  if (!rows.length) return h("p", { class: "empty" }, empty);
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption ?? "table" },
    h("table", null,
      caption && h("caption", { class: "hidden" }, caption),
      h("thead", null, h("tr", null, columns.map((column) => h("th", { scope: "col", class: column.number && "number", title: column.title }, column.name)))),
      h("tbody", null, rows.map((row) => h("tr", null, columns.map((column) => {
        const value = column.value(row);
        return h("td", { class: column.number && "number" }, value === null || value === undefined || value === "" ? "–" : value);
      }))))));
}

export function tag(text, kind = "", title) {
  return h("span", { class: `tag ${kind}`, title }, text);
}

export function label(text, control) {
  return h("label", null, text, control);
}

/** What went wrong, for people, with what the server said of it. */
export function failure(error, ...more) {
  return h("div", { class: "error", role: "alert" }, h("p", null, error.detail ?? error.message ?? String(error)), ...more);
}

/** Put children in place of what is there, and keep the keyboard's place in it by id. */
export function replace(element, ...children) {
  const held = element.contains(document.activeElement) && document.activeElement.id;
  const scrolled = element.querySelector(".scroll")?.scrollLeft;
  element.replaceChildren(...children.flat().filter(Boolean));
  if (held) document.getElementById(held)?.focus();
  if (scrolled && element.querySelector(".scroll")) element.querySelector(".scroll").scrollLeft = scrolled;
}
