// What is wrong with what a page shows now: (words that need no translation, or null) → sentences.
(untranslated) => {
  const faults = new Set();
  const name = (element) => {
    const id = element.id ? `#${element.id}` : `${element.tagName.toLowerCase()}.${element.className}`;
    return `${id} “${(element.textContent || element.placeholder || '').trim().slice(0, 30)}”`;
  };
  const hidden = (element) => element.closest('.hidden, [aria-hidden="true"]') !== null;
  const all = [...document.querySelectorAll('body *')].filter((element) => element.checkVisibility({ visibilityProperty: true }));
  const seen = all.filter((element) => !hidden(element));

  // --- width ---

  if (document.scrollingElement.scrollWidth > innerWidth) {
    faults.add(`the page is ${document.scrollingElement.scrollWidth} wide, its window ${innerWidth}`);
  }
  const scrolls = (element) => {
    for (let at = element.parentElement; at; at = at.parentElement) {
      if (/auto|scroll|hidden/.test(getComputedStyle(at).overflowX) && at !== document.body) return true;
    }
    return false;
  };
  for (const element of seen) {
    const { left, right, width } = element.getBoundingClientRect();
    if (width && (right > innerWidth + 1 || left < -1) && !scrolls(element)) faults.add(`sticks out: ${name(element)}`);
  }

  // --- controls: each can be brought into sight, and nothing lies over it ---

  const controls = 'button, input, select, textarea, summary, a[href], [tabindex="0"]';
  const modal = document.querySelector('dialog[open]');
  for (const control of (modal ?? document).querySelectorAll(controls)) {
    if (!control.checkVisibility({ visibilityProperty: true }) || control.disabled || control.matches(':disabled')) continue;
    control.scrollIntoView({ block: 'center', inline: 'center' });
    const { left, right, top, bottom, width, height } = control.getBoundingClientRect();
    const there = document.elementFromPoint((left + right) / 2, (top + bottom) / 2);
    const its = there && (control.contains(there) || there.closest('label')?.control === control);
    if (!its) faults.add(`cannot be reached: ${name(control)}, ${there ? name(there) : 'nothing'} is there`);
    const target = control.closest('label') ?? control;
    const { width: wide, height: high } = target.getBoundingClientRect();
    if (Math.max(height, high) < 16 || Math.max(width, wide) < 16) faults.add(`too small to hit: ${name(control)}`);
  }

  // --- contrast (WCAG 2, AA) ---

  const pen = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
  const shade = (colour) => {
    pen.clearRect(0, 0, 1, 1);
    pen.fillStyle = colour;
    pen.fillRect(0, 0, 1, 1);
    const [red, green, blue, alpha] = pen.getImageData(0, 0, 1, 1).data;
    return { red, green, blue, alpha };
  };
  const background = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const found = shade(getComputedStyle(at).backgroundColor);
      if (found.alpha > 250) return found;
    }
    return shade('white');
  };
  const linear = (part) => (part / 255 <= 0.04045 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4);
  const luminance = ({ red, green, blue }) => 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
  const said = (element) => [...element.childNodes].filter((node) => node.nodeType === 3 && node.data.trim());
  for (const element of seen) {
    if (!said(element).length || element.matches(':disabled, :disabled *, option')) continue;
    if (!element.checkVisibility({ opacityProperty: true })) continue;
    const style = getComputedStyle(element);
    const [one, other] = [luminance(shade(style.color)), luminance(background(element))];
    const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
    if (ratio < (large ? 3 : 4.5)) faults.add(`contrast ${ratio.toFixed(2)}: ${name(element)}`);
  }

  // --- names ---

  for (const control of document.querySelectorAll('button, input, select, textarea')) {
    if (!control.checkVisibility()) continue;
    const label = control.labels?.[0]?.textContent || control.getAttribute('aria-label') || control.textContent || control.title;
    if (!label?.trim()) faults.add(`has no name: ${name(control)}`);
  }

  // --- language ---

  if (untranslated) {
    const known = new Set(untranslated);
    const check = (text, where) => {
      for (const [word] of text.matchAll(/[A-Za-z][A-Za-z_-]+/g)) if (!known.has(word)) faults.add(`English: “${word}” in ${where}`);
    };
    const wire = 'code, pre, kbd, .event, .said, .entry .text, datalist, #filter-type option, #language option, [data-function] .about';
    for (const element of all) {
      if (element.closest(wire) || !element.checkVisibility({ opacityProperty: true })) continue;
      for (const node of said(element)) check(node.data, name(element));
      for (const attribute of ['title', 'aria-label', 'placeholder', 'alt']) {
        if (element.hasAttribute(attribute)) check(element.getAttribute(attribute), `${attribute} of ${name(element)}`);
      }
    }
  }
  return [...faults];
}
