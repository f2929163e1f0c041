/** The few things about documents that every view needs. */

/** @param {string} id @returns {any} the element, which is there */
export const byId = (id) => document.getElementById(id);

/**
 * @param {string} tag with classes, like `p.empty`
 * @param {Record<string, unknown>} [properties] of the element; `data-…`, `aria-…` and `role` become attributes
 * @param {...(Node | string)} children
 */
export function element(tag, properties = {}, ...children) {
  const [name, ...classes] = tag.split(".");
  const made = document.createElement(name);
  if (classes.length) made.className = classes.join(" ");
  for (const [key, value] of Object.entries(properties)) {
    if (/^(data|aria)-|^(role|for|list|scope)$/.test(key)) made.setAttribute(key, value);
    else made[key] = value;
  }
  made.append(...children);
  return made;
}

/** Set the text of an element, if it is another. */
export function setText(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

/** `12:03` or, with `parts`, `12:03.456`. @param {number} ms */
export function clock(ms, parts = false) {
  const whole = Math.max(0, ms);
  const seconds = Math.floor(whole / 1000);
  const text = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  return parts ? `${text}.${String(Math.floor(whole % 1000)).padStart(3, "0")}` : text;
}

/** Offer a file for download. @param {Blob} blob @param {string} name */
export function save(blob, name) {
  const link = element("a", { href: URL.createObjectURL(blob), download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}
