"use strict";
// A network of two layers learns while one watches.

// ---- The mathematics: forward and backward of cr.MLP((2, hidden, 1), activation), by loops over numbers.
//
// params   W1 (2, hidden), b1 (hidden), W2 (hidden), b2: the letters of lesson 5
// points   a list of [x1, x2, y], where y is 0 or 1

const ACTIVATIONS = {
  tanh: { of: Math.tanh, slope: (h) => 1 - h * h, variance: (inputs, outputs) => 2 / (inputs + outputs) },
  relu: { of: (z) => Math.max(z, 0), slope: (h) => (h > 0 ? 1 : 0), variance: (inputs) => 2 / inputs },
};

const sigmoid = (z) => (z >= 0 ? 1 / (1 + Math.exp(-z)) : Math.exp(z) / (1 + Math.exp(z)));
const softplus = (z) => Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z)));

// The first weights are those of cr.MLP(...).init(seed): its normal numbers stand in network-normals.js.
function initial(hidden, activation, seed) {
  const { variance } = ACTIVATIONS[activation];
  const scaled = (start, count, scale) => NORMALS[seed].slice(start, start + count).map((x) => x * Math.sqrt(scale));
  const first = variance(2, hidden);
  return {
    W1: [scaled(0, hidden, first), scaled(hidden, hidden, first)],
    b1: Array(hidden).fill(0),
    W2: scaled(2 * hidden, hidden, variance(hidden, 1)),
    b2: 0,
  };
}

// Return H (hidden) and z of one point; the network's answer is sigmoid(z).
function forward({ W1, b1, W2, b2 }, x1, x2, activation) {
  const H = b1.map((b, j) => ACTIVATIONS[activation].of(x1 * W1[0][j] + x2 * W1[1][j] + b));
  return { H, z: H.reduce((z, h, j) => z + h * W2[j], b2) };
}

function costAndGradients(params, points, activation) {
  const zeros = () => params.b1.map(() => 0);
  const gradients = { W1: [zeros(), zeros()], b1: zeros(), W2: zeros(), b2: 0 };
  let cost = 0;
  for (const [x1, x2, y] of points) {
    const { H, z } = forward(params, x1, x2, activation);
    cost += (softplus(z) - y * z) / points.length;
    const dz = (sigmoid(z) - y) / points.length;
    gradients.b2 += dz;
    H.forEach((h, j) => {
      const dZ = dz * params.W2[j] * ACTIVATIONS[activation].slope(h);
      gradients.W2[j] += h * dz;
      gradients.b1[j] += dZ;
      gradients.W1[0][j] += x1 * dZ;
      gradients.W1[1][j] += x2 * dZ;
    });
  }
  return { cost, gradients };
}

function updated(params, gradients, rate) {
  const step = (x, g) => (Array.isArray(x) ? x.map((part, k) => step(part, g[k])) : x - rate * g);
  return Object.fromEntries(Object.keys(params).map((name) => [name, step(params[name], gradients[name])]));
}

function ring(count, radius, y) {
  return Array.from({ length: count }, (_, k) => {
    const angle = (2 * Math.PI * k) / count;
    return [radius * Math.cos(angle), radius * Math.sin(angle), y];
  });
}

function arm(count, y) {
  return Array.from({ length: count }, (_, k) => {
    const [along, radius] = [k / (count - 1), 0.15 + (0.8 * k) / (count - 1)];
    const angle = 1.5 * Math.PI * along + Math.PI * y;
    return [radius * Math.cos(angle), radius * Math.sin(angle), y];
  });
}

// Each with the lowest and the highest number of both axes of the field.
const DATA = {
  xor: { points: [[0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 0]], view: [-0.5, 1.5] },
  rings: { points: [...ring(10, 0.35, 1), ...ring(16, 0.9, 0)], view: [-1.25, 1.25] },
  spirals: { points: [...arm(14, 0), ...arm(14, 1)], view: [-1.25, 1.25] },
};

// ---- The page.

const MOST_POINTS = 120;
const CELLS = 56;

const WORDS = {
  en: {
    title: "A boundary that moves",
    try: "Press Play and watch the boundary turn; pause at any time. Click into the field to add a point, then play on.",
    data: "points",
    xor: "XOR",
    rings: "rings",
    spirals: "spirals",
    hidden: "hidden units",
    activation: "activation",
    rate: "learning rate",
    speed: "steps a second",
    seed: "first weights",
    seeds: (k) => `seed ${k}`,
    adds: "a click adds",
    one: "● 1",
    zero: "■ 0",
    cost: "Cost J",
    steps: "steps",
    weight: "weights",
    gradient: "gradients",
    key: () => ["Weights", " and below each its ", "gradient"],
    unit: "unit",
    output: "output",
    field: (points, right) => `The field of the network's answers with ${points} points, ${right} of them on the right side`,
    curve: (k, cost) => `The cost over ${k} steps, now ${cost}`,
    cursor: (x1, x2) => `A place for a point: ${x1}, ${x2}; Enter adds it`,
    begun: (cost, right, all) => `First weights: J = ${cost}, and ${right} of ${all} points are on their side of the boundary.`,
    seen: (k, cost, right, all) =>
      `After ${k} ${k === 1 ? "step" : "steps"}: J = ${cost}, and ${right} of ${all} points are on their side of the boundary.`,
    stuck: " It moves hardly any more: try more hidden units, or other first weights.",
    done: " The network has learned all of them.",
    broken: " The learning rate is too large: the next step would leave the range of float64.",
    note: "Each dashed line is where a hidden unit's Z is 0, the thicker the larger its weight W2. The page starts from the weights of",
  },
  zh: {
    title: "会动的边界",
    try: "按“播放”，看边界转动；随时可以暂停。在图中点一下就添加一个点，然后继续播放。",
    data: "数据点",
    xor: "异或",
    rings: "圆环",
    spirals: "螺旋",
    hidden: "隐藏单元",
    activation: "激活函数",
    rate: "学习率",
    speed: "每秒步数",
    seed: "初始权重",
    seeds: (k) => `种子 ${k}`,
    adds: "点击添加",
    one: "● 1",
    zero: "■ 0",
    cost: "代价 J",
    steps: "步数",
    weight: "权重",
    gradient: "梯度",
    key: () => ["权重", "，下面是它的", "梯度"],
    unit: "单元",
    output: "输出",
    field: (points, right) => `网络对平面各处的回答，有 ${points} 个点，其中 ${right} 个在正确的一侧`,
    curve: (k, cost) => `${k} 步的代价曲线，现在是 ${cost}`,
    cursor: (x1, x2) => `放一个点的位置：${x1}，${x2}；按回车添加`,
    begun: (cost, right, all) => `初始权重：J = ${cost}，${all} 个点中有 ${right} 个在边界正确的一侧。`,
    seen: (k, cost, right, all) => `${k} 步之后：J = ${cost}，${all} 个点中有 ${right} 个在边界正确的一侧。`,
    stuck: "它几乎不再变化：试试更多的隐藏单元，或换一组初始权重。",
    done: "网络已经学会了全部的点。",
    broken: "学习率太大：下一步会超出 float64 的范围。",
    note: "每条虚线是一个隐藏单元的 Z 为 0 的地方，它的权重 W2 越大，线越粗。本页的初始权重来自",
  },
};
const word = words(WORDS);

const chosen = { data: "xor", hidden: 4, activation: "tanh", rate: 0.5, speed: 200, seed: 0, adds: 1 };
let points, params, gradients, costs, owed;

// Begin again with the points and the weights that are chosen.
function begin(withPoints = true) {
  playing.pause();
  if (withPoints) points = DATA[chosen.data].points;
  [costs, owed] = [[], 0];
  keep(initial(chosen.hidden, chosen.activation, chosen.seed));
  find("code").textContent =
    `cr.MLP((2, ${chosen.hidden}, 1), activation="${chosen.activation}").init(seed=${chosen.seed})`;
  show();
}

function keep(next, found = costAndGradients(next, points, chosen.activation)) {
  [params, gradients] = [next, found.gradients];
  costs.push(found.cost);
}

// Take so many steps; false where the next one would leave the numbers of float64, and is not taken.
function learn(steps) {
  let within = true;
  for (let k = 0; k < steps && within; k += 1) {
    const next = updated(params, gradients, chosen.rate);
    const found = costAndGradients(next, points, chosen.activation);
    within = Number.isFinite(found.cost);
    if (within) keep(next, found);
  }
  show(within);
  return within;
}

function add(x1, x2) {
  const [least, most] = DATA[chosen.data].view;
  if (points.length >= MOST_POINTS || Math.min(x1, x2) < least || Math.max(x1, x2) > most) return;
  points = [...points, [x1, x2, chosen.adds]];
  costs.pop();
  keep(params);
  show();
}

const isRight = ([x1, x2, y]) => forward(params, x1, x2, chosen.activation).z > 0 === (y === 1);

// ---- The pictures.

// z at the corners of the cells, row by row from the top.
function corners([least, most]) {
  const at = (k) => least + ((most - least) * k) / CELLS;
  return Array.from({ length: CELLS + 1 }, (_, row) =>
    Array.from({ length: CELLS + 1 }, (_, column) =>
      forward(params, at(column), at(CELLS - row), chosen.activation).z));
}

function shade(pen, zs, [left, top, right, bottom]) {
  const rgb = (name) => colour(name).match(/[\da-f]{2}/gi).map((part) => parseInt(part, 16));
  const image = new ImageData(CELLS + 1, CELLS + 1);
  const [one, zero] = [rgb("one"), rgb("zero")];
  zs.flat().forEach((z, k) => {
    const p = sigmoid(z);
    image.data.set([...(p > 0.5 ? one : zero), 200 * Math.abs(p - 0.5)], 4 * k);
  });
  const small = Object.assign(make("canvas"), { width: CELLS + 1, height: CELLS + 1 });
  small.getContext("2d").putImageData(image, 0, 0);
  // A pixel of the small picture is centred on its corner.
  pen.imageSmoothingEnabled = true;
  pen.drawImage(small, 0.5, 0.5, CELLS, CELLS, left, top, right - left, bottom - top);
}

// The line where z is 0, cell by cell: it joins the two sides (or twice two) on which z changes its sign.
function boundary(zs, [left, top, right, bottom]) {
  const [wide, tall] = [(right - left) / CELLS, (bottom - top) / CELLS];
  const parts = [];
  for (let row = 0; row < CELLS; row += 1) {
    for (let column = 0; column < CELLS; column += 1) {
      const ring = [[0, 0], [0, 1], [1, 1], [1, 0]].map(([down, across]) => [column + across, row + down]);
      const found = ring.flatMap(([x, y], k) => {
        const [u, v] = ring[(k + 1) % 4];
        const [a, b] = [zs[y][x], zs[v][u]];
        if (a > 0 === b > 0) return [];
        const share = a / (a - b);
        return [`${left + wide * (x + share * (u - x))} ${top + tall * (y + share * (v - y))}`];
      });
      for (let k = 0; k + 1 < found.length; k += 2) parts.push(`M${found[k]}L${found[k + 1]}`);
    }
  }
  return parts.join("");
}

// The two ends of the line a x1 + b x2 + c = 0 in the square from least to most, or nothing.
function chord(a, b, c, [least, most]) {
  const ends = [];
  for (const side of [least, most]) {
    ends.push([side, -(a * side + c) / b], [-(b * side + c) / a, side]);
  }
  const inside = ends.filter((end) => end.every((x) => x >= least - 1e-9 && x <= most + 1e-9));
  if (inside.length < 2) return null;
  const far = (end) => Math.hypot(end[0] - inside[0][0], end[1] - inside[0][1]);
  return [inside[0], inside.reduce((best, end) => (far(end) > far(best) ? end : best))];
}

let to = null;
const field = picture(find("field"), {
  label: () => word("field", points.length, points.filter(isRight).length),
  height: (width) => Math.min(width, 460),
  pressed: (x, y) => add(to.x.inverse(x), to.y.inverse(y)),
  draw: ({ pen, svg, width, height }) => {
    const { view } = DATA[chosen.data];
    const side = Math.min(width - 60, height - 66);
    const area = [46, 22, 46 + side, 22 + side];
    const zs = corners(view);
    shade(pen, zs, area);
    to = axes(svg, { area, x: view, y: view, names: ["x1", "x2"] });
    params.b1.forEach((b, j) => {
      const ends = chord(params.W1[0][j], params.W1[1][j], b, view);
      if (!ends) return;
      const [[x1, y1], [x2, y2]] = ends.map(([x, y]) => [to.x(x), to.y(y)]);
      const width = Math.min(4, 0.8 + Math.abs(params.W2[j]));
      shape(svg, "line", { class: "unit", x1, x2, y1, y2, "stroke-width": width });
      // The number stands inside, a little off the end of the line.
      const [x, y] = [x1 + 0.06 * (x2 - x1), y1 + 0.06 * (y2 - y1)];
      shape(svg, "text", { x: Math.max(x, 52), y: Math.min(Math.max(y - 4, 36), 16 + side) }, String(j + 1));
    });
    shape(svg, "path", { class: "boundary", d: boundary(zs, area) });
    for (const [x1, x2, y] of points) {
      const [x, up] = [to.x(x1), to.y(x2)];
      if (y) shape(svg, "circle", { class: "one", cx: x, cy: up, r: 6.5 });
      else shape(svg, "rect", { class: "zero", x: x - 5.5, y: up - 5.5, width: 11, height: 11 });
    }
  },
});

const curve = picture(find("curve"), {
  label: () => word("curve", costs.length - 1, number(costs.at(-1), 4)),
  height: () => 170,
  draw: ({ svg, width, height }) => {
    const most = Math.max(100, costs.length - 1);
    const top = costs.reduce((a, b) => Math.max(a, b), 0.8);
    const scales = axes(svg, {
      area: [46, 10, width - 14, height - 40], x: [0, most], y: [0, top], names: [word("steps"), ""],
    });
    const every = Math.ceil(costs.length / 300);
    const shown = costs.map((cost, k) => [k, cost]).filter(([k]) => k % every === 0 || k === costs.length - 1);
    shape(svg, "path", { class: "curve", d: `M${shown.map(([k, cost]) => `${scales.x(k)} ${scales.y(cost)}`).join("L")}` });
  },
});

// ---- Numbers and controls.

function row(name, pairs) {
  const made = make("tr");
  made.append(make("th", name, { scope: "row" }), ...pairs.map(([weight, gradient]) => {
    const cell = make("td");
    if (weight === undefined) return cell;
    cell.append(make("span", number(weight, 3), { className: "value" }));
    cell.append(make("span", number(gradient, 3), { className: "gradient" }));
    return cell;
  }));
  return made;
}

function table() {
  const head = make("tr");
  head.append(...[word("unit"), "W1, x1", "W1, x2", "b1", "W2"].map((name) => make("th", name, { scope: "col" })));
  const units = params.b1.map((b, j) => row(String(j + 1), [
    [params.W1[0][j], gradients.W1[0][j]],
    [params.W1[1][j], gradients.W1[1][j]],
    [b, gradients.b1[j]],
    [params.W2[j], gradients.W2[j]],
  ]));
  find("weights").replaceChildren(head, ...units, row(`${word("output")}, b2`, [[], [], [params.b2, gradients.b2], []]));
}

function show(within = true) {
  field.redraw();
  curve.redraw();
  table();
  const [steps, right] = [costs.length - 1, points.filter(isRight).length];
  const [now, before] = [costs.at(-1), costs.at(-201)];
  const said = word(steps ? "seen" : "begun", ...(steps ? [steps] : []), number(now, 4), right, points.length);
  const isStuck = right < points.length && before - now < 0.01 * now;
  const more = !within ? "broken" : isStuck ? "stuck" : steps && right === points.length && now < 0.1 ? "done" : "";
  tell(said + (more && word(more)));
}

const listed = (...keys) => Object.fromEntries(keys.map((key) => [key, word(key)]));
const changed = (name, again = begin) => (value) => {
  chosen[name] = value;
  again?.(name === "data");
};
choice(find("controls"), { label: word("data"), options: listed("xor", "rings", "spirals"), changed: changed("data") });
choice(find("controls"), {
  label: word("activation"), options: { tanh: "tanh", relu: "relu" }, changed: changed("activation"),
});
choice(find("controls"), {
  label: word("seed"),
  options: Object.fromEntries(NORMALS.map((_, k) => [k, word("seeds", k)])),
  changed: (value) => changed("seed")(Number(value)),
});
choice(find("controls"), {
  label: word("adds"), options: { 1: word("one"), 0: word("zero") }, value: "1",
  changed: (value) => changed("adds", null)(Number(value)),
});
slider(find("controls"), {
  label: word("hidden"), min: 1, max: 8, step: 1, value: 4,
  changed: (value) => changed("hidden")(Math.round(value)),
});
slider(find("controls"), {
  label: word("rate"), min: 0.01, max: 10, value: 0.5, log: true, changed: changed("rate", null),
});
slider(find("controls"), {
  label: word("speed"), min: 1, max: 2000, value: 200, log: true, changed: changed("speed", null),
});

// Step takes one step, however many Play takes a second.
const playing = player(find("buttons"), {
  stride: null,
  step: (seconds) => {
    if (seconds === null) return learn(1);
    owed += seconds * chosen.speed;
    const steps = Math.floor(owed);
    owed -= steps;
    return learn(steps);
  },
  reset: begin,
});

// Readers without a mouse move a place by the arrow keys, and Enter adds a point there.
const cursor = handle(field.svg, { moved: (x, y) => aim(x, y) });
function aim(x, y) {
  cursor.put(x, y, word("cursor", number(to.x.inverse(x), 3), number(to.y.inverse(y), 3)));
}
cursor.dot.addEventListener("keydown", (event) => {
  if (event.key !== "Enter") return;
  add(to.x.inverse(Number(cursor.dot.getAttribute("cx"))), to.y.inverse(Number(cursor.dot.getAttribute("cy"))));
});

const [weights, between, below] = word("key");
find("key").append(
  make("span", weights, { className: "value" }), between, make("span", below, { className: "gradient" }),
);
begin();
aim((to.x(DATA.xor.view[0]) + to.x(DATA.xor.view[1])) / 2, (to.y(DATA.xor.view[0]) + to.y(DATA.xor.view[1])) / 2);
