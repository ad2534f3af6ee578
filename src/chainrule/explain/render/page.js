"use strict";
// Each step of the page is one gate, forward and then backward. `boxes` are the boxes of the drawing, each after the
// boxes that feed it.

const { title, boxes, backward, single, code } = JSON.parse(document.getElementById("graph").textContent);
const output = boxes.length - 1;

// A row for each gate that the page can compute, filled in from the notation of chainrule.explain: `written`, a formula
// of the inputs x, y, z, or "" for a call; `value` of the inputs; `slopes`, one for each input, of the value and the
// inputs. At ties and corners the slopes are those of the Python rules.
const GATES = {};

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
  const row = GATES[gate];
  if (!row.written) return `${gate}(${values.map(number).join(", ")})`;
  const texts = values.map(number).map((text) => (row.bindsFirst ? parenthesised(text) : text));
  return row.written.replace(/\b[xyz]\b/g, (input) => texts["xyz".indexOf(input)]);
}

function parenthesised(text) {
  return text.startsWith("-") ? `(${text})` : text;
}

// Compute every value and gradient from the numbers of the inputs, and put the numbers into the equations.
function recompute(boxes) {
  for (const box of boxes.filter((box) => box.inputs.length)) {
    const values = box.inputs.map((i) => boxes[i].x);
    const value = GATES[box.gate].value(...values);
    box.x = box.rounded && typeof value === "number" ? Math.fround(value) : value;
    const [name, symbols, ...numbers] = box.forward.split(" = ");
    if (numbers.length > 1) box.forward = [name, symbols, written(box.gate, values), number(box.x)].join(" = ");
    else box.forward = [name, symbols, ...numbers.slice(1), number(box.x)].join(" = ");
  }
  for (const box of boxes) {
    box.value = number(box.x);
    box.g = box.traced ? 0 : null;
  }
  boxes.at(-1).g = 1;
  for (const box of [...boxes].reverse()) {
    if (!box.inputs.length || !box.traced) continue;
    const values = box.inputs.map((i) => boxes[i].x);
    let line = 0;
    box.inputs.forEach((i, k) => {
      if (!boxes[i].traced) return;
      const slope = GATES[box.gate].slopes[k](box.x, ...values);
      // A gradient of exactly 0 stays 0 where the slope is infinite.
      const share = box.g === 0 ? 0 : box.g * slope;
      boxes[i].g += share;
      if (box.rounded) boxes[i].g = Math.fround(boxes[i].g);
      if (box.backward[line]?.includes(" += ")) {
        const [formula] = box.backward[line].split(" = ");
        const numbers = `${number(box.g)} * ${parenthesised(number(slope))}`;
        box.backward[line] = `${formula} = ${numbers} = ${number(share)}`;
      }
      line += 1;
    });
  }
  for (const box of boxes) box.gradient = box.g === null ? null : number(box.g);
}

// Return why a reader cannot change the inputs, or "" where a reader can.
function whyFixed() {
  if (!single) return "The inputs can be changed only where every value is a single number and no nodes are folded.";
  const unknown = boxes.find((box) => box.inputs.length && (!Object.hasOwn(GATES, box.gate) || box.settings));
  return unknown ? `This page cannot compute ${unknown.gate} itself, so the inputs cannot be changed.` : "";
}

const find = (id) => document.getElementById(id);
const make = (tag, text, properties = {}) => Object.assign(document.createElement(tag), { textContent: text }, properties);
const gates = boxes.map((box, i) => i).filter((i) => boxes[i].inputs.length || boxes[i].fold);
const steps = [{ kind: "given" }, ...gates.map((box) => ({ kind: "forward", box }))];
if (backward) {
  steps.push({ kind: "seed", box: output });
  steps.push(...gates.filter((i) => boxes[i].traced).reverse().map((box) => ({ kind: "backward", box })));
}
const valueAt = boxes.map((box, i) => Math.max(0, steps.findIndex((s) => s.kind === "forward" && s.box === i)));
const gradientAt = boxes.map((box, i) => {
  const shares = steps.map((s, k) => (s.kind === "backward" && boxes[s.box].inputs.includes(i) ? k : 0));
  return box.traced && backward ? Math.max(steps.findIndex((s) => s.kind === "seed"), ...shares) : Infinity;
});
const uses = (i) => boxes.reduce((count, box) => count + box.inputs.filter((j) => j === i).length, 0);
let now = 0;
let timer = 0;

function describe(k) {
  const step = steps[k];
  const box = boxes[step.box];
  const given = boxes.filter((box) => !box.inputs.length && !box.fold).map((box) => box.forward);
  if (step.kind === "given") return ["The inputs are given.", given];
  if (step.kind === "seed") return [`Backward begins at ${box.name}.`, [`d${box.name} = d${box.name}/d${box.name} = 1`]];
  const what = box.fold ? `${box.name}: ${box.inside}` : `${box.name}, gate ${box.gate}`;
  if (step.kind === "forward") return [`Forward: ${what}.`, box.fold ? [] : [box.forward]];
  const done = boxes.filter((other, i) => !other.fold && gradientAt[i] === k && uses(i) > 1);
  const shares = done.map((other) => `d${other.name} is now complete: ${other.gradient}`);
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
      row.querySelector(`.${what}`).textContent = computed ? text : text === null ? "no gradient flows" : "not computed yet";
    }
    for (const part of [node, row]) part.classList.toggle("now", kind !== "given" && i === box);
  });
  document.querySelectorAll("[data-to]").forEach((wire) => {
    const flows = kind === "forward" || (kind === "backward" && boxes[wire.dataset.from].traced);
    const lit = flows && wire.dataset.to === String(box);
    wire.classList.toggle("lit", lit);
    wire.classList.toggle("back", lit && kind === "backward");
    // The element that comes last is drawn on top.
    if (lit) wire.parentNode.append(wire);
  });
  tell(now);
  if (code) showCode(kind, boxes[box]);
  document.querySelectorAll("#track i").forEach((part, k) => part.classList.toggle("done", k <= now));
  find("step").textContent = `Step ${now} of ${steps.length - 1}`;
  for (const [id, end] of [["first", 0], ["back", 0], ["next", steps.length - 1], ["last", steps.length - 1]])
    find(id).setAttribute("aria-disabled", String(now === end));
  if (box !== undefined) reveal(document.querySelector(`.node[data-box="${box}"]`));
}

function tell(k) {
  const [head, lines] = describe(k);
  find("head").textContent = head;
  find("lines").className = steps[k].kind;
  find("lines").replaceChildren(...lines.map((line) => make("li", line)));
}

// Keep room for the longest step, so that the drawing below stays where it is.
function settle() {
  const rule = document.querySelector(".rule");
  rule.style.minHeight = "";
  const heights = steps.map((step, k) => (tell(k), rule.getBoundingClientRect().height));
  rule.style.minHeight = `${Math.max(...heights)}px`;
  tell(now);
}

// Mark the lines of the program that belong to a step, and in them what is a part of a line only.
function showCode(kind, box) {
  const gate = kind === "forward" || kind === "backward";
  const [lit, parts] = gate ? box.lines.slice(...(kind === "forward" ? [0, 2] : [2, 4])) : [[], []];
  const lines = [...find("code").children];
  lines.forEach((line, k) => {
    line.className = lit.includes(k) ? (kind === "backward" ? "lit back" : "lit") : "";
    line.replaceChildren(...(lit.includes(k) ? marked(code[k], parts.find(([of]) => of === k)) : [code[k] || " "]));
  });
  const none = "No line of its own: the numbers are known before the program runs, or passed on as they are.";
  find("said").textContent = gate && !lit.length ? none : "";
  // Scroll the program, and never the page.
  if (lit.length) find("code").scrollTop = lines[lit[0]].offsetTop - find("code").offsetTop - find("code").clientHeight / 3;
}

function marked(line, part) {
  if (!part) return [line];
  const cut = (...ends) => [...line].slice(...ends).join("");
  return [cut(0, part[1]), make("mark", cut(part[1], part[2])), cut(part[2])];
}

// A bar for each step, the forward ones and then the backward ones.
function track() {
  const firstBackward = backward ? steps.findIndex((step) => step.kind === "seed") : steps.length;
  for (const [kind, start, end] of [["forward", 0, firstBackward], ["backward", firstBackward, steps.length]]) {
    if (start === end) continue;
    const group = make("div", "", { className: kind });
    group.style.flex = end - start;
    group.append(make("small", kind), ...steps.slice(start, end).map((step, k) => {
      const part = make("i", "", { title: describe(start + k)[0] });
      part.addEventListener("click", () => (stop(), show(start + k)));
      return part;
    }));
    find("track").append(group);
  }
}

// Scroll the drawing, and never the page, until the node is in the middle.
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
  const inputs = boxes.filter((box) => box.gate === "input" && box.traced && backward);
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
  const reset = make("button", "Reset", { type: "button" });
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
  // A small graph is shown larger than it is drawn; a graph that would be too small to read is scrolled instead.
  svg.style.width = `${natural * Math.min(Math.max(room / natural, 1), 1.5)}px`;
  find("zoom").hidden = natural <= room;
  find("zoom").addEventListener("click", () => fit(!find("pane").classList.contains("fit")));
  fit(room / natural > (room > 900 ? 0.6 : 0.9));
  inputsPanel();
  track();
  if (code) {
    find("program").hidden = false;
    find("code").replaceChildren(...code.map((line) => make("span", line)));
  }
  settle();
  addEventListener("resize", settle);
  show(0);
}

start();
