const FORMATS = {
  float64: { round: (x) => x, eps: 2 ** -52, title: "float64" },
  float32: { round: Math.fround, eps: 2 ** -23, title: "float32" },
};

// Each curve: the function (of x and of how its format rounds), the slope that the gate's rule gives, and the second
// and third derivative.
const CURVES = {
  sin: { title: "sin x", f: (x, round) => round(Math.sin(x)), slope: Math.cos, second: (x) => -Math.sin(x), third: (x) => -Math.cos(x) },
  exp: { title: "exp x", f: (x, round) => round(Math.exp(x)), slope: Math.exp, second: Math.exp, third: Math.exp },
  cube: { title: "x * x * x", f: (x, round) => round(round(x * x) * x), slope: (x) => 3 * x * x, second: (x) => 6 * x, third: () => 6 },
  abs: { title: "|x|", f: Math.abs, slope: Math.sign, second: () => 0, third: () => 0 },
};

// Both differences at x by a step h, every operation rounded to the format, and the slope of the rule.
function differences(curve, format, x, h) {
  const { round } = FORMATS[format];
  const { f, slope } = CURVES[curve];
  const [X, H] = [round(x), round(h)];
  const at = (t) => f(round(t), round);
  return {
    forward: round(round(at(X + H) - at(X)) / H),
    central: round(round(at(X + H) - at(X - H)) / round(2 * H)),
    rule: slope(X),
  };
}

// The rule of thumb: what the formula leaves out (truncation), and what rounded values of x and f leave (rounding).
// Across the kink of |x| the formula is wrong at any h, by the difference of exact numbers.
function expected(curve, format, x, h) {
  const { f, slope, second, third } = CURVES[curve];
  const rounding = (FORMATS[format].eps * (Math.abs(f(x, (v) => v)) + Math.abs(x * slope(x)))) / h;
  if (isAcross(curve, x, h)) {
    const off = (from, to) => Math.abs((Math.abs(x + to) - Math.abs(x + from)) / (to - from) - slope(x));
    return { forward: { truncation: off(0, h), rounding }, central: { truncation: off(-h, h), rounding } };
  }
  const square = ((h * h) / 6) * Math.abs(third(x));
  return {
    forward: { truncation: (h / 2) * Math.abs(second(x)) + square, rounding },
    central: { truncation: square, rounding: rounding / 2 },
  };
}

const isAcross = (curve, x, h) => curve === "abs" && Math.abs(x) < h;

const LEAST = 1e-16;
const STEPS = Array.from({ length: 321 }, (_, k) => 10 ** (-16 + k / 20));
const KINDS = ["forward", "central"];

const WORDS = {
  en: {
    title: "The numeric check, with a dial for h",
    try: "Turn h down from 1. Both secants come to lie on the curve and the errors fall; go on, and rounding takes over.",
    curve: "f(x)",
    format: "computed in",
    h: "step h",
    x: "x",
    forward: "forward",
    central: "central",
    error: "error",
    truncation: "truncation",
    rounding: "rounding",
    kink: "the kink",
    secants: (rule, forward, central) => `The curve with its tangent of slope ${rule}, and two secants of slopes ${forward} and ${central}`,
    errors: (h, forward, central) => `The errors of both differences over h; at h = ${h} they are ${forward} and ${central}`,
    seen: (h, rule, forward, central, least) =>
      `At h = ${h} the rule says ${rule}. Forward differences say ${forward}. Central differences say ${central}. ` +
      `Their least error in this plot is ${least}.`,
    said: (value, error, cause) => `${value}, off by ${error}, mostly by ${cause}`,
    exact: (value) => `${value}, exactly`,
    at: (error, h) => `${error}, at h = ${h}`,
    note: "Solid: central differences, (f(x + h) - f(x - h)) / 2h. Dashed: forward differences, (f(x + h) - f(x)) / h. Dotted: what truncation and rounding are expected to leave. An error of 0 stands on the lower edge.",
  },
  zh: {
    title: "梯度检验：转动 h",
    try: "把 h 从 1 往下调。两条割线贴近曲线，误差随之下降；再往下，舍入误差就占了上风。",
    curve: "f(x)",
    format: "计算精度",
    h: "步长 h",
    x: "x",
    forward: "前向差分",
    central: "中心差分",
    error: "误差",
    truncation: "截断误差",
    rounding: "舍入误差",
    kink: "折点造成的",
    secants: (rule, forward, central) => `曲线与斜率为 ${rule} 的切线，以及斜率为 ${forward} 和 ${central} 的两条割线`,
    errors: (h, forward, central) => `两种差分的误差随 h 的变化；h = ${h} 时是 ${forward} 和 ${central}`,
    seen: (h, rule, forward, central, least) =>
      `h = ${h} 时，规则给出 ${rule}。前向差分给出 ${forward}。中心差分给出 ${central}。图中中心差分的最小误差是 ${least}。`,
    said: (value, error, cause) => `${value}，差 ${error}，主要是${cause}`,
    exact: (value) => `${value}，完全准确`,
    at: (error, h) => `${error}，在 h = ${h} 处`,
    note: "实线：中心差分 (f(x + h) - f(x - h)) / 2h。虚线：前向差分 (f(x + h) - f(x)) / h。点线：预计的截断误差与舍入误差。误差为 0 时画在下边缘。",
  },
};

const word = words(WORDS);
const six = (v) => number(v, 6);
const two = (v) => number(v, 2);
const controls = find("controls");
const curve = choice(controls, {
  label: word("curve"),
  options: Object.fromEntries(Object.entries(CURVES).map(([key, { title }]) => [key, title])),
  changed: show,
});
const format = choice(controls, {
  label: word("format"),
  options: Object.fromEntries(Object.entries(FORMATS).map(([key, { title }]) => [key, title])),
  changed: show,
});
const at = slider(controls, { label: word("x"), min: -2, max: 2, step: 0.1, value: 0.7, changed: show });
const dial = slider(controls, { label: word("h"), min: LEAST, max: 1, step: 0.1, value: 1, log: true, changed: show });

const now = () => differences(curve.value, format.value, at.value, dial.value);
const error = (found, kind) => Math.abs(found[kind] - found.rule);
const classes = { forward: " back", central: "" };

const secants = picture(find("pictures"), {
  label: () => word("secants", six(now().rule), six(now().forward), six(now().central)),
  height: (width) => Math.min(width, 400),
  draw: drawSecants,
});
const errors = picture(find("pictures"), {
  label: () => word("errors", two(dial.value), ...KINDS.map((kind) => two(error(now(), kind)))),
  height: (width) => Math.min(width, 400),
  draw: drawErrors,
});

function drawSecants({ svg, width, height }) {
  const exact = (t) => CURVES[curve.value].f(t, (v) => v);
  const [x, h] = [at.value, dial.value];
  const [left, right] = [x - 1.5, x + 1.5];
  const ts = Array.from({ length: 151 }, (_, k) => left + (k / 150) * (right - left));
  const [least, most] = [Math.min(...ts.map(exact)), Math.max(...ts.map(exact))];
  const room = 0.15 * (most - least);
  const area = [48, 24, width - 12, height - 26];
  const view = axes(svg, { area, x: [left, right], y: [least - room, most + room], names: ["", word("curve")] });
  const inside = shape(svg, "svg", { x: area[0], y: area[1], width: area[2] - area[0], height: area[3] - area[1] });
  const [px, py] = [(t) => view.x(t) - area[0], (v) => view.y(v) - area[1]];
  const line = (through, value, slope, name) =>
    shape(inside, "line", {
      x1: px(left), y1: py(value + slope * (left - through)), x2: px(right), y2: py(value + slope * (right - through)), class: name,
    });
  shape(inside, "polyline", { points: ts.map((t) => `${px(t)},${py(exact(t))}`).join(" "), class: "curve function" });
  const { forward, central, rule } = now();
  line(x, exact(x), rule, "tangent");
  line(x, exact(x), forward, "curve back");
  line(x, (exact(x + h) + exact(x - h)) / 2, central, "curve");
  for (const [t, name] of [[x - h, ""], [x, " back"], [x + h, " back"]])
    shape(inside, "circle", { cx: px(t), cy: py(exact(t)), r: 5, class: `dot${name}` });
}

function drawErrors({ svg, width, height }) {
  const floor = format.value === "float64" ? 1e-16 : 1e-10;
  const area = [62, 24, width - 12, height - 44];
  const { x, y } = axes(svg, { area, x: [LEAST, 1, "log"], y: [floor, 10, "log"], names: ["h", word("error")] });
  const within = (v) => y(Math.min(Math.max(v, floor), 10));
  for (const kind of KINDS) {
    for (const part of ["truncation", "rounding"]) {
      const guide = STEPS.map((h) => [h, expected(curve.value, format.value, at.value, h)[kind][part]])
        .filter(([, v]) => v >= floor && v <= 10);
      shape(svg, "polyline", { points: guide.map(([h, v]) => `${x(h)},${y(v)}`).join(" "), class: "guide" });
    }
    const measured = STEPS.map((h) => `${x(h)},${within(error(differences(curve.value, format.value, at.value, h), kind))}`);
    shape(svg, "polyline", { points: measured.join(" "), class: `curve${classes[kind]}` });
  }
  shape(svg, "line", { x1: x(dial.value), x2: x(dial.value), y1: area[1], y2: area[3], class: "dial" });
  for (const kind of KINDS)
    shape(svg, "circle", { cx: x(dial.value), cy: within(error(now(), kind)), r: 6, class: `dot${classes[kind]}` });
  const low = area[1] + 0.72 * (area[3] - area[1]);
  shape(svg, "text", { x: area[0] + 8, y: low, class: "mark over" }, word("rounding"));
  shape(svg, "text", { x: area[2] - 8, y: low, class: "mark over", "text-anchor": "end" }, word("truncation"));
}

function said(found, kind) {
  const off = error(found, kind);
  if (off === 0) return word("exact", six(found[kind]));
  const { truncation, rounding } = expected(curve.value, format.value, at.value, dial.value)[kind];
  const cut = isAcross(curve.value, at.value, dial.value) ? "kink" : "truncation";
  return word("said", six(found[kind]), two(off), word(truncation > rounding ? cut : "rounding"));
}

function show() {
  secants.redraw();
  errors.redraw();
  const found = now();
  const best = STEPS.map((h) => [error(differences(curve.value, format.value, at.value, h), "central"), h])
    .reduce((one, other) => (other[0] < one[0] ? other : one));
  tell(word("seen", two(dial.value), six(found.rule), said(found, "forward"), said(found, "central"), word("at", two(best[0]), two(best[1]))));
}

show();
