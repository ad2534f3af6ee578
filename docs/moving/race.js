const LANES = ["by_loops", "by_sample", "by_matmul"];
const MOST_ROWS = 16;
const MOST_COLUMNS = 32;

// The squares of a table of m x n numbers: at most so many rows and columns are drawn, each for several.
function board({ m, n }) {
  return { rows: Math.min(m, MOST_ROWS), columns: Math.min(n, MOST_COLUMNS) };
}

// How many times each spelling has done the step, once loops that take `slow` seconds here have run for `elapsed`.
function done(size, elapsed, slow) {
  const measured = (elapsed / slow) * size.by_loops;
  return Object.fromEntries(LANES.map((lane) => [lane, measured / size[lane]]));
}

// How many squares are computed in `share` of a step: one by one, a row at a time, or all at once.
function computed(lane, share, { rows, columns }) {
  const whole = Math.min(share, 1);
  if (lane === "by_loops") return Math.floor(whole * rows * columns);
  return lane === "by_sample" ? Math.floor(whole * rows) * columns : Math.floor(whole) * rows * columns;
}

// Seconds in a unit that is easy to read.
function time(seconds) {
  const [unit, size] = [["s", 1], ["ms", 1e-3], ["µs", 1e-6]].find(([, size]) => seconds >= size) ?? ["µs", 1e-6];
  return `${number(seconds / size, 3)} ${unit}`;
}

const many = (x) => (x < 10 ? number(x, 2) : String(Math.round(x)));

const WORDS = {
  en: {
    title: "Loops against vectors, a race of squares",
    try: "Press Play. Each lane computes the same step, forward and backward; its squares fill at the speed that was measured. Then choose another size.",
    size: "Numbers in X, m x n",
    slow: "Seconds that the loops take here",
    by_loops: "by_loops: one by one",
    by_sample: "by_sample: a row at a time",
    by_matmul: "by_matmul: all at once",
    lane: (measured, times) => `measured ${measured}; done ${times} times`,
    square: (r, c) => `A square stands for ${r} x ${c} numbers of X.`,
    label: (lane, filled, all) => `${lane}: ${filled} of ${all} squares`,
    ready: (loops, ratio) => `The loops take ${loops} for one step. All at once is ${ratio} times as fast.`,
    behind: (loops, ratio) => `The loops take ${loops} for one step, and win here: all at once takes ${ratio} times as long.`,
    running: (filled, all, rows, once) =>
      `While the loops computed ${filled} of ${all} squares, a row at a time could do the step ${rows} times, all at once ${once} times.`,
    note: ({ hardware, date, library, dtype, source }, factor) =>
      `Median times on ${hardware}, ${date}, with ${library}, ${dtype}, from ${source}. The race runs ${factor} times slower than the machine.`,
    faster: ({ hardware, date, library, dtype, source }, factor) =>
      `Median times on ${hardware}, ${date}, with ${library}, ${dtype}, from ${source}. The race runs ${factor} times faster than the machine.`,
  },
  zh: {
    title: "循环与向量化：方格赛跑",
    try: "按“播放”。三条跑道计算同一步（前向加反向），方格按实测的速度填满。再换一个大小试试。",
    size: "X 中的数，m x n",
    slow: "循环在这里用的秒数",
    by_loops: "by_loops：逐个",
    by_sample: "by_sample：一次一行",
    by_matmul: "by_matmul：一次全部",
    lane: (measured, times) => `实测 ${measured}；已完成 ${times} 次`,
    square: (r, c) => `一个方格代表 X 中的 ${r} x ${c} 个数。`,
    label: (lane, filled, all) => `${lane}：${all} 格中的 ${filled} 格`,
    ready: (loops, ratio) => `循环做一步要 ${loops}。一次全部算的速度是它的 ${ratio} 倍。`,
    behind: (loops, ratio) => `循环做一步要 ${loops}，在这里反而更快：一次全部算要用 ${ratio} 倍的时间。`,
    running: (filled, all, rows, once) =>
      `循环算完 ${all} 格中的 ${filled} 格时，一次一行已经能做 ${rows} 步，一次全部已经能做 ${once} 步。`,
    note: ({ hardware, date, library, dtype, source }, factor) =>
      `时间是中位数，测于 ${hardware}，${date}，${library}，${dtype}，来自 ${source}。赛跑比机器慢 ${factor} 倍。`,
    faster: ({ hardware, date, library, dtype, source }, factor) =>
      `时间是中位数，测于 ${hardware}，${date}，${library}，${dtype}，来自 ${source}。赛跑比机器快 ${factor} 倍。`,
  },
};

const word = words(WORDS);
let size = TIMES.sizes.reduce((one, other) => (other.m * other.n > one.m * one.n ? other : one));
let elapsed = 0;

const lanes = LANES.map((lane) => {
  const section = make("section");
  const squares = () => computed(lane, done(size, elapsed, slow.value)[lane], board(size));
  section.append(make("h2", word(lane)));
  const drawing = picture(section, {
    label: () => word("label", word(lane), squares(), board(size).rows * board(size).columns),
    height: (width) => (MOST_ROWS / MOST_COLUMNS) * width,
    draw: ({ pen, width }) => {
      const edge = width / MOST_COLUMNS;
      const { rows, columns } = board(size);
      const [filled, yes, no] = [squares(), colour("value"), colour("line")];
      for (let k = 0; k < rows * columns; k++) {
        pen.fillStyle = k < filled ? yes : no;
        pen.fillRect((k % columns) * edge, Math.floor(k / columns) * edge, edge - 1, edge - 1);
      }
    },
  });
  const line = make("p");
  section.append(line);
  find("lanes").append(section);
  return () => {
    drawing.redraw();
    line.textContent = word("lane", time(size[lane]), many(done(size, elapsed, slow.value)[lane]));
  };
});

function show() {
  for (const lane of lanes) lane();
  const { rows, columns } = board(size);
  const counts = done(size, elapsed, slow.value);
  const ratio = size.by_loops / size.by_matmul;
  const filled = computed("by_loops", counts.by_loops, { rows, columns });
  const waiting = ratio > 1 ? word("ready", time(size.by_loops), many(ratio)) : word("behind", time(size.by_loops), many(1 / ratio));
  tell(elapsed ? word("running", filled, rows * columns, many(counts.by_sample), many(counts.by_matmul)) : waiting);
  const factor = slow.value / size.by_loops;
  const speed = factor >= 1 ? word("note", TIMES, number(factor, 3)) : word("faster", TIMES, number(1 / factor, 3));
  find("note").textContent = `${word("square", number(size.m / rows, 3), number(size.n / columns, 3))} ${speed}`;
}

function restart() {
  elapsed = 0;
  show();
}

choice(find("controls"), {
  label: word("size"),
  options: Object.fromEntries(TIMES.sizes.map(({ m, n }, k) => [k, `${m} x ${n}`])),
  value: TIMES.sizes.indexOf(size),
  changed: (k) => ((size = TIMES.sizes[k]), restart()),
});
const slow = slider(find("controls"), { label: word("slow"), min: 1, max: 300, step: 0.1, value: 15, log: true, changed: restart });
player(find("buttons"), {
  step: (seconds) => {
    if (elapsed === slow.value) elapsed = 0;
    elapsed = Math.min(elapsed + seconds, slow.value);
    show();
    return elapsed < slow.value;
  },
  reset: restart,
  stride: 1,
});
show();
