"use strict";
// Any graph typed in. The gates are those of gates-table.js, which is written from chainrule.explain.

// ---- The mathematics: from a text to nodes, as chainrule.explain makes them, and from numbers to values and gradients.

const MOST_GATES = 40;
const TOKEN = /(?<space>\s+)|(?<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(?<name>[\p{ID_Start}_]\p{ID_Continue}*)|(?<sign>\*\*|[-+*/(),;=])/uy;
const ON_PAPER = { "^": "**", "²": "**2", "³": "**3", "×": "*", "·": "*", "⋅": "*", "÷": "/", "−": "-", "–": "-" };
const CONSTANTS = { pi: Math.PI, e: Math.E };
const SUMS = { "+": "add", "-": "subtract" };
const PRODUCTS = { "*": "multiply", "/": "divide" };

// What is wrong with a text: the key of a sentence, what it fills in, and the position of the character.
class Fault extends Error {
  constructor(key, at, ...parts) {
    super(key);
    Object.assign(this, { key, at, parts });
  }
}

function tokens(text) {
  const found = [];
  for (let at = 0; at < text.length; at = TOKEN.lastIndex) {
    TOKEN.lastIndex = at;
    const groups = TOKEN.exec(text)?.groups;
    const sign = String.fromCodePoint(text.codePointAt(at));
    if (!groups) throw ON_PAPER[sign] ? new Fault("paper", at, sign, ON_PAPER[sign]) : new Fault("sign", at, sign);
    const [kind, written] = Object.entries(groups).find(([, part]) => part !== undefined);
    if (kind !== "space") found.push({ kind, written, at });
  }
  return [...found, { kind: "end", written: "", at: text.trimEnd().length }];
}

// Return the nodes of a text, each after those that it is computed from, the inputs first and the output last.
function parsed(text) {
  const list = tokens(text);
  const known = new Map();
  const inputs = [];
  const nodes = [];
  let k = 0;

  const here = () => list[k];
  const is = (...signs) => here().kind === "sign" && signs.includes(here().written);
  const take = () => list[k++];

  function expect(sign) {
    if (!is(sign)) throw new Fault(here().kind === "end" ? "missing" : "expected", here().at, sign, here().written);
    take();
  }

  // A number stays a number until a gate needs it as a node, and a minus before it makes no gate.
  function node(part) {
    if (typeof part !== "number") return part;
    nodes.push({ gate: "constant", inputs: [], x: part, traced: false, name: number(part) });
    return nodes.at(-1);
  }

  function gate(name, operands, at) {
    if (nodes.filter((each) => each.inputs.length).length === MOST_GATES) throw new Fault("many", at, MOST_GATES);
    const fed = operands.map(node);
    nodes.push({ gate: name, inputs: fed, traced: fed.some((input) => input.traced) });
    return nodes.at(-1);
  }

  // Python's order: a power binds first and from the right, then a sign, then products, then sums.
  function chain(table, part) {
    let left = part();
    while (is(...Object.keys(table))) {
      const { written, at } = take();
      left = gate(table[written], [left, part()], at);
    }
    return left;
  }

  const sum = () => chain(SUMS, product);
  const product = () => chain(PRODUCTS, signed);

  function signed() {
    if (!is("+", "-")) return power();
    const { written, at } = take();
    const part = signed();
    if (written === "+") return part;
    return typeof part === "number" ? -part : gate("negative", [part], at);
  }

  function power() {
    const base = atom();
    if (!is("**")) return base;
    const { at } = take();
    return gate("pow", [base, signed()], at);
  }

  function atom() {
    const { kind, written, at } = take();
    if (kind === "number") {
      if (!Number.isFinite(Number(written))) throw new Fault("large", at, written);
      if (here().kind === "name" && here().at === at + written.length) {
        throw new Fault("product", here().at, `${written}*${here().written}`, `${written}${here().written}`);
      }
      return unfollowed(Number(written));
    }
    if (kind === "name") return is("(") ? call(written, at) : unfollowed(named(written, at));
    if (kind === "sign" && written === "(") {
      const inside = sum();
      expect(")");
      return unfollowed(inside);
    }
    k -= 1;
    throw new Fault("value", at, written);
  }

  // Two values side by side are no product.
  function unfollowed(part) {
    if (["number", "name"].includes(here().kind) || is("(")) throw new Fault("between", here().at, here().written);
    return part;
  }

  function named(name, at) {
    if (known.has(name)) return known.get(name);
    if (Object.hasOwn(CONSTANTS, name)) return CONSTANTS[name];
    if (Object.hasOwn(CALLS, name)) throw new Fault("function", at, name);
    if (KEYWORDS.includes(name)) throw new Fault("keyword", at, name);
    inputs.push({ gate: "input", inputs: [], traced: true, name });
    known.set(name, inputs.at(-1));
    return inputs.at(-1);
  }

  function call(name, at) {
    if (!Object.hasOwn(CALLS, name)) throw new Fault("call", at, name, Object.keys(CALLS).join(", "));
    take();
    const operands = [];
    for (let more = !is(")"); more; more = is(",") && take()) operands.push(sum());
    expect(")");
    const [gateName, count] = CALLS[name];
    if (operands.length !== count) throw new Fault("count", at, name, count, operands.length);
    return unfollowed(gate(gateName, operands, at));
  }

  function assigned() {
    const [{ kind, written, at }, next] = list.slice(k);
    if (kind !== "name" || next.written !== "=") return "";
    if (KEYWORDS.includes(written)) throw new Fault("keyword", at, written);
    k += 2;
    return written;
  }

  if (here().kind === "end") throw new Fault("empty", 0);
  for (;;) {
    const start = here().at;
    const name = assigned();
    let out = sum();
    if (known.has(name)) throw new Fault("again", start, name);
    const last = here().kind === "end" || (is(";") && list[k + 1].kind === "end");
    if (!last && !is(";")) throw new Fault("unexpected", here().at, here().written);
    if (!last && !name) throw new Fault("unnamed", start);
    out = node(out);
    if (name && ![...known.values()].includes(out)) out.name = name;
    if (name) known.set(name, out);
    if (last) return ordered([...inputs, ...nodes], out);
    take();
  }
}

// Return the inputs and what the output needs, the output last, each with its name and with numbers for its inputs.
function ordered(nodes, out) {
  const needed = new Set([out]);
  for (const each of needed) each.inputs.forEach((input) => needed.add(input));
  const order = [...nodes.filter((each) => each !== out && (each.gate === "input" || needed.has(each))), out];
  const taken = new Set(order.map((each) => each.name));
  if (!out.name && !taken.has("f")) out.name = "f";
  return order.map((each, k) => {
    let name = each.name ?? `v${k}`;
    while (!each.name && taken.has(name)) name += "_";
    return { ...each, name, inputs: each.inputs.map((input) => order.indexOf(input)) };
  });
}

// Compute the value of each node from `values`, one number a name, then the gradient of the output at each node.
function computed(nodes, values) {
  const done = nodes.map((node) => ({ ...node, g: 0, isMasked: true, slopes: [], shares: [] }));
  for (const node of done) {
    if (node.gate === "input") node.x = values[node.name];
    if (!node.inputs.length) continue;
    const given = node.inputs.map((i) => done[i].x);
    node.x = GATES[node.gate].value(...given);
    const isUnknown = DRAWN[node.gate].selects && Number.isNaN(node.x);
    node.slopes = GATES[node.gate].slopes.map((slope) => (isUnknown ? NaN : slope(node.x, ...given)));
  }
  Object.assign(done.at(-1), { g: 1, isMasked: false });
  for (const node of [...done].reverse()) {
    node.inputs.forEach((i, k) => {
      if (!done[i].traced) return;
      // What a selection such as max left out has a gradient of 0, whatever the slopes before it.
      const isMasked = node.isMasked || (DRAWN[node.gate].selects && node.slopes[k] === 0);
      node.shares[k] = isMasked ? 0 : node.g * node.slopes[k];
      done[i].g += node.shares[k];
      done[i].isMasked &&= isMasked;
    });
  }
  return done;
}

// ---- The drawing's positions: layers from left to right, as chainrule's drawings have them (Sugiyama et al., 1981).

// Return the layer of each node, after all that feed it, and of an input or a constant right before its first use.
function layers(nodes) {
  const layer = nodes.map(() => 0);
  nodes.forEach((node, k) => {
    if (node.inputs.length) layer[k] = 1 + Math.max(...node.inputs.map((i) => layer[i]));
  });
  return layer.map((own, k) => {
    const users = nodes.flatMap((node, end) => (node.inputs.includes(k) ? [layer[end]] : []));
    return nodes[k].inputs.length || !users.length ? own : Math.min(...users) - 1;
  });
}

// Return `columns`, the members of each layer from top to bottom, and `paths`, for each wire the members that it passes.
// A wire past other layers is a member of each of them, so that it passes between their nodes.
function columns(nodes) {
  const layer = layers(nodes);
  const members = nodes.map((_, k) => k);
  const paths = [];
  nodes.forEach((node, end) => {
    for (const start of new Set(node.inputs)) {
      const path = [start];
      for (let between = layer[start] + 1; between < layer[end]; between += 1) {
        path.push(members.length);
        members.push(members.length);
        layer.push(between);
      }
      paths.push([...path, end]);
    }
  });
  const links = paths.flatMap((path) => path.slice(1).map((end, k) => [path[k], end]));
  const order = Array.from({ length: Math.max(...layer) + 1 }, (_, l) => members.filter((k) => layer[k] === l));
  const neighbours = (k, side) => links.filter((link) => link[1 - side] === k).map((link) => link[side]);
  const crossings = (columns) => {
    const rank = Object.fromEntries(columns.flatMap((column) => column.map((k, at) => [k, at])));
    const cross = ([a, b], [c, d]) => layer[a] === layer[c] && (rank[a] - rank[c]) * (rank[b] - rank[d]) < 0;
    return links.reduce((sum, one, k) => sum + links.slice(k + 1).filter((other) => cross(one, other)).length, 0);
  };
  let best = order.map((column) => [...column]);
  for (let turn = 0; turn < 12 && crossings(best) > 0; turn += 1) {
    const side = turn % 2;
    for (const column of side ? [...order].reverse() : order) {
      const place = (k) => {
        const ranks = neighbours(k, side).map((j) => order[layer[j]].indexOf(j));
        return ranks.length ? ranks.reduce((sum, x) => sum + x, 0) / ranks.length : column.indexOf(k);
      };
      const places = Object.fromEntries(column.map((k) => [k, place(k)]));
      column.sort((one, other) => places[one] - places[other]);
    }
    if (crossings(order) < crossings(best)) best = order.map((column) => [...column]);
  }
  return { layer, paths, order: best, links };
}

// ---- The words of a step: the equations that chainrule.explain writes.

const parenthesised = (text) => (text.startsWith("-") ? `(${text})` : text);
const filled = (formula, symbols) => formula.replace(/\b[gvxyz]\b/g, (symbol) => symbols[symbol] ?? symbol);

function written(gate, texts) {
  const row = GATES[gate];
  if (!row.written) return `${gate}(${texts.join(", ")})`;
  const [x, y, z] = row.bindsFirst ? texts.map(parenthesised) : texts;
  return filled(row.written, { x, y, z });
}

function forwardLine(nodes, node) {
  if (!node.inputs.length) return `${node.name} = ${number(node.x)}`;
  const given = node.inputs.map((i) => nodes[i]);
  const names = written(node.gate, given.map((input) => input.name));
  const numbers = written(node.gate, given.map((input) => number(input.x)));
  return [node.name, names, ...(numbers === names ? [] : [numbers]), number(node.x)].join(" = ");
}

function backwardLines(nodes, node) {
  const [x, y, z] = node.inputs.map((i) => parenthesised(nodes[i].name));
  return node.inputs.flatMap((i, k) => {
    if (!nodes[i].traced) return [];
    const rule = filled(`g * ${DRAWN[node.gate].slopes[k]}`, { x, y, z, v: node.name, g: `d${node.name}` });
    const numbers = `${number(node.g)} * ${parenthesised(number(node.slopes[k]))}`;
    return [`d${nodes[i].name} += ${rule} = ${numbers} = ${number(node.shares[k])}`];
  });
}

// ---- The page.

const WORDS = {
  en: {
    title: "Any graph, typed in",
    try: "Type an expression of your own and move its sliders; Play walks forward through the gates, then backward.",
    expression: "expression",
    examples: "examples",
    at: "step",
    pane: "The graph of the expression; it scrolls",
    node: (node) => `${node.name}: ${node.gate}, value ${number(node.x)}, gradient ${number(node.g)}`,
    given: "The inputs are given.",
    forward: (name, gate) => `Forward: ${name}, gate ${gate}.`,
    seed: (name) => `Backward begins at ${name}: its own gradient is 1.`,
    backward: (name, gate) => `Backward: ${name}, gate ${gate}.`,
    end: (out, value, effects) => `${out} = ${value}. ${effects.join(" ")}`,
    effect: (name, out, change) => `Raise ${name} by 0.001, and ${out} changes by about ${change}.`,
    constant: "There is no name in it, so there is nothing to take a gradient of.",
    note: "Numbers above the wires are values, numbers below them are gradients. chainrule explain takes the same text and gives the same numbers. Names: any; e and pi are constants; u = b*c; 3*u names a part.",
    empty: "Type an expression, such as 3*(a+b*c).",
    paper: (sign, ours) => `Write ${ours} for ${sign}.`,
    sign: (sign) => `${sign} is not a sign of these expressions; they have + - * / ** ( ) , ; =`,
    missing: (sign) => `The text ends where ${sign} is missing.`,
    expected: (sign, found) => `Expected ${sign} here, found ${found}.`,
    value: (found) => (found ? `Expected a number, a name or a parenthesis here, found ${found}.` : "The text ends where a value is missing."),
    between: (found) => `An operator is missing before ${found}; a product is written with *.`,
    product: (ours, found) => `Write ${ours} for ${found}.`,
    unexpected: (found) => `Expected an operator or the end here, found ${found}.`,
    large: (found) => `${found} is too large for float64.`,
    many: (most) => `This gate is one too many; this page draws at most ${most}.`,
    function: (name) => `${name} is a function; write ${name}(...) of a value.`,
    call: (name, known) => `There is no function ${name}; a product needs its *, and the functions are ${known}.`,
    count: (name, count, found) => `${name} takes ${count} ${count === 1 ? "value" : "values"}, not ${found}.`,
    keyword: (name) => `${name} is a word of Python and cannot be a name.`,
    again: (name) => `${name} has a value already; take another name.`,
    unnamed: "This part has no name; write u = before it.",
  },
  zh: {
    title: "输入任意计算图",
    try: "输入你自己的表达式，拖动它的滑块；“播放”先向前走过各个门，再反向走回来。",
    expression: "表达式",
    examples: "例子",
    at: "步骤",
    pane: "表达式的计算图；可以滚动",
    node: (node) => `${node.name}：${node.gate}，值 ${number(node.x)}，梯度 ${number(node.g)}`,
    given: "输入已给定。",
    forward: (name, gate) => `前向：${name}，门 ${gate}。`,
    seed: (name) => `反向从 ${name} 开始：它自己的梯度是 1。`,
    backward: (name, gate) => `反向：${name}，门 ${gate}。`,
    end: (out, value, effects) => `${out} = ${value}。${effects.join("")}`,
    effect: (name, out, change) => `${name} 增加 0.001，${out} 大约变化 ${change}。`,
    constant: "其中没有名字，所以没有什么可以求梯度。",
    note: "连线上方的数是值，下方的数是梯度。chainrule explain 接受同样的文本，给出同样的数。名字可以任取；e 和 pi 是常数；u = b*c; 3*u 给一部分起名。",
    empty: "请输入表达式，例如 3*(a+b*c)。",
    paper: (sign, ours) => `请把 ${sign} 写成 ${ours}。`,
    sign: (sign) => `这里的表达式没有符号 ${sign}；可用的是 + - * / ** ( ) , ; =`,
    missing: (sign) => `文本结束了，还缺 ${sign}。`,
    expected: (sign, found) => `这里应是 ${sign}，却是 ${found}。`,
    value: (found) => (found ? `这里应是数、名字或括号，却是 ${found}。` : "文本结束了，还缺一个值。"),
    between: (found) => `${found} 之前缺运算符；乘积要写 *。`,
    product: (ours, found) => `请把 ${found} 写成 ${ours}。`,
    unexpected: (found) => `这里应是运算符或结尾，却是 ${found}。`,
    large: (found) => `${found} 太大，float64 装不下。`,
    many: (most) => `到这个门就太多了；本页最多画 ${most} 个门。`,
    function: (name) => `${name} 是函数；请写 ${name}(...)，括号里放一个值。`,
    call: (name, known) => `没有函数 ${name}；乘积要写 *，可用的函数有 ${known}。`,
    count: (name, count, found) => `${name} 需要 ${count} 个值，而不是 ${found} 个。`,
    keyword: (name) => `${name} 是 Python 的关键字，不能作名字。`,
    again: (name) => `${name} 已经有值了；请换一个名字。`,
    unnamed: "这一部分没有名字；请在前面写 u =。",
  },
};
const word = words(WORDS);

const EXAMPLES = ["3*(a+b*c)", "x*x + sin(x*y)", "u = w*x + b; s(u)", "max(a*b, c)**2", "softplus(-y*(w*x + b))"];
const FIRST = { a: 5, b: 3, c: 2 };
const OTHERS = [2, -1, 3, 0.5, 1];
const PAUSE = 1.5;
const [PILL, ROOM, GAP, ROW, BEND] = [36, 84, 30, 74, 26];

let nodes = [];
let steps = [];
let at = 0;
let scrubber = null;
const values = {};

// Read the text; where it is wrong the last graph stays, and is shown as such.
function read() {
  const text = find("text").value;
  examples.value = text;
  let [found, pointed] = [null, 0];
  try {
    found = parsed(text);
  } catch (fault) {
    if (!(fault instanceof Fault)) throw fault;
    find("fault").textContent = `${text}\n${" ".repeat([...text.slice(0, fault.at)].length)}^\n`;
    find("fault").append(make("span", word(fault.key, ...fault.parts)));
    pointed = fault.at / text.length;
  }
  find("fault").hidden = found !== null;
  find("fault").scrollLeft = pointed * (find("fault").scrollWidth - find("fault").clientWidth);
  find("text").setAttribute("aria-invalid", String(found === null));
  find("pane").classList.toggle("stale", found === null);
  if (found) draw(found);
}

function draw(found) {
  playing.pause();
  nodes = found;
  const gates = nodes.map((_, k) => k).filter((k) => nodes[k].inputs.length);
  const back = gates.filter((k) => nodes[k].traced).reverse();
  steps = [
    { kind: "given" },
    ...gates.map((k) => ({ kind: "forward", of: k })),
    ...(nodes.at(-1).traced ? [{ kind: "seed", of: nodes.length - 1 }] : []),
    ...back.map((k) => ({ kind: "backward", of: k })),
  ];
  at = steps.length - 1;
  find("controls").replaceChildren();
  const names = nodes.filter((node) => node.gate === "input").map((node) => node.name);
  names.forEach((name, k) => {
    if (!Object.hasOwn(values, name)) values[name] = FIRST[name] ?? OTHERS[k % OTHERS.length];
    slider(find("controls"), {
      label: name, min: -10, max: 10, value: values[name],
      changed: (x) => {
        values[name] = x;
        compute();
      },
    });
  });
  find("steps").replaceChildren();
  scrubber = slider(find("steps"), {
    label: word("at"), min: 0, max: steps.length - 1, step: 1, value: at,
    changed: (k) => {
      playing.pause();
      show(Math.round(k));
    },
  });
  drawGraph();
  compute();
}

function compute() {
  nodes = computed(nodes, values);
  nodes.forEach((node, k) => {
    const group = find("pane").querySelector(`[data-node="${k}"]`);
    group.querySelector(".value").textContent = number(node.x);
    group.querySelector(".gradient").textContent = node.traced ? number(node.g) : "";
    group.setAttribute("aria-label", word("node", node));
  });
  show(at);
}

function drawGraph() {
  const { layer, paths, order, links } = columns(nodes);
  const pill = nodes.map((node) => Math.max(PILL, 9 * sign(node).length + 18));
  const lefts = [];
  let x = 14;
  order.forEach((column) => {
    lefts.push(x);
    x += Math.max(0, ...column.filter((k) => k < nodes.length).map((k) => pill[k])) + ROOM + GAP;
  });
  const ys = heights(order, links, nodes.length);
  const [width, height] = [x - GAP + 8, Math.max(...ys) + ROW / 2 + 6];
  const zoom = Math.min(Math.max(find("pane").clientWidth / width, 0.9), 1.3);
  find("pane").replaceChildren();
  const svg = shape(find("pane"), "svg", {
    viewBox: `0 0 ${width} ${height}`, width: Math.floor(width * zoom) - 2, height: height * zoom,
  });
  const right = (l) => (lefts[l + 1] ?? width + GAP - 8) - GAP;
  for (const path of paths) {
    const [start, end] = [path[0], path.at(-1)];
    const [entry, count] = entrance(path, paths, ys);
    const tip = { x: lefts[layer[end]], y: ys[end] + (entry - (count - 1) / 2) * 11 };
    let [px, py] = [lefts[layer[start]] + pill[start], ys[start]];
    let d = `M${px} ${py}H${right(layer[start])}`;
    px = right(layer[start]);
    const stops = path.slice(1, -1).map((k) => [lefts[layer[k]], right(layer[k]), ys[k]]);
    for (const [from, until, y] of [...stops, [tip.x - 6, tip.x - 4, tip.y]]) {
      const half = (from - px) / 2;
      d += `C${px + half} ${py} ${from - half} ${y} ${from} ${y}H${until}`;
      [px, py] = [until, y];
    }
    const group = shape(svg, "g", { "data-from": start, "data-to": end });
    shape(group, "path", { class: "wire", d });
    shape(group, "path", { class: "tip", d: `M${tip.x + 1} ${tip.y}l-8 -4v8z` });
  }
  nodes.forEach((node, k) => {
    const [left, y] = [lefts[layer[k]], ys[k]];
    const kind = node.inputs.length ? "gate" : node.gate;
    const group = shape(svg, "g", { class: kind, "data-node": k, role: "img" });
    if (k === nodes.length - 1) shape(group, "path", { class: "wire", d: `M${left} ${y}H${left + pill[k] + ROOM}` });
    const round = kind === "gate" ? PILL / 2 : 6;
    shape(group, "rect", { class: "pill", x: left, y: y - PILL / 2, width: pill[k], height: PILL, rx: round });
    shape(group, "text", { x: left + pill[k] / 2, y: y + 5, "text-anchor": "middle" }, sign(node));
    if (kind === "gate") {
      shape(group, "text", { class: "mark", x: left + pill[k] / 2, y: y - PILL / 2 - 5, "text-anchor": "middle" }, node.name);
    }
    shape(group, "text", { class: "value", x: left + pill[k] + 6, y: y - 7 });
    shape(group, "text", { class: "gradient", x: left + pill[k] + 6, y: y + 18 });
  });
}

const sign = (node) => (node.inputs.length ? DRAWN[node.gate].sign : node.name);

// Return the place of a wire among those that enter its node, and their count: in the order of the arguments where that
// matters, else from top to bottom.
function entrance(path, paths, ys) {
  const end = path.at(-1);
  const entering = paths.filter((other) => other.at(-1) === end);
  const { gate, inputs } = nodes[end];
  const place = (other) => (DRAWN[gate].ordered ? inputs.indexOf(other[0]) : ys[other.at(-2)]);
  entering.sort((one, other) => place(one) - place(other));
  return [entering.indexOf(path), entering.length];
}

// Return the y of each member: near the mean of its neighbours, in its column's order, and none over another.
function heights(order, links, count) {
  const ys = [];
  const tall = (k) => (k < count ? ROW : BEND);
  const spread = (column, wanted) => {
    let floor = -Infinity;
    const placed = column.map((k) => {
      const y = Math.max(wanted(k), floor + tall(k) / 2);
      floor = y + tall(k) / 2;
      return y;
    });
    const shift = column.reduce((sum, k, at) => sum + wanted(k) - placed[at], 0) / column.length;
    column.forEach((k, at) => (ys[k] = placed[at] + shift));
  };
  for (const column of order) spread(column, () => 0);
  for (let turn = 0; turn < 30; turn += 1) {
    for (const column of turn % 2 ? order : [...order].reverse()) {
      const wanted = column.map((k) => {
        const near = links.flatMap(([from, to]) => (from === k ? [ys[to]] : to === k ? [ys[from]] : []));
        return near.length ? near.reduce((sum, y) => sum + y, 0) / near.length : ys[k];
      });
      spread(column, (k) => wanted[column.indexOf(k)]);
    }
  }
  const top = Math.min(...ys.map((y, k) => y - tall(k) / 2));
  return ys.map((y) => y - top + 6);
}

function show(k) {
  at = Math.min(Math.max(k, 0), steps.length - 1);
  scrubber.value = at;
  const { kind, of } = steps[at];
  const until = (test) => steps.findLastIndex(test);
  nodes.forEach((node, i) => {
    const group = find("pane").querySelector(`[data-node="${i}"]`);
    const valueAt = Math.max(0, until((step) => step.kind === "forward" && step.of === i));
    const last = until((step) => step.kind === "seed" || (step.kind === "backward" && nodes[step.of].inputs.includes(i)));
    group.classList.toggle("now", of === i);
    group.querySelector(".value").classList.toggle("pending", valueAt > at);
    group.querySelector(".gradient").classList.toggle("pending", last < 0 || last > at);
  });
  for (const wire of find("pane").querySelectorAll("[data-to]")) {
    const flows = kind === "forward" || (kind === "backward" && nodes[wire.dataset.from].traced);
    wire.classList.toggle("lit", flows && Number(wire.dataset.to) === of);
    wire.classList.toggle("back", kind === "backward");
  }
  if (of !== undefined) reveal(of);
  const node = nodes[of];
  const given = nodes.filter((each) => each.gate === "input");
  const lines = {
    given: () => given.map((each) => forwardLine(nodes, each)),
    forward: () => [forwardLine(nodes, node)],
    seed: () => [`d${node.name} = 1`],
    backward: () => backwardLines(nodes, node),
  }[kind]();
  find("lines").replaceChildren(...lines.map((line) => make("li", line)));
  if (at < steps.length - 1) return tell(kind === "given" ? word("given") : word(kind, node.name, node.gate));
  const out = nodes.at(-1);
  const effects = given.map((each) => word("effect", each.name, out.name, number(each.g * 0.001, 4)));
  tell(word("end", out.name, number(out.x), given.length ? effects : [word("constant")]));
}

// Scroll the drawing, and never the page, until the node is in the middle.
function reveal(k) {
  const [inner, outer] = [find("pane").querySelector(`[data-node="${k}"]`), find("pane")].map((e) => e.getBoundingClientRect());
  const left = inner.x + inner.width / 2 - outer.x - outer.width / 2;
  find("pane").scrollBy({ left, behavior: isStill() ? "auto" : "smooth" });
}

const playing = player(find("buttons"), {
  every: PAUSE,
  step: () => {
    show(at === steps.length - 1 ? 0 : at + 1);
    return at < steps.length - 1;
  },
  reset: () => show(0),
});
find("buttons").append(make("div", "", { id: "steps", className: "slider" }));

find("pane").setAttribute("aria-label", word("pane"));
find("text").addEventListener("input", read);
const examples = choice(find("examples"), {
  label: word("examples"), options: Object.fromEntries(EXAMPLES.map((text) => [text, text])),
  changed: (text) => {
    find("text").value = text;
    read();
  },
});
let drawn = 0;
new ResizeObserver(() => {
  if (drawn && drawn !== find("pane").clientWidth) {
    drawGraph();
    compute();
  }
  drawn = find("pane").clientWidth;
}).observe(find("pane"));
find("text").value = EXAMPLES[0];
read();
