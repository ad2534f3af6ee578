// The page: each of its steps is one gate, forward and then backward. `boxes` are the boxes of the drawing, each after
// the boxes that feed it. Numbers come from evaluate.js, texts from words.js.

const graph = JSON.parse(document.getElementById("graph").textContent);
const { boxes, code } = graph;
const output = boxes.length - 1;
const MOST_CELLS = 36; // of an input that has a field for each element
const NUDGE = 0.001;

const find = (id) => document.getElementById(id);
const make = (tag, properties = {}, ...children) => {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
};
const nodeOf = (i) => document.querySelector(`.node[data-box="${i}"]`);
const rules = boxes.map((box, i) => nodeOf(i).querySelector("title").textContent);
const gates = boxes.map((box, i) => i).filter((i) => boxes[i].inputs.length || boxes[i].fold);
const steps = [{ kind: "given" }, ...gates.map((box) => ({ kind: "forward", box }))];
if (graph.backward) {
  steps.push({ kind: "seed", box: output });
  steps.push(...gates.filter((i) => boxes[i].traced).reverse().map((box) => ({ kind: "backward", box })));
}
steps.push({ kind: "result" });
const last = steps.length - 1;
const valueAt = boxes.map((box, i) => Math.max(0, steps.findIndex((s) => s.kind === "forward" && s.box === i)));
const gradientAt = boxes.map((box, i) => {
  const shares = steps.map((s, k) => (s.kind === "backward" && boxes[s.box].inputs.includes(i) ? k : 0));
  return box.traced && graph.backward ? Math.max(steps.findIndex((s) => s.kind === "seed"), ...shares) : Infinity;
});
const uses = (i) => boxes.reduce((count, box) => count + box.inputs.filter((j) => j === i).length, 0);
const inputs = boxes.filter((box) => box.gate === "input").sort((one, other) => one.index - other.index);
let fixed = graph.fixed;
let now = 0;
let timer = 0;
let noting = 0;

function describe(k) {
  const { kind, box: i } = steps[k];
  const box = boxes[i];
  if (kind === "given") {
    const given = boxes.filter((each) => !each.inputs.length && !each.fold);
    return ["The inputs are given.", given.map((each) => each.forward.join(" = "))];
  }
  if (kind === "seed") return [`Backward begins at ${box.name}.`, [`d${box.name} = d${box.name}/d${box.name} = 1`]];
  if (kind === "result") {
    const head = graph.backward ? "All values and gradients are computed." : "All values are computed.";
    return [head, results()];
  }
  const what = box.fold ? `${box.name}: ${box.inside}` : `${box.name}, gate ${box.gate}`;
  if (kind === "forward") return [`Forward: ${what}.`, box.fold ? [] : [box.forward.join(" = ")]];
  const done = boxes.filter((other, j) => !other.fold && gradientAt[j] === k && uses(j) > 1);
  const shares = done.map((other) => `d${other.name} is now complete: ${other.gradient}`);
  return [`Backward: ${what}.`, [...(box.fold ? [] : box.backward.map((sides) => sides.join(" = "))), ...shares]];
}

// The output and the gradients of the inputs.
function results() {
  const traced = inputs.filter((box) => box.traced && graph.backward);
  return [`${boxes[output].name} = ${boxes[output].value}`, ...traced.map((x) => `d${x.name} = ${x.gradient}`)];
}

function show(step) {
  now = Math.min(Math.max(step, 0), last);
  const { kind, box } = steps[now];
  boxes.forEach((each, i) => {
    const node = nodeOf(i);
    const row = find("rows").children[i];
    const seen = [["value", each.value, valueAt[i] <= now], ["gradient", each.gradient, gradientAt[i] <= now]];
    const said = seen.map(([what, text, computed]) => {
      node.querySelectorAll(`.${what}`).forEach((part) => part.classList.toggle("pending", !computed));
      const words = computed ? text : text === null ? "no gradient flows" : "not computed yet";
      row.querySelector(`.${what}`).textContent = words;
      return `${what} ${words}`;
    });
    // A title names the node for a screen reader, and for the mouse that rests on it.
    node.querySelector("title").textContent = [rules[i], ...said].join(", ");
    for (const part of [node, row]) part.classList.toggle("now", i === box);
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
  find("step").textContent = `Step ${now} of ${last}`;
  find("scrub").value = now;
  find("scrub").setAttribute("aria-valuetext", `${now} of ${last}. ${describe(now)[0]}`);
  for (const [id, end] of [["first", 0], ["back", 0], ["next", last], ["last", last]])
    find(id).setAttribute("aria-disabled", String(now === end));
  if (box !== undefined) reveal(nodeOf(box));
}

function tell(k) {
  const [head, lines] = describe(k);
  find("head").textContent = head;
  find("lines").className = steps[k].kind;
  find("lines").replaceChildren(...lines.map((line) => make("li", {}, line)));
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
  const { offsetTop, clientHeight } = find("code");
  if (lit.length) find("code").scrollTop = lines[lit[0]].offsetTop - offsetTop - clientHeight / 3;
}

function marked(line, part) {
  if (!part) return [line];
  const cut = (...ends) => [...line].slice(...ends).join("");
  return [cut(0, part[1]), make("mark", {}, cut(part[1], part[2])), cut(part[2])];
}

// A bar for each step, the forward ones and then the backward ones, under a slider whose thumb is as wide as a bar.
function track() {
  const seed = graph.backward ? steps.findIndex((step) => step.kind === "seed") : steps.length;
  for (const [kind, from, to] of [["forward", 0, seed], ["backward", seed, steps.length]]) {
    if (from === to) continue;
    const bars = range(to - from).map(() => make("i"));
    const group = { className: kind, style: `flex:${bars.length}` };
    find("track").append(make("div", group, make("small", {}, kind), ...bars));
  }
  find("scrubber").style.setProperty("--steps", steps.length);
  find("scrub").max = last;
  find("scrub").addEventListener("input", () => (stop(), note(), show(Number(find("scrub").value))));
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
  if (now === last) show(0);
  find("play").textContent = "Pause";
  timer = setInterval(() => (now < last ? show(now + 1) : stop()), 1800);
}

const ACTIONS = {
  first: () => show(0), back: () => show(now - 1), play, next: () => show(now + 1), last: () => show(last),
};
const KEYS = { Home: "first", ArrowLeft: "back", " ": "play", ArrowRight: "next", End: "last" };

function act(name) {
  if (name !== "play") stop();
  ACTIONS[name]();
  note();
}

// The step of a link such as graph.html#step=3.
const asked = () => Number(/^#step=(\d+)$/.exec(location.hash)?.[1] ?? last);

// Keep the step in the address, soon: browsers complain of many changes at once. A frame of a notebook has no address.
function note() {
  clearTimeout(noting);
  if (location.protocol !== "about:") noting = setTimeout(() => history.replaceState(null, "", `#step=${now}`), 300);
}

// Compute every number from those of the inputs.
function compute() {
  forward(boxes);
  if (graph.backward) backward(boxes);
}

// Tell whether the page computes the numbers that Python computed: sums of each box's, within six digits.
function agrees() {
  const weighed = (x, of) => x.reduce((sum, each, k) => sum + (k + 1) * of(each), 0);
  const all = boxes.map((box) => [box.x, box.g].filter(Array.isArray));
  const scale = (k) => Math.max(...all.map((each) => weighed(each[k] ?? [], Math.abs)).filter(Number.isFinite), 0);
  const scales = [scale(0), scale(1)];
  return boxes.every(({ sums }, i) => sums.every((text, k) => {
    const [expected, found] = [Number(text), weighed(all[i][k], Number)];
    const near = boxes.some((box) => box.dtype === "float32") ? 1e-3 : 1e-6;
    return Object.is(expected, found) || Math.abs(expected - found) <= near * scales[k];
  }));
}

function redraw() {
  compute();
  say(boxes);
  boxes.forEach((box, i) => {
    relabel(nodeOf(i), box, "value", box.x);
    if (graph.backward) relabel(nodeOf(i), box, "gradient", box.g);
  });
  find("changed").textContent = `Computed again: ${results().join(", ")}.`;
  document.querySelector("svg desc").textContent = boxes
    .map((box) => `${box.name}: ${box.gate}, value ${box.value}, gradient ${box.gradient}.`).join(" ");
  show(now);
  if (chosen !== null) about();
}

const NEEDS = {
  float64: ["a number", Number.isFinite], float32: ["a number", Number.isFinite],
  int64: ["a whole number", Number.isSafeInteger], bool: ["0 or 1", (x) => x === 0 || x === 1],
};
const indexed = (box, k) => {
  const at = box.shape.map((n, axis) => Math.floor(k / size(box.shape.slice(axis + 1))) % n);
  return at.length ? `${box.name}[${at.join(", ")}]` : box.name;
};

function changed(field, box, k) {
  const x = field.value.trim() === "" ? NaN : Number(field.value);
  const [what, fits] = NEEDS[box.dtype];
  field.setAttribute("aria-invalid", String(!fits(x)));
  if (!fits(x)) {
    find("changed").textContent = `${indexed(box, k)} needs ${what}; ${number(box.x[k])} is kept.`;
    return;
  }
  box.x = box.x.with(k, CASTS[box.dtype](x));
  redraw();
}

// A field for each element of an input, and for a single number a slider too.
function fields(box) {
  const name = `${box.name} `;
  const shape = box.shape.join(" × ");
  if (box.x.length > MOST_CELLS || box.shape.length > 2 || !box.x.length)
    return make("p", {}, `${name}(${shape}) stays as it is.`);
  const cells = box.x.map((x, k) => {
    const cell = make("input", { type: "number", step: "any", value: Number(x), ariaLabel: indexed(box, k) });
    cell.addEventListener("input", () => changed(cell, box, k));
    return cell;
  });
  if (box.shape.length) {
    const grid = make("div", { className: "cells", style: `--columns:${box.shape.at(-1)}` }, ...cells);
    return make("fieldset", {}, make("legend", {}, `${name}(${shape})`), grid);
  }
  const [cell] = cells;
  const ends = end(box.x[0]);
  const slider = make("input", { type: "range", min: -ends, max: ends, step: ends / 100, value: Number(cell.value) });
  slider.ariaLabel = `${name}slider`;
  slider.addEventListener("input", () => ((cell.value = slider.value), changed(cell, box, 0)));
  cell.addEventListener("input", () => (slider.value = cell.value));
  const label = make("label", {}, name, cell);
  return make("div", { className: "number" }, label, ...(box.dtype.startsWith("float") ? [slider] : []));
}

// 1, 2 or 5 times a power of ten: from 2|x| on, where the slider of x ends.
function end(x) {
  const wanted = 2 * Math.abs(x);
  if (!wanted || !Number.isFinite(wanted)) return 1;
  const power = 10 ** Math.floor(Math.log10(wanted));
  return [1, 2, 5, 10].map((digit) => digit * power).find((round) => round >= wanted) ?? wanted;
}

function inputsPanel() {
  find("fixed").textContent = fixed;
  find("changed").hidden = fixed !== "";
  if (fixed || !inputs.length) return;
  const first = inputs.map((box) => box.x);
  const fill = () => find("inputs").replaceChildren(...inputs.map(fields), reset);
  const reset = make("button", { type: "button" }, "Reset");
  reset.addEventListener("click", () => {
    inputs.forEach((box, i) => (box.x = first[i]));
    fill();
    redraw();
    reset.focus();
  });
  fill();
}

let chosen = null;
let element = 0;

function choose(i) {
  [chosen, element] = [i, 0];
  boxes.forEach((box, k) => {
    nodeOf(k).classList.toggle("chosen", k === i);
    nodeOf(k).setAttribute("aria-pressed", String(k === i));
  });
  about();
}

const signed = (x) => (x > 0 ? "+" : "") + number(x, 4);

// What the gradient of an element means: what the output does when a little is added to the element.
function meaning(box) {
  const out = boxes[output];
  if (!box.traced) return `No gradient flows to ${box.name}.`;
  if (!graph.backward || box.fold) return "";
  if (fixed) return `d${box.name} = ${box.gradient}. It cannot be tried, as inputs cannot be changed here.`;
  const [name, g] = [indexed(box, element), box.g[element]];
  const tried = boxes.map((each) => ({ ...each }));
  forward(tried, chosen, element, NUDGE);
  const [before, after] = [out.x[0], tried[output].x[0]];
  return (
    `d${name} = ${number(g)}: +${NUDGE} at ${name} should be about ${signed(g * NUDGE)} at ${out.name}. ` +
    `Tried: ${out.name} goes from ${number(before, 8)} to ${number(after, 8)}, by ${signed(after - before)}.`
  );
}

function about() {
  const box = boxes[chosen];
  const what = box.inputs.length ? `gate ${box.gate}` : box.gate;
  find("named").textContent = box.fold ? `${box.name}: ${box.inside}` : `${box.name}, ${what}`;
  find("meaning").textContent = meaning(box);
  const traced = (other) => other.inputs.filter((i) => boxes[i].traced);
  // What each gate behind the node adds to its gradient.
  const shares = boxes.flatMap((other) =>
    traced(other).flatMap((i, line) => (i === chosen ? [other.backward?.[line]] : [])));
  const own = code && box.lines ? [...new Set([...box.lines[0], ...box.lines[2]])].map((k) => [code[k].trim()]) : [];
  const parts = box.fold ? [] : [
    ["Rule", (graph.rules[box.gate] ?? []).map((formula) => [formula])],
    ["Value", [box.forward]],
    ["Gradient", shares.filter(Boolean)],
    ["Passes on", box.backward],
    ["Program", own],
  ];
  find("facts").replaceChildren(...parts.filter(([, lines]) => lines.length).flatMap(([name, lines]) =>
    [make("dt", {}, name), ...lines.map((sides) => make("dd", {}, sides.join(" = ")))]));
  const several = !fixed && box.traced && !box.fold && box.x.length > 1;
  find("elements").hidden = !several;
  if (several) {
    find("element").replaceChildren(...box.x.map((x, k) => make("option", { value: k }, indexed(box, k))));
    find("element").value = element;
  }
}

let readersFit = null;

// A small graph is shown larger than it is drawn; a graph that would be too small to read is scrolled instead, unless
// the reader chose otherwise.
function fit() {
  const svg = document.querySelector("svg.cr-graph");
  const [natural, room] = [svg.width.baseVal.value, find("pane").clientWidth];
  const on = readersFit ?? room / natural > (room > 900 ? 0.6 : 0.9);
  svg.style.width = `${natural * Math.min(Math.max(room / natural, 1), 1.5)}px`;
  find("pane").classList.toggle("fit", on);
  find("zoom").hidden = natural <= room;
  find("zoom").setAttribute("aria-pressed", String(on));
}

function nodes() {
  const svg = document.querySelector("svg.cr-graph");
  // A picture has no parts for a screen reader; a group has.
  svg.setAttribute("role", "group");
  const [title, text] = svg.getAttribute("aria-labelledby").split(" ");
  svg.setAttribute("aria-labelledby", title);
  svg.setAttribute("aria-describedby", text);
  boxes.forEach((box, i) => {
    const node = nodeOf(i);
    const button = { role: "button", tabindex: "0", "aria-pressed": "false" };
    for (const [key, value] of Object.entries(button)) node.setAttribute(key, value);
    node.addEventListener("click", () => choose(i));
    node.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      choose(i);
    });
  });
  find("element").addEventListener("change", () => {
    element = Number(find("element").value);
    find("meaning").textContent = meaning(boxes[chosen]);
  });
}

function start() {
  if (!fixed) {
    for (const box of boxes) if (box.x) box.x = box.x.map((x) => (typeof x === "string" ? Number(x) : x));
    compute();
    if (!agrees()) fixed = "This page computes other numbers than Python did, so the inputs cannot be changed.";
  }
  find("rows").replaceChildren(...boxes.map((box) => make("tr", {},
    make("th", { scope: "row" }, box.name), make("td", {}, box.fold ? box.inside : box.gate),
    make("td", { className: "value" }), make("td", { className: "gradient" }))));
  for (const name of Object.keys(ACTIONS)) find(name).addEventListener("click", () => act(name));
  document.addEventListener("keydown", (event) => {
    const own = event.key === " " ? "input,select,button,summary,.node" : "input,select";
    const name = KEYS[event.key];
    if (!name || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey || event.target.closest(own)) return;
    event.preventDefault();
    act(name);
  });
  find("zoom").addEventListener("click", () => {
    readersFit = !find("pane").classList.contains("fit");
    fit();
  });
  nodes();
  inputsPanel();
  track();
  if (code) {
    find("program").hidden = false;
    find("code").replaceChildren(...code.map((line) => make("span", {}, line)));
  }
  fit();
  settle();
  addEventListener("resize", () => (fit(), settle()));
  addEventListener("hashchange", () => show(asked()));
  show(asked());
}

start();
