/** The sound of both sides over the last seconds, on one axis, with the time that each answer took. */

const SECONDS = 16;
const COLUMN_MS = 20;
const COLUMNS = (SECONDS * 1000) / COLUMN_MS;

export class Scope {
  #canvas;
  #you = new Float32Array(COLUMNS);
  #it = new Float32Array(COLUMNS);
  #at = new Float64Array(COLUMNS);
  #next = 0;
  #colours = null;
  #still = matchMedia("(prefers-reduced-motion: reduce)");

  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.#canvas = canvas;
    new ResizeObserver(() => this.draw(performance.now(), [])).observe(canvas);
  }

  /** @param {Int16Array} you @param {Int16Array} it @param {number} at ms @returns {{you: number, it: number}} peaks, 0 to 1 */
  add(you, it, at) {
    const peaks = { you: peak(you), it: peak(it) };
    this.#you[this.#next] = peaks.you;
    this.#it[this.#next] = peaks.it;
    this.#at[this.#next] = at;
    this.#next = (this.#next + 1) % COLUMNS;
    return peaks;
  }

  clear() {
    this.#at.fill(0);
  }

  /** The colours have changed. */
  recolour() {
    this.#colours = null;
  }

  /**
   * @param {number} now ms
   * @param {{from: number, to: number, label: string}[]} spans the time from the end of a turn to its answer
   */
  draw(now, spans) {
    const { width, height, pen } = sized(this.#canvas);
    if (!width) return;
    const colours = (this.#colours ??= coloursOf(this.#canvas));
    const middle = Math.round(height / 2);
    const span = SECONDS * 1000;
    // Without motion the picture stands still, and is written over from the left.
    const x = this.#still.matches ? (at) => ((at % span) / span) * width : (at) => width - ((now - at) / span) * width;
    this.#axis(pen, colours, width, height, middle);
    this.#side(pen, this.#you, x, now - span, middle - 1, 9 - middle, colours.you);
    this.#side(pen, this.#it, x, now - span, middle + 1, middle - 9, colours.it);
    if (this.#still.matches) return;
    for (const one of spans) this.#span(pen, colours, x(one.from), x(one.to), middle, one.label);
  }

  /** One side as a filled outline; `room` is signed: up is negative. */
  #side(pen, peaks, x, since, base, room, colour) {
    pen.fillStyle = colour;
    pen.beginPath();
    let before = null;
    for (let k = 0; k < COLUMNS; k++) {
      const n = (this.#next + k) % COLUMNS;
      if (this.#at[n] <= since) continue;
      const at = x(this.#at[n]);
      if (before === null || at < before || at - before > 40) {
        if (before !== null) pen.lineTo(before, base);
        pen.moveTo(at, base);
      }
      pen.lineTo(at, base + loudness(peaks[n]) * room);
      before = at;
    }
    if (before !== null) pen.lineTo(before, base);
    pen.fill();
  }

  #axis(pen, colours, width, height, middle) {
    pen.fillStyle = colours.line;
    for (let second = 2; second < SECONDS; second += 2) {
      pen.fillRect(Math.round((width * second) / SECONDS), middle - 3, 1, 6);
    }
    pen.fillRect(0, middle, width, 1);
  }

  #span(pen, colours, from, to, middle, label) {
    if (to < 0 || to - from < 2) return;
    pen.fillStyle = colours.ink;
    pen.fillRect(from, middle - 5, 1.5, 11);
    pen.fillRect(to - 1.5, middle - 5, 1.5, 11);
    pen.fillRect(from, middle - 0.5, to - from, 2);
    pen.font = `600 11px ${colours.font}`;
    pen.textAlign = "center";
    pen.lineWidth = 4;
    pen.lineJoin = "round";
    pen.strokeStyle = colours.sheet; // so that it can be read before a voice
    pen.strokeText(label, (from + to) / 2, middle - 12);
    pen.fillText(label, (from + to) / 2, middle - 12);
  }
}

/** A short history as a line. @param {HTMLCanvasElement} canvas @param {(number | null)[]} values @param {string} colour */
export function sparkline(canvas, values, colour) {
  const { width, height, pen } = sized(canvas);
  const most = Math.max(...values.filter((value) => value !== null), 1e-9);
  pen.strokeStyle = colour;
  pen.lineWidth = 1.5;
  pen.beginPath();
  let drawing = false;
  values.forEach((value, n) => {
    if (value === null) return void (drawing = false);
    const x = ((n + 0.5) / values.length) * width;
    const y = height - 2 - (value / most) * (height - 4);
    if (drawing) pen.lineTo(x, y);
    else pen.moveTo(x, y);
    drawing = true;
  });
  pen.stroke();
}

function sized(canvas) {
  const ratio = devicePixelRatio || 1;
  const { clientWidth: width, clientHeight: height } = canvas;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  return { width, height, pen };
}

/** Custom properties do not resolve light-dark() by themselves; a colour that is in use does. */
function coloursOf(canvas) {
  const probe = document.createElement("i");
  canvas.parentElement.append(probe);
  const colour = (name) => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  };
  const colours = { you: colour("you"), it: colour("it"), line: colour("line"), ink: colour("ink"), sheet: colour("sheet") };
  probe.remove();
  return { ...colours, font: getComputedStyle(document.body).fontFamily };
}

function peak(samples) {
  let most = 0;
  for (let n = 0; n < samples.length; n++) most = Math.max(most, Math.abs(samples[n]));
  return most / 32768;
}

/** Speech is seldom near full scale: the square root shows it better. */
const loudness = (value) => (value < 0.002 ? 0 : Math.sqrt(value));
