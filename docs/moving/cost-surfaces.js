"use strict";
// Two costs of one neuron over its weight, and a ball on each.

// ---- The mathematics: the samples and the two costs of lesson 4, with their slopes.

const SAMPLES = [[-2, 0], [-1, 0], [-0.5, 1], [0.5, 0], [1, 1], [2, 1]];

const sigmoid = (z) => (z >= 0 ? 1 / (1 + Math.exp(-z)) : Math.exp(z) / (1 + Math.exp(z)));
const softplus = (z) => Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z)));

// The loss of one sample as a function of z = w x, and its slope in z.
const LOSSES = {
  crossEntropy: { of: (z, y) => softplus(z) - y * z, slope: (z, y) => sigmoid(z) - y },
  squaredError: {
    of: (z, y) => (sigmoid(z) - y) ** 2 / 2,
    slope: (z, y) => (sigmoid(z) - y) * sigmoid(z) * sigmoid(-z),
  },
};

const mean = (numbers) => numbers.reduce((sum, x) => sum + x, 0) / numbers.length;
const cost = (name, w) => mean(SAMPLES.map(([x, y]) => LOSSES[name].of(w * x, y)));
const slope = (name, w) => mean(SAMPLES.map(([x, y]) => x * LOSSES[name].slope(w * x, y)));
// The second derivative, by central differences: its sign is all that is asked for.
const bend = (name, w) => slope(name, w + 1e-4) - slope(name, w - 1e-4);

// ---- The page.

const WIDEST = 15;
const RUN = 200;
const COSTS = { crossEntropy: { top: 16 }, squaredError: { top: 0.4 } };
const START = -12;

const WORDS = {
  en: {
    title: "Two costs, two balls",
    try: "Press Play: both balls roll down by gradient descent from w = -12. Then drag a ball, or click into a picture, and play again from there.",
    rate: "learning rate",
    crossEntropy: "cross entropy",
    squaredError: "half the squared error",
    across: "weight w",
    numbers: (w, cost, slope) => ["w = ", w, ", cost ", cost, ", slope ", slope],
    picture: (name, w, cost) => `The curve of ${name} over w, and the ball at w = ${w}, cost ${cost}`,
    ball: (name, w) => `The ball on ${name}, at w = ${w}`,
    start: (w, one, other) =>
      `Both balls lie at w = ${w}. Cross entropy slopes by ${one} there, half the squared error by ${other}.`,
    steps: (k, one, other) => `After ${k} ${k === 1 ? "step" : "steps"}: ${one}; ${other}.`,
    rolls: (name, w, slope) => `${name} rolls at w = ${w}, with slope ${slope}`,
    valley: (name, w) => `${name} lies in its valley, at w = ${w}`,
    stuck: (name, w, slope) => `${name} is stuck on a plateau at w = ${w}, where the slope is only ${slope}`,
    leaps: (name, w) => `${name} leaps over its valley, to w = ${w}: the learning rate is too large`,
    note: "One sigmoid neuron without bias, and the six samples of lesson 4. Where a curve bends downward it is dashed: cross entropy does so nowhere. A step goes to w - learning rate * slope.",
  },
  zh: {
    title: "两种代价，两个小球",
    try: "按“播放”：两个小球从 w = -12 出发，沿梯度下降滚下去。然后拖动小球，或在图中点一下，再从那里播放。",
    rate: "学习率",
    crossEntropy: "交叉熵",
    squaredError: "平方误差的一半",
    across: "权重 w",
    numbers: (w, cost, slope) => ["w = ", w, "，代价 ", cost, "，斜率 ", slope],
    picture: (name, w, cost) => `${name}随 w 变化的曲线，小球在 w = ${w}，代价 ${cost}`,
    ball: (name, w) => `${name}上的小球，在 w = ${w}`,
    start: (w, one, other) => `两个小球都在 w = ${w}。此处交叉熵的斜率是 ${one}，平方误差的一半的斜率是 ${other}。`,
    steps: (k, one, other) => `${k} 步之后：${one}；${other}。`,
    rolls: (name, w, slope) => `${name}正在滚动，w = ${w}，斜率 ${slope}`,
    valley: (name, w) => `${name}已到谷底，w = ${w}`,
    stuck: (name, w, slope) => `${name}卡在平台上，w = ${w}，那里的斜率只有 ${slope}`,
    leaps: (name, w) => `${name}越过了谷底，到了 w = ${w}：学习率太大`,
    note: "一个没有偏置的 sigmoid 神经元和第 4 课的六个样本。曲线向下弯的地方画成虚线：交叉熵没有这样的地方。每一步走到 w - 学习率 * 斜率。",
  },
};
const word = words(WORDS);

let steps = 0;
const balls = Object.fromEntries(Object.keys(COSTS).map((name) => [name, [START]]));
const rate = slider(find("controls"), { label: word("rate"), min: 0.01, max: 30, value: 1, log: true, changed: () => {} });

// Where a ball has been: is it in a valley, on a plateau, or on its way?
function state(name) {
  const [w, before] = [...balls[name]].reverse();
  const [here, there] = [slope(name, w), slope(name, before ?? w)];
  if (Math.abs(here) < 1e-3) return bend(name, w) > 0 ? "valley" : "stuck";
  return here * there < 0 && Math.abs(here) > 0.05 ? "leaps" : "rolls";
}

// Cut the weights into runs in which the curve bends one way: [whether upward, the weights of the run].
function parts(name) {
  const runs = [];
  for (let k = 0; k <= 300; k += 1) {
    const w = -WIDEST + (2 * WIDEST * k) / 300;
    const isUpward = bend(name, w) >= 0;
    const last = runs.at(-1);
    if (last?.[0] === isUpward) last[1].push(w);
    else runs.push([isUpward, last ? [last[1].at(-1), w] : [w]]);
  }
  return runs;
}

const pictures = Object.entries(COSTS).map(([name, { top }]) => {
  const part = make("div");
  part.append(make("h2", word(name)));
  find("costs").append(part);
  const runs = parts(name);
  const at = () => balls[name].at(-1);
  let to = null;
  const { redraw, svg } = picture(part, {
    label: () => word("picture", word(name), number(at(), 4), number(cost(name, at()), 4)),
    height: (width) => Math.min(300, Math.max(220, width * 0.62)),
    pressed: (x) => put(to.x.inverse(x)),
    draw: ({ svg: under, width, height }) => {
      to = axes(under, {
        area: [46, 12, width - 14, height - 42], x: [-WIDEST, WIDEST], y: [0, top], names: [word("across"), ""],
      });
      const inside = (w) => to.x(Math.min(Math.max(w, -WIDEST), WIDEST));
      for (const [isUpward, part] of runs) {
        const d = `M${part.map((w) => `${to.x(w)} ${to.y(cost(name, w))}`).join("L")}`;
        shape(under, "path", { class: isUpward ? "curve" : "curve back", d });
      }
      for (const w of balls[name].slice(-60, -1)) {
        shape(under, "circle", { class: "trail", r: 3, cx: inside(w), cy: to.y(Math.min(cost(name, w), top)) });
      }
      const w = at();
      // The tangent is 80 pixels long, whatever its slope.
      const [dx, dy] = [to.x(1) - to.x(0), (to.y(1) - to.y(0)) * slope(name, w)];
      const far = 40 / Math.hypot(dx, dy);
      const [x, y] = [inside(w), to.y(Math.min(cost(name, w), top))];
      shape(under, "line", { class: "tangent", x1: x - far * dx, x2: x + far * dx, y1: y - far * dy, y2: y + far * dy });
      ball.put(x, y, word("ball", word(name), number(w, 4)));
      const spans = word("numbers", number(w), number(cost(name, w)), number(slope(name, w)));
      const kinds = { 3: "value", 5: "gradient" };
      numbers.replaceChildren(...spans.map((text, k) => make("span", text, { className: kinds[k] ?? "" })));
    },
  });
  const ball = handle(svg, { moved: (x) => put(to.x.inverse(x)) });
  const numbers = make("p", "", { className: "numbers" });
  part.append(numbers);
  return redraw;
});

function show() {
  for (const redraw of pictures) redraw();
  const names = Object.keys(COSTS);
  const ends = names.map((name) => balls[name].at(-1));
  if (!steps) return tell(word("start", number(ends[0], 4), ...names.map((name, k) => number(slope(name, ends[k]), 4))));
  const said = names.map((name, k) => word(state(name), word(name), number(ends[k]), number(slope(name, ends[k]), 2)));
  tell(word("steps", steps, ...said));
}

// Lay both balls at w.
function put(w) {
  playing.pause();
  const within = Number(Math.min(Math.max(w, -WIDEST), WIDEST).toFixed(2));
  steps = 0;
  for (const name of Object.keys(COSTS)) balls[name] = [within];
  show();
}

function roll() {
  for (const name of Object.keys(COSTS)) {
    const w = balls[name].at(-1);
    balls[name].push(w - rate.value * slope(name, w));
  }
  steps += 1;
  show();
  return steps % RUN !== 0;
}

const playing = player(find("buttons"), { step: roll, reset: () => put(START), every: 0.06 });
show();
