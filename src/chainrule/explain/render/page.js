"use strict";
// One step of the page is one gate, forward and then backward. `boxes` are what is drawn, each after what feeds it.

const { title, boxes, backward, single } = JSON.parse(document.getElementById("graph").textContent);
const output = boxes.length - 1;

// gate: [value, slope in each input]; a slope is handed the output, then the inputs. Ties and corners are those of the
// Python rules: equals share evenly, the slope of relu and of abs at 0 is 0.
const sigmoid = (x) => (x >= 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x)));
const softplus = (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
const larger = (a, b) => (a > b ? 1 : a === b ? 0.5 : 0);
const one = () => 1;
const GATES = {
  abs: [Math.abs, (y, x) => Math.sign(x)],
  acos: [Math.acos, (y, x) => -1 / Math.sqrt((1 - x) * (1 + x))],
  acosh: [Math.acosh, (y, x) => 1 / Math.sqrt((x - 1) * (x + 1))],
  add: [(a, b) => a + b, one, one],
  asin: [Math.asin, (y, x) => 1 / Math.sqrt((1 - x) * (1 + x))],
  asinh: [Math.asinh, (y, x) => 1 / Math.hypot(x, 1)],
  atan: [Math.atan, (y, x) => 1 / (1 + x * x)],
  atan2: [Math.atan2, (y, a, b) => b / (a * a + b * b || 1), (y, a, b) => -a / (a * a + b * b || 1)],
  atanh: [Math.atanh, (y, x) => 1 / ((1 - x) * (1 + x))],
  cos: [Math.cos, (y, x) => -Math.sin(x)],
  cosh: [Math.cosh, (y, x) => Math.sinh(x)],
  divide: [(a, b) => a / b, (y, a, b) => 1 / b, (y, a, b) => -y / b],
  equal: [(a, b) => a === b],
  exp: [Math.exp, (y) => y],
  expm1: [Math.expm1, (y) => y + 1],
  greater: [(a, b) => a > b],
  greater_equal: [(a, b) => a >= b],
  hinge: [(z, t) => Math.max(0, 1 - t * z), (y, z, t) => (1 - t * z > 0 ? -t : 0), (y, z, t) => (1 - t * z > 0 ? -z : 0)],
  hypot: [Math.hypot, (y, a) => a / (y || 1), (y, a, b) => b / (y || 1)],
  less: [(a, b) => a < b],
  less_equal: [(a, b) => a <= b],
  log: [Math.log, (y, x) => 1 / x],
  log10: [Math.log10, (y, x) => 1 / (x * Math.LN10)],
  log1p: [Math.log1p, (y, x) => 1 / (1 + x)],
  log2: [Math.log2, (y, x) => 1 / (x * Math.LN2)],
  log_sigmoid: [(x) => -softplus(-x), (y, x) => sigmoid(-x)],
  logaddexp: [(a, b) => b + softplus(a - b), (y, a, b) => sigmoid(a - b), (y, a, b) => sigmoid(b - a)],
  maximum: [(a, b) => Math.max(a, b), (y, a, b) => larger(a, b), (y, a, b) => larger(b, a)],
  mean: [(x) => x, one],
  minimum: [(a, b) => Math.min(a, b), (y, a, b) => larger(b, a), (y, a, b) => larger(a, b)],
  multiply: [(a, b) => a * b, (y, a, b) => b, (y, a) => a],
  negative: [(x) => -x, () => -1],
  not_equal: [(a, b) => a !== b],
  positive: [(x) => x, one],
  pow: [
    (a, b) => a ** b,
    (y, a, b) => (b === 0 ? 0 : b * a ** (b - 1)),
    (y, a, b) => (a === 0 && b > 0 ? 0 : y * Math.log(a)),
  ],
  reciprocal: [(x) => 1 / x, (y) => -y * y],
  relu: [(x) => Math.max(x, 0), (y, x) => (x > 0 ? 1 : 0)],
  sigmoid: [sigmoid, (y) => y * (1 - y)],
  sigmoid_cross_entropy: [(z, y) => softplus(z) - y * z, (l, z, y) => sigmoid(z) - y, (l, z) => -z],
  sign: [Math.sign],
  sin: [Math.sin, (y, x) => Math.cos(x)],
  sinh: [Math.sinh, (y, x) => Math.cosh(x)],
  softplus: [softplus, (y, x) => sigmoid(x)],
  sqrt: [Math.sqrt, (y) => 0.5 / y],
  square: [(x) => x * x, (y, x) => 2 * x],
  subtract: [(a, b) => a - b, one, () => -1],
  sum: [(x) => x, one],
  tan: [Math.tan, (y) => 1 + y * y],
  tanh: [Math.tanh, (y) => 1 - y * y],
  where: [(c, a, b) => (c ? a : b), () => 0, (y, c) => (c ? 1 : 0), (y, c) => (c ? 0 : 1)],
};
const INFIX = {
  add: "+", divide: "/", equal: "==", greater: ">", greater_equal: ">=", less: "<", less_equal: "<=", multiply: "*",
  not_equal: "!=", pow: "**", subtract: "-",
};

// Six significant digits, as Python's format(x, ".6g") writes them.
function number(x) {
  if (typeof x === "boolean") return String(x);
  if (Number.isNaN(x)) return "nan";
  if (!Number.isFinite(x)) return x > 0 ? "inf" : "-inf";
  if (x === 0) return "0";
  const [digits, exponent] = x.toExponential(5).split("e");
  if (exponent >= -4 && exponent < 6) return String(Number(x.toPrecision(6)));
  return `${Number(digits)}e${exponent[0]}${exponent.slice(1).padStart(2, "0")}`;
}

function written(gate, values) {
  const guarded = ["pow", "negative", "square"].includes(gate);
  const [a, b] = values.map(number).map((text) => (guarded && text.startsWith("-") ? `(${text})` : text));
  if (gate in INFIX) return `${a} ${INFIX[gate]} ${b}`.replace(" ** ", "**");
  if (gate === "negative") return `-${a}`;
  if (gate === "square") return `${a}**2`;
  if (gate === "reciprocal") return `1 / ${a}`;
  const name = { maximum: "max", minimum: "min" }[gate] ?? gate;
  return `${name}(${values.map(number).join(", ")})`;
}

// Compute every value and gradient from the numbers of the inputs, and say it in the words of the first rules.
function recompute(boxes) {
  for (const box of boxes.filter((box) => box.inputs.length)) {
    const values = box.inputs.map((i) => boxes[i].x);
    const value = GATES[box.gate][0](...values);
    box.x = box.rounded && typeof value === "number" ? Math.fround(value) : value;
    const [name, symbols, ...numbers] = box.forward.split(" = ");
    if (numbers.length > 1) box.forward = [name, symbols, written(box.gate, values), number(box.x)].join(" = ");
    else box.forward = [name, symbols, ...numbers.slice(1), number(box.x)].join(" = ");
  }
  for (const box of boxes) {
    box.value = number(box.x);
    box.g = box.followed ? 0 : null;
  }
  boxes.at(-1).g = 1;
  for (const box of [...boxes].reverse()) {
    if (!box.inputs.length || !box.followed) continue;
    const values = box.inputs.map((i) => boxes[i].x);
    let line = 0;
    box.inputs.forEach((i, k) => {
      if (!boxes[i].followed) return;
      const slope = GATES[box.gate][k + 1](box.x, ...values);
      // A gradient of exactly 0 stays 0 where the slope is infinite.
      const share = box.g === 0 ? 0 : box.g * slope;
      boxes[i].g += share;
      if (box.rounded) boxes[i].g = Math.fround(boxes[i].g);
      if (box.backward[line]?.includes(" += ")) {
        const factor = number(slope).startsWith("-") ? `(${number(slope)})` : number(slope);
        const words = box.backward[line].split(" = ")[0];
        box.backward[line] = `${words} = ${number(box.g)} * ${factor} = ${number(share)}`;
      }
      line += 1;
    });
  }
  for (const box of boxes) box.gradient = box.g === null ? null : number(box.g);
}

// Why a reader cannot change the inputs; "" where they can.
function whyFixed() {
  if (!single) return "Inputs can be changed where every value is one number and nothing is folded; here they cannot.";
  const unknown = boxes.find((box) => box.inputs.length && (!Object.hasOwn(GATES, box.gate) || box.settings));
  return unknown ? `This page cannot compute ${unknown.gate} itself, so the inputs stay as they are.` : "";
}

const find = (id) => document.getElementById(id);
const make = (tag, text, properties = {}) => Object.assign(document.createElement(tag), { textContent: text }, properties);
const gates = boxes.map((box, i) => i).filter((i) => boxes[i].inputs.length || boxes[i].fold);
const steps = [{ kind: "given" }, ...gates.map((box) => ({ kind: "forward", box }))];
if (backward) {
  steps.push({ kind: "seed", box: output });
  steps.push(...gates.filter((i) => boxes[i].followed).reverse().map((box) => ({ kind: "backward", box })));
}
const valueAt = boxes.map((box, i) => Math.max(0, steps.findIndex((s) => s.kind === "forward" && s.box === i)));
const gradientAt = boxes.map((box, i) => {
  const shares = steps.map((s, k) => (s.kind === "backward" && boxes[s.box].inputs.includes(i) ? k : 0));
  return box.followed && backward ? Math.max(steps.findIndex((s) => s.kind === "seed"), ...shares) : Infinity;
});
const uses = (i) => boxes.reduce((count, box) => count + box.inputs.filter((j) => j === i).length, 0);
let now = 0;
let timer = 0;

function describe(step) {
  const box = boxes[step.box];
  const given = boxes.filter((box) => !box.inputs.length && !box.fold).map((box) => box.forward);
  if (step.kind === "given") return ["The inputs are given.", given];
  if (step.kind === "seed") return [`Backward begins at ${box.name}.`, [`d${box.name} = d${box.name}/d${box.name} = 1`]];
  const what = box.fold ? `${box.name}: ${box.inside}` : `${box.name}, gate ${box.gate}`;
  if (step.kind === "forward") return [`Forward: ${what}.`, box.fold ? [] : [box.forward]];
  const done = boxes.filter((other, i) => !other.fold && gradientAt[i] === now && uses(i) > 1);
  const shares = done.map((other) => `d${other.name} has all its shares: ${other.gradient}`);
  return [`Backward: ${what}.`, [...(box.fold ? [] : box.backward), ...shares]];
}

function show(step) {
  now = Math.min(Math.max(step, 0), steps.length - 1);
  const { kind, box } = steps[now];
  boxes.forEach((each, i) => {
    const node = document.querySelector(`.node[data-box="${i}"]`);
    const row = find("rows").children[i];
    const seen = [["value", each.value, valueAt[i] <= now], ["gradient", each.gradient, gradientAt[i] <= now]];
    for (const [what, text, computed] of seen) {
      node.querySelectorAll(`.${what}`).forEach((part) => part.classList.toggle("pending", !computed));
      row.querySelector(`.${what}`).textContent = computed ? text : text === null ? "none flows" : "not computed yet";
    }
    for (const part of [node, row]) part.classList.toggle("now", kind !== "given" && i === box);
  });
  document.querySelectorAll("[data-to]").forEach((wire) => {
    const flows = kind === "forward" || (kind === "backward" && boxes[wire.dataset.from].followed);
    const lit = flows && wire.dataset.to === String(box);
    wire.classList.toggle("lit", lit);
    wire.classList.toggle("back", lit && kind === "backward");
    // What is drawn last lies on top.
    if (lit) wire.parentNode.append(wire);
  });
  const [head, lines] = describe(steps[now]);
  find("head").textContent = head;
  find("lines").replaceChildren(...lines.map((line) => make("li", line)));
  find("place").textContent = `Step ${now} of ${steps.length - 1}`;
  for (const [id, end] of [["first", 0], ["back", 0], ["next", steps.length - 1], ["last", steps.length - 1]])
    find(id).setAttribute("aria-disabled", String(now === end));
  if (box !== undefined) reveal(document.querySelector(`.node[data-box="${box}"]`));
}

// Scroll the picture, and never the page, so that the node is in the middle.
function reveal(node) {
  const pane = find("pane");
  const [inner, outer] = [node.getBoundingClientRect(), pane.getBoundingClientRect()];
  const behavior = matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth";
  pane.scrollBy({ left: inner.x + inner.width / 2 - outer.x - outer.width / 2, behavior });
}

function stop() {
  clearInterval(timer);
  timer = 0;
  find("play").textContent = "Play";
}

function play() {
  if (timer) return stop();
  if (now === steps.length - 1) show(0);
  find("play").textContent = "Pause";
  timer = setInterval(() => (now < steps.length - 1 ? show(now + 1) : stop()), 1800);
}

const ACTIONS = {
  first: () => show(0), back: () => show(now - 1), play, next: () => show(now + 1), last: () => show(steps.length - 1),
};
const KEYS = { Home: "first", ArrowLeft: "back", " ": "play", ArrowRight: "next", End: "last" };

function act(name) {
  if (name !== "play") stop();
  ACTIONS[name]();
}

function redraw() {
  recompute(boxes);
  boxes.forEach((box, i) => {
    const node = document.querySelector(`.node[data-box="${i}"]`);
    node.querySelector(".value").textContent = box.value;
    node.dataset.value = box.x;
    if (box.gradient === null || !backward) return;
    node.querySelector(".gradient").textContent = box.gradient;
    node.dataset.gradient = box.g;
  });
  const inputs = boxes.filter((box) => box.gate === "input" && box.followed && backward);
  const said = [`${boxes[output].name} = ${boxes[output].value}`, ...inputs.map((x) => `d${x.name} = ${x.gradient}`)];
  find("changed").textContent = `Computed again: ${said.join(", ")}.`;
  document.querySelector("svg desc").textContent = boxes
    .map((box) => `${box.name}: ${box.gate}, value ${box.value}, gradient ${box.gradient}.`).join(" ");
  show(now);
}

function changed(field, box) {
  const x = field.value.trim() === "" ? NaN : Number(field.value);
  field.setAttribute("aria-invalid", String(!Number.isFinite(x)));
  if (!Number.isFinite(x)) {
    find("changed").textContent = `${box.name} needs a number; ${number(box.x)} is kept.`;
    return;
  }
  box.x = box.rounded ? Math.fround(x) : x;
  box.forward = `${box.name} = ${number(box.x)}`;
  redraw();
}

function inputsPanel() {
  const fixed = whyFixed();
  find("fixed").textContent = fixed;
  const given = boxes.filter((box) => box.gate === "input").sort((one, other) => one.index - other.index);
  find("changed").hidden = fixed !== "";
  if (fixed) return;
  const first = given.map((box) => box.x);
  const fields = given.map((box) => {
    const field = make("input", "", { type: "number", step: "any", value: box.x });
    field.addEventListener("input", () => changed(field, box));
    const pair = make("label", `${box.name} `);
    pair.append(field);
    find("inputs").append(pair);
    return field;
  });
  const reset = make("button", "As at first", { type: "button" });
  reset.addEventListener("click", () => {
    given.forEach((box, i) => {
      fields[i].value = first[i];
      changed(fields[i], box);
    });
  });
  if (given.length) find("inputs").append(reset);
}

function start() {
  for (const box of boxes) if ("x" in box && typeof box.x === "string") box.x = Number(box.x);
  find("rows").replaceChildren(...boxes.map((box) => {
    const row = document.createElement("tr");
    row.append(make("th", box.name, { scope: "row" }), make("td", box.fold ? box.inside : box.gate));
    row.append(make("td", "", { className: "value" }), make("td", "", { className: "gradient" }));
    return row;
  }));
  for (const name of Object.keys(ACTIONS)) find(name).addEventListener("click", () => act(name));
  document.addEventListener("keydown", (event) => {
    const own = event.key === " " ? "input,button,summary" : "input";
    const name = KEYS[event.key];
    if (!name || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey || event.target.closest(own)) return;
    event.preventDefault();
    act(name);
  });
  const svg = document.querySelector("svg.cr-graph");
  const natural = svg.width.baseVal.value;
  const room = find("pane").clientWidth;
  const fit = (on) => {
    find("pane").classList.toggle("fit", on);
    find("zoom").setAttribute("aria-pressed", String(on));
  };
  // A small graph is shown larger than drawn; one too small to read when it fits is scrolled.
  svg.style.width = `${natural * Math.min(Math.max(room / natural, 1), 1.5)}px`;
  find("zoom").hidden = natural <= room;
  find("zoom").addEventListener("click", () => fit(!find("pane").classList.contains("fit")));
  fit(room / natural > (room > 900 ? 0.6 : 0.9));
  inputsPanel();
  show(0);
}

start();
