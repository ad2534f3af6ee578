// Each gate: what it is called in a graph, its output, and what it hands back of the gradient g of its output.
const GATES = {
  add: { sign: "+", forward: (x, y) => x + y, backward: (g) => [g, g] },
  multiply: { sign: "×", forward: (x, y) => x * y, backward: (g, x, y) => [g * y, g * x] },
  maximum: {
    sign: "max",
    forward: (x, y) => Math.max(x, y),
    backward: (g, x, y) => (x === y ? [g / 2, g / 2] : x > y ? [g, 0] : [0, g]),
  },
  copy: { sign: "•", single: true, forward: (x) => x, backward: (g) => [g + g] },
  tanh: { sign: "tanh", single: true, forward: Math.tanh, backward: (g, x) => [g * (1 - Math.tanh(x) ** 2)] },
};

// The rule of each gate with the numbers put in, a line for each input.
function rules(gate, g, x, y) {
  const [dx, dy] = GATES[gate].backward(g, x, y).map((d) => number(d, 4));
  const [G, X, Y] = [g, x, y].map((v) => bracketed(number(v, 4)));
  const t = number(Math.tanh(x), 4);
  const share = (mine, other, d, name) => `d${name} = ${mine === other ? `g / 2 = ${G} / 2` : mine > other ? "g" : "0"} = ${d}`;
  return {
    add: () => [`dx = g = ${dx}`, `dy = g = ${dy}`],
    multiply: () => [`dx = g * y = ${G} * ${Y} = ${dx}`, `dy = g * x = ${G} * ${X} = ${dy}`],
    maximum: () => [share(x, y, dx, "x"), share(y, x, dy, "y")].map((line) => line.replace("= 0 = 0", "= 0")),
    copy: () => [`dx = g + g = ${G} + ${G} = ${dx}`],
    tanh: () => [`dx = g * (1 - t * t), t = ${t}`, `dx = ${dx}`],
  }[gate]();
}

const bracketed = (text) => (text.startsWith("-") ? `(${text})` : text);

const WORDS = {
  en: {
    title: "What a gate hands back",
    try: "Move x past y, then turn the gradient g that comes in. Values are above the wires, gradients below; a wire is as thick as its gradient is large.",
    g: "gradient g",
    add: "plus hands on",
    multiply: "times swaps",
    maximum: "max chooses",
    copy: "copy adds up",
    tanh: "tanh fades",
    seen: (g, [dx, dy], chosen, slope) =>
      `Plus hands g = ${g} on to both inputs. Times swaps: x gets g times y, ${dx}, and y gets g times x, ${dy}. ` +
      `${chosen} Tanh multiplies by its slope at x, ${slope}.`,
    chosen: (larger, g) => `Max chooses ${larger}, the larger: it gets ${g}, the other 0.`,
    tie: (half) => `Max finds x and y equal: each gets half, ${half}.`,
    picture: (gate, value, gradients) => `${gate}: the output is ${value}; ${gradients}`,
  },
  zh: {
    title: "一个门把什么交回去",
    try: "先拖动 x，让它越过 y，再改变传进来的梯度 g。连线上方是值，下方是梯度；梯度越大，线越粗。",
    g: "梯度 g",
    add: "加：原样交给两边",
    multiply: "乘：交换",
    maximum: "取大：只选一个",
    copy: "复制：相加",
    tanh: "tanh：减弱",
    seen: (g, [dx, dy], chosen, slope) =>
      `加法把 g = ${g} 原样交给两个输入。乘法交换：x 得到 g 乘 y，即 ${dx}；y 得到 g 乘 x，即 ${dy}。` +
      `${chosen}tanh 乘以它在 x 处的斜率 ${slope}。`,
    chosen: (larger, g) => `取大选中较大的 ${larger}：它得到 ${g}，另一个得到 0。`,
    tie: (half) => `x 与 y 相等，取大把梯度平分：各得 ${half}。`,
    picture: (gate, value, gradients) => `${gate}：输出是 ${value}；${gradients}`,
  },
};

const word = words(WORDS);
const inputs = {};
const panels = Object.keys(GATES).map((gate) => {
  const panel = make("section");
  panel.append(make("h2", word(gate)));
  const drawing = picture(panel, {
    label: () => word("picture", word(gate), number(GATES[gate].forward(x(), y()), 4), rules(gate, g(), x(), y()).join("; ")),
    height: () => (gate === "tanh" ? 80 : 150),
    draw: (layers) => drawGate(gate, layers),
  });
  const lines = make("p", "", { className: "rule" });
  panel.append(lines);
  find("gates").append(panel);
  return () => {
    drawing.redraw();
    lines.textContent = rules(gate, g(), x(), y()).join("\n");
  };
});
const [x, y, g] = ["x", "y", "g"].map((name) => () => inputs[name].value);

function wire(svg, points, gradient) {
  const flows = gradient !== 0;
  shape(svg, "polyline", {
    points: points.join(" "),
    class: flows ? "wire flows" : "wire",
    "stroke-width": flows ? 1.5 + Math.min(Math.abs(gradient), 12) : 1.5,
    ...(flows ? {} : { "stroke-dasharray": "5 4" }),
  });
}

function drawGate(gate, { svg, width, height }) {
  const { sign, single, forward, backward } = GATES[gate];
  const [middle, half] = [width / 2, height / 2];
  const gradients = backward(g(), x(), y());
  const ends = single ? [half] : [half - 34, half + 34];
  const outs = gate === "copy" ? [half - 34, half + 34] : [half];
  const corner = 46;
  ends.forEach((at, i) => {
    wire(svg, [[4, at], [middle - corner, at], [middle, half]], gradients[i]);
    const name = "xy"[i];
    shape(svg, "text", { x: 4, y: at - 11, class: "value" }, `${name} = ${number([x(), y()][i], 4)}`);
    shape(svg, "text", { x: 4, y: at + 22, class: "gradient" }, `d${name} = ${number(gradients[i], 4)}`);
  });
  for (const at of outs) {
    wire(svg, [[width - 4, at], [middle + corner, at], [middle, half]], g());
    const end = { x: width - 4, "text-anchor": "end" };
    shape(svg, "text", { ...end, y: at - 11, class: "value" }, number(forward(x(), y()), 4));
    shape(svg, "text", { ...end, y: at + 22, class: "gradient" }, `g = ${number(g(), 4)}`);
  }
  shape(svg, "circle", { cx: middle, cy: half, r: 24, class: "gate" });
  shape(svg, "text", { x: middle, y: half + 5, "text-anchor": "middle" }, sign);
}

function show() {
  for (const panel of panels) panel();
  const four = (v) => number(v, 4);
  const [X, Y] = [x(), y()];
  const chosen = X === Y ? word("tie", four(g() / 2)) : word("chosen", X > Y ? `x = ${four(X)}` : `y = ${four(Y)}`, four(g()));
  tell(word("seen", four(g()), GATES.multiply.backward(g(), X, Y).map(four), chosen, four(GATES.tanh.backward(1, X)[0])));
}

for (const [name, value] of [["x", -2], ["y", 1], ["g", 2]]) {
  const label = name === "g" ? word("g") : name;
  inputs[name] = slider(find("controls"), { label, min: -4, max: 4, step: 0.1, value, changed: show });
}
show();
