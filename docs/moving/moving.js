"use strict";
// What the pages share: words in two languages, numbers, sliders, play and step, pictures, and what is told below.
// A page is NAME.html with NAME.js behind this script. Letters are drawn in SVG alone, so that they can be read.

const language = new URLSearchParams(location.search).get("lang") === "zh" ? "zh" : "en";
const find = (id) => document.getElementById(id);
const make = (tag, text = "", properties = {}) =>
  Object.assign(document.createElement(tag), { textContent: text }, properties);
const isStill = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
const COMMON = {
  en: { play: "Play", pause: "Pause", step: "Step", reset: "Reset", other: "中文", keys: "Arrow keys move it." },
  zh: { play: "播放", pause: "暂停", step: "单步", reset: "重来", other: "English", keys: "可用方向键移动。" },
};

// From { en: {...}, zh: {...} } return word(key, ...values): a string, or what a function of the values writes.
// The title and each element with data-word are filled in.
function words(table) {
  const word = (key, ...values) => {
    const found = table[language][key] ?? COMMON[language][key];
    return typeof found === "function" ? found(...values) : found;
  };
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  document.title = word("title");
  for (const each of document.querySelectorAll("[data-word]")) each.textContent = word(each.dataset.word);
  return word;
}

// Significant digits as Python's format(x, ".6g") writes them.
function number(x, digits = 6) {
  if (Number.isNaN(x)) return "nan";
  if (!Number.isFinite(x)) return x > 0 ? "inf" : "-inf";
  if (x === 0) return "0";
  const [mantissa, exponent] = x.toExponential(digits - 1).split("e");
  if (exponent >= -4 && exponent < digits) return String(Number(x.toPrecision(digits)));
  return `${Number(mantissa)}e${exponent[0]}${exponent.slice(1).padStart(2, "0")}`;
}

// A labelled slider with its field; with `log` the slider moves along the powers of 10. Return { value }, to read and
// to set. `changed(value)` is called where the reader moved it.
function slider(into, { label, min, max, step = 0.1, value, log = false, changed }) {
  const [along, back] = log ? [Math.log10, (e) => Number((10 ** e).toPrecision(2))] : [(x) => x, (x) => x];
  const range = make("input", "", { type: "range", min: along(min), max: along(max), step, ariaLabel: label });
  const field = make("input", "", { type: "number", min, max, step: "any", ariaLabel: label });
  const row = make("div", "", { className: "slider" });
  const write = (kept) => {
    value = kept;
    range.value = along(value);
    range.setAttribute("aria-valuetext", number(value));
    field.setAttribute("aria-invalid", "false");
  };
  const set = (kept) => (write(kept), (field.value = number(kept)));
  range.addEventListener("input", () => (set(back(Number(range.value))), changed(value)));
  field.addEventListener("input", () => {
    const x = field.value.trim() === "" ? NaN : Number(field.value);
    if (x >= min && x <= max) return write(x), changed(value);
    field.setAttribute("aria-invalid", "true");
  });
  // What is no number within the bounds gives way to the number that is kept.
  field.addEventListener("change", () => set(value));
  row.append(make("span", label), range, field);
  into.append(row);
  set(value);
  return { get value() { return value; }, set value(x) { set(x); } };
}

// A labelled list to choose from: options are { key: text }. Return the <select>, whose `value` is a key.
function choice(into, { label, options, value, changed }) {
  const select = make("select", "", { ariaLabel: label });
  select.append(...Object.entries(options).map(([key, text]) => make("option", text, { value: key })));
  select.value = value ?? Object.keys(options)[0];
  select.addEventListener("change", () => changed(select.value));
  const row = make("div", "", { className: "choice" });
  row.append(make("span", label), select);
  into.append(row);
  return select;
}

function button(into, text, pressed) {
  const made = make("button", text, { type: "button" });
  made.addEventListener("click", pressed);
  into.append(made);
  return made;
}

// Buttons play, step and reset. step(seconds) advances by the seconds since the last call, by `stride` at a press of
// Step, and returns false at the end. Nothing plays unasked; readers who asked for less motion get at most two steps a
// second. Return { pause }.
function player(into, { step, reset, every = 0.05, stride = every }) {
  const label = COMMON[language];
  let timer = 0;
  const pause = () => (clearInterval(timer), (timer = 0), (play.textContent = label.play));
  const start = () => {
    let last = performance.now();
    play.textContent = label.pause;
    timer = setInterval(() => {
      const now = performance.now();
      if (step((now - last) / 1000) === false) pause();
      last = now;
    }, 1000 * (isStill() ? Math.max(every, 0.5) : every));
  };
  const play = button(into, label.play, () => (timer ? pause() : start()));
  play.className = "play";
  button(into, label.step, () => (pause(), step(stride)));
  button(into, label.reset, () => (pause(), reset()));
  return { pause };
}

// An SVG element in another; attributes by their names.
function shape(into, tag, attributes = {}, text = "") {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.textContent = text;
  into.append(made);
  return made;
}

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

// A picture of two layers: `pen` draws on a canvas (sharp on dense screens), and into `svg` go lines and letters.
// draw({ pen, svg, width, height }) starts from empty layers; height(width) is in CSS pixels; label() says in words
// what is seen. pressed(x, y), if given, is called for a press. Return { redraw, svg }; what is put into that svg stays.
function picture(into, { label, height, draw, pressed }) {
  const box = make("div", "", { className: "picture" });
  const canvas = make("canvas", "", { ariaHidden: "true" });
  into.append(box);
  box.append(canvas);
  const svg = shape(box, "svg");
  let group = shape(svg, "g");
  let drawn = 0;
  const redraw = () => {
    const width = (drawn = box.clientWidth);
    // A frame that is not shown has no room; the picture is drawn once it has.
    if (!width) return;
    const tall = height(width);
    const dense = devicePixelRatio || 1;
    Object.assign(canvas, { width: Math.round(width * dense), height: Math.round(tall * dense) });
    for (const layer of [canvas, svg]) Object.assign(layer.style, { width: `${width}px`, height: `${tall}px` });
    const pen = canvas.getContext("2d");
    pen.scale(dense, dense);
    group.remove();
    group = shape(svg, "g", { role: "img", "aria-label": label() });
    svg.prepend(group);
    draw({ pen, svg: group, width, height: tall });
  };
  if (pressed) svg.addEventListener("click", (event) => event.target.closest(".handle") || pressed(...place(svg, event)));
  new ResizeObserver(() => box.clientWidth !== drawn && redraw()).observe(box);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  return { redraw, svg };
}

function place(svg, event) {
  const { x, y } = svg.getBoundingClientRect();
  return [event.clientX - x, event.clientY - y];
}

// A dot that is dragged, or moved by arrow keys (with shift by single pixels): moved(x, y) gets the pixels where it
// should be, and the page answers by put(x, y, label). Return { put, dot }.
function handle(svg, { moved, r = 9 }) {
  const dot = shape(svg, "circle", { r, class: "handle", tabindex: 0, role: "button" });
  dot.setAttribute("aria-description", COMMON[language].keys);
  const put = (x, y, label) => {
    for (const [name, value] of [["cx", x], ["cy", y], ["aria-label", label]]) dot.setAttribute(name, value);
  };
  dot.addEventListener("pointerdown", (event) => dot.setPointerCapture(event.pointerId));
  dot.addEventListener("pointermove", (event) => dot.hasPointerCapture(event.pointerId) && moved(...place(svg, event)));
  dot.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!by) return;
    event.preventDefault();
    const far = event.shiftKey ? 1 : 10;
    moved(Number(dot.getAttribute("cx")) + far * by[0], Number(dot.getAttribute("cy")) + far * by[1]);
  });
  return { put, dot };
}

// A frame with marks and names for the axes. `x` and `y` are [least, most], or [least, most, "log"]; `area` is
// [left, top, right, bottom] in pixels. Return { x, y }: from numbers to pixels, and each has `inverse`.
function axes(svg, { area: [left, top, right, bottom], x, y, names = ["", ""] }) {
  const [across, up] = [scale(x, left, right), scale(y, bottom, top)];
  shape(svg, "rect", { x: left, y: top, width: right - left, height: bottom - top, class: "frame" });
  for (const tick of ticks(x, (right - left) / 70)) {
    shape(svg, "line", { x1: across(tick), x2: across(tick), y1: bottom, y2: bottom + 5, class: "tick" });
    shape(svg, "text", { x: across(tick), y: bottom + 19, class: "mark", "text-anchor": "middle" }, number(tick, 4));
  }
  for (const tick of ticks(y, (bottom - top) / 40)) {
    shape(svg, "line", { x1: left - 5, x2: left, y1: up(tick), y2: up(tick), class: "tick" });
    shape(svg, "text", { x: left - 8, y: up(tick) + 4, class: "mark", "text-anchor": "end" }, number(tick, 4));
  }
  shape(svg, "text", { x: (left + right) / 2, y: bottom + 37, class: "mark", "text-anchor": "middle" }, names[0]);
  shape(svg, "text", { x: left, y: top - 7, class: "mark" }, names[1]);
  return { x: across, y: up };
}

function scale([least, most, kind], from, to) {
  const [along, back] = kind === "log" ? [Math.log10, (e) => 10 ** e] : [(x) => x, (x) => x];
  const [a, b] = [along(least), along(most)];
  const pixels = (x) => from + ((along(x) - a) / (b - a)) * (to - from);
  pixels.inverse = (p) => back(a + ((p - from) / (to - from)) * (b - a));
  return pixels;
}

function ticks([least, most, kind], room) {
  const [a, b] = kind === "log" ? [Math.log10(least), Math.log10(most)] : [least, most];
  const size = 10 ** Math.floor(Math.log10((b - a) / room));
  const found = [1, 2, 5, 10].map((k) => k * size).find((step) => (b - a) / step <= room);
  const step = kind === "log" ? Math.max(1, Math.ceil(found)) : found;
  const first = Math.ceil(a / step - 1e-9);
  const many = Math.floor(b / step + 1e-9) - first + 1;
  return Array.from({ length: many }, (_, k) => (kind === "log" ? 10 ** ((first + k) * step) : (first + k) * step));
}

// The sentence below the picture. Readers who listen hear it when it has stood for a while.
let soon = 0;
let heard = null;
function tell(text) {
  find("seen").textContent = text;
  clearTimeout(soon);
  if (heard) soon = setTimeout(() => (heard.textContent = text), 700);
  heard ??= document.querySelector("main").appendChild(make("p", "", { className: "heard", ariaLive: "polite" }));
}

if (parent === window) {
  const other = make("a", COMMON[language].other, { href: `?lang=${language === "zh" ? "en" : "zh"}`, className: "other" });
  other.lang = language === "zh" ? "en" : "zh-CN";
  document.querySelector("main").append(other);
} else {
  // The lesson around the page makes room for it.
  new ResizeObserver(() => parent.postMessage({ height: document.body.offsetHeight }, "*")).observe(document.body);
}
