// s(z) = 1 / (1 + exp(-z)), by the exponential that cannot overflow.
function sigmoid(z) {
  const e = Math.exp(-Math.abs(z));
  return (z >= 0 ? 1 : e) / (1 + e);
}

// One round for points { x: [x0, x1], y }: forward and loss of each, then the mean cost and its gradients, then the
// update of w and b by the learning rate alpha.
function round(points, w, b, alpha) {
  const m = points.length;
  const mean = (of) => samples.reduce((sum, sample) => sum + of(sample), 0) / m;
  const samples = points.map(({ x, y }) => {
    const z = x[0] * w[0] + x[1] * w[1] + b;
    // The loss is computed from z: the logarithm of a rounded probability would be infinite.
    const loss = Math.max(z, 0) - y * z + Math.log1p(Math.exp(-Math.abs(z)));
    return { x, y, z, yHat: sigmoid(z), loss, dz: sigmoid(z) - y };
  });
  const dw = [0, 1].map((j) => mean(({ x, dz }) => x[j] * dz));
  const db = mean(({ dz }) => dz);
  const after = { w: w.map((wj, j) => wj - alpha * dw[j]), b: b - alpha * db };
  return { samples, J: mean(({ loss }) => loss), dw, db, w, b, after };
}

// Where the line z = 0 crosses a square from -side to side: two points, or none.
function boundary([w0, w1], b, side) {
  const ends = [];
  for (const edge of [-side, side]) {
    if (w1 !== 0) ends.push([edge, -(b + w0 * edge) / w1]);
    if (w0 !== 0) ends.push([-(b + w1 * edge) / w0, edge]);
  }
  const inside = ends.filter((end) => end.every((v) => Math.abs(v) <= side * (1 + 1e-12)));
  inside.sort((one, other) => one[0] - other[0] || one[1] - other[1]);
  return inside.length > 1 ? [inside[0], inside.at(-1)] : [];
}

const POINTS = [
  [[-2.2, -1.1], 0], [[-1.6, 0.7], 0], [[-1.2, -1.9], 0], [[-0.5, -0.4], 0], [[0.3, -1.6], 0], [[0.9, 0.5], 0],
  [[-0.9, 1.8], 1], [[0.2, 0.2], 1], [[0.6, 2.1], 1], [[1.5, -0.6], 1], [[1.9, 1.2], 1], [[2.4, 0.1], 1],
].map(([x, y]) => ({ x, y }));
const SIDE = 3;
const START = { w: [2, -3], b: -3 };
const PHASES = ["forward", "loss", "backward", "update"];
const COLUMNS = [["x0"], ["x1"], ["y"], ["z", 0], ["ŷ", 0], ["loss", 1], ["dz", 2]];

const WORDS = {
  en: {
    title: "One neuron learns",
    try: "Press Step four times: forward, loss, gradients, update. Then press Play, and drag a point across the line.",
    alpha: "Learning rate α",
    plane: (w0, w1, b) => `Points of two classes and the line where the neuron says 0.5; w = (${w0}, ${w1}), b = ${b}`,
    point: (k, y, x0, x1) => `Point ${k + 1}, class ${y}, at (${x0}, ${x1})`,
    cost: (J) => `The cost after each update; now ${J}`,
    J: "cost J",
    steps: "updates",
    numbers: "The numbers of this round",
    forward: "Forward: the logit and the probability of class 1, here of point 1",
    loss: "Loss: the cost J is the mean of the losses",
    backward: "Gradients: the error dz, here of point 1, and the means of x dz and of dz",
    update: "Update: against the gradient, by α",
    seen: (steps, J, right, m, size) =>
      `After ${steps} updates the cost is J = ${J}; ${right} of ${m} points are on the right side of the line. The gradient is (dw0, dw1, db) = (${size}).`,
  },
  zh: {
    title: "一个神经元的学习",
    try: "按四次“单步”：前向、损失、梯度、更新。再按“播放”，然后把一个点拖过直线。",
    alpha: "学习率 α",
    plane: (w0, w1, b) => `两类点，以及神经元给出 0.5 的直线；w = (${w0}, ${w1})，b = ${b}`,
    point: (k, y, x0, x1) => `第 ${k + 1} 个点，类别 ${y}，位于 (${x0}, ${x1})`,
    cost: (J) => `每次更新后的代价；现在是 ${J}`,
    J: "代价 J",
    steps: "更新次数",
    numbers: "这次迭代的数",
    forward: "前向：logit 与类别为 1 的概率，这里是第 1 个点的",
    loss: "损失：代价 J 是各点损失的平均",
    backward: "梯度：误差 dz（这里是第 1 个点的），以及 x dz 与 dz 的平均",
    update: "更新：逆着梯度走，步长由 α 决定",
    seen: (steps, J, right, m, size) =>
      `更新 ${steps} 次后，代价 J = ${J}；${m} 个点中有 ${right} 个在直线的正确一侧。梯度 (dw0, dw1, db) = (${size})。`,
  },
};

const word = words(WORDS);
const four = (x) => number(x, 4);
const three = (x) => number(x, 3);
let points, now, phase, costs;
let view = null;

const plane = picture(find("plane"), {
  label: () => word("plane", ...now.w.map(four), four(now.b)),
  height: (width) => Math.min(width, 400),
  draw: drawPlane,
});
const curve = picture(find("cost"), { label: () => word("cost", four(costs.at(-1))), height: () => 300, draw: drawCost });
const dots = POINTS.map((point, k) => {
  const dot = handle(plane.svg, { r: 12, moved: (x, y) => move(k, x, y) });
  dot.dot.classList.add("point");
  dot.dot.classList.toggle("no", point.y === 0);
  dot.number = shape(plane.svg, "text", { class: "inside", "text-anchor": "middle" }, k + 1);
  return dot;
});

function move(k, x, y) {
  const within = (v) => Math.min(Math.max(Number(v.toFixed(2)), -SIDE), SIDE);
  points[k].x = [within(view.x.inverse(x)), within(view.y.inverse(y))];
  again();
}

function drawPlane({ pen, svg, width, height }) {
  const area = [34, 24, width - 8, height - 42];
  view = axes(svg, { area, x: [-SIDE, SIDE], y: [-SIDE, SIDE], names: ["x0", "x1"] });
  const [cell, one, zero] = [6, colour("one"), colour("zero")];
  for (let px = area[0]; px < area[2]; px += cell) {
    for (let py = area[1]; py < area[3]; py += cell) {
      const p = sigmoid(view.x.inverse(px + cell / 2) * now.w[0] + view.y.inverse(py + cell / 2) * now.w[1] + now.b);
      pen.fillStyle = p > 0.5 ? one : zero;
      pen.globalAlpha = 0.6 * Math.abs(p - 0.5);
      pen.fillRect(px, py, Math.min(cell, area[2] - px), Math.min(cell, area[3] - py));
    }
  }
  const ends = boundary(now.w, now.b, SIDE);
  if (ends.length) {
    const [[x1, y1], [x2, y2]] = ends.map(([x, y]) => [view.x(x), view.y(y)]);
    shape(svg, "line", { x1, y1, x2, y2, class: "boundary" });
  }
  points.forEach(({ x, y }, k) => {
    const [px, py] = [view.x(x[0]), view.y(x[1])];
    dots[k].put(px, py, word("point", k, y, ...x.map(four)));
    dots[k].number.setAttribute("x", px);
    dots[k].number.setAttribute("y", py + 4);
  });
}

function drawCost({ svg, width, height }) {
  const most = Math.max(...costs) * 1.05;
  const area = [44, 24, width - 14, height - 44];
  const { x, y } = axes(svg, { area, x: [0, Math.max(20, costs.length - 1)], y: [0, most], names: [word("steps"), word("J")] });
  shape(svg, "polyline", { points: costs.map((J, k) => `${x(k)},${y(J)}`).join(" "), class: "curve" });
  shape(svg, "circle", { cx: x(costs.length - 1), cy: y(costs.at(-1)), r: 4, class: "value" });
}

// What each phase computes, with the numbers put in; the sums are shown by their first term.
function lines({ samples, J, w, b, dw, db, after }) {
  const [first] = samples;
  const bracketed = (x) => (x < 0 ? `(${four(x)})` : four(x));
  const mean = (of) => `(${samples.slice(0, 2).map((s) => bracketed(of(s))).join(" + ")} + ...) / ${samples.length}`;
  const moved = (name, old, slope, new_) => `${name} = ${four(old)} - ${four(alpha.value)} * ${bracketed(slope)} = ${four(new_)}`;
  return {
    forward: [
      `z = x0 * w0 + x1 * w1 + b = ${four(first.x[0])} * ${bracketed(w[0])} + ${bracketed(first.x[1])} * ${bracketed(w[1])} + ${bracketed(b)} = ${four(first.z)}`,
      `ŷ = 1 / (1 + exp(-z)) = ${four(first.yHat)}`,
    ],
    loss: [`J = ${mean((s) => s.loss)} = ${four(J)}`],
    backward: [
      `dz = ŷ - y = ${four(first.yHat)} - ${first.y} = ${four(first.dz)}`,
      `dw0 = ${mean((s) => s.x[0] * s.dz)} = ${four(dw[0])}`,
      `dw1 = ${mean((s) => s.x[1] * s.dz)} = ${four(dw[1])}`,
      `db = ${mean((s) => s.dz)} = ${four(db)}`,
    ],
    update: [moved("w0", w[0], dw[0], after.w[0]), moved("w1", w[1], dw[1], after.w[1]), moved("b", b, db, after.b)],
  };
}

function write(shown) {
  find("names").replaceChildren(make("tr"));
  find("names").firstChild.append(make("th", "#"), ...COLUMNS.map(([name, at]) => make("th", name, { className: at === phase ? "now" : "" })));
  find("rows").replaceChildren(...shown.samples.map(({ x, y, z, yHat, loss, dz }, k) => {
    const row = make("tr");
    const numbers = [...x, y, z, yHat, loss, dz].map(three);
    row.append(make("th", k + 1), ...numbers.map((text, c) => make("td", text, { className: (COLUMNS[c][1] ?? -1) > phase ? "pending" : "" })));
    return row;
  }));
  const written = lines(shown);
  find("round").replaceChildren(...PHASES.map((name, k) => {
    const item = make("li", "", { className: k > phase ? "pending" : k === phase ? "now" : "" });
    item.append(make("b", word(name)), ...written[name].map((line) => make("div", line)));
    return item;
  }));
}

// The round that is shown began at `from`; the picture has the parameters as they are now.
let from = null;

function show() {
  plane.redraw();
  curve.redraw();
  const shown = round(points, from.w, from.b, alpha.value);
  write(shown);
  const here = round(points, now.w, now.b, alpha.value);
  const right = here.samples.filter(({ z, y }) => (z > 0 ? 1 : 0) === y).length;
  tell(word("seen", costs.length - 1, four(here.J), right, points.length, [...here.dw, here.db].map(four).join(", ")));
}

// A point or the learning rate was changed: the round begins where the parameters are, and all but its update is shown.
function again() {
  from = now;
  phase = Math.min(phase, 2);
  costs[costs.length - 1] = round(points, now.w, now.b, alpha.value).J;
  show();
}

function restart() {
  points = POINTS.map(({ x, y }) => ({ x: [...x], y }));
  from = now = START;
  phase = -1;
  costs = [round(points, now.w, now.b, alpha.value).J];
  show();
}

function update() {
  from = now;
  now = round(points, now.w, now.b, alpha.value).after;
  costs.push(round(points, now.w, now.b, alpha.value).J);
  phase = 3;
}

// Play makes whole rounds, Step one phase.
function step(seconds) {
  if (seconds > 0) update();
  else if (phase === 3) [from, phase] = [now, 0];
  else if (phase === 2) update();
  else phase += 1;
  show();
  return costs.length <= 1000;
}

const alpha = slider(find("controls"), { label: word("alpha"), min: 0.01, max: 100, step: 0.05, value: 1, log: true, changed: again });
player(find("buttons"), { step, reset: restart, every: 0.1, stride: 0 });
find("scroll").setAttribute("aria-label", word("numbers"));
restart();
