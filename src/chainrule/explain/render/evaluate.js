"use strict";
// The numbers of a graph, computed from its boxes alone: no document and no drawing.
//
// `boxes` are in forward order, the output last. A box has
//   gate     the name of a row of GATES, "matmul", or any name with `moved`; "input" or "constant" without inputs
//   inputs   the numbers of the boxes that feed it, in the order of the gate's arguments
//   shape    that of its value, such as [] of a single number and [2, 3] of a matrix
//   dtype    "float64", "float32", "int64" or "bool", to which what is computed is rounded
//   traced   whether a gradient flows to it
//   axes     of a gate of rows such as sum: the axes along which its rows lie, such as [0, 1]
//   moved    of a gate that moves elements: where each element of its value stands in its inputs, one behind the other
//   x        the elements of its value, row by row; given where it has no inputs
// forward(boxes) puts x into every box. backward(boxes) then puts into every box
//   g        the gradient of the output, shaped as x; null where none flows
//   shares   what its gate adds to the gradient of each input; null where it adds nothing
//   slopes   of an elementwise gate, or of single numbers: the local gradient in each input, shaped as x
//   alive    which elements no selection left out on the way from the output; null for all
// Lists are replaced and never written to, so boxes may share them.

// A row for each gate, filled in from the notation of chainrule.explain. `written`, a formula of the inputs x, y, z, or
// "" for a call; `value` of the inputs; and for each input one of `slopes`, of the value and the inputs, or, of a gate
// of rows, one of `shares`, of the gradient, the value, the place in the row, and the rows. At ties and corners they
// are those of the Python rules. `flow` is how what a selection left out passes through the gate; "" where it ends.
const GATES = {};

const CASTS = {
  float64: Number,
  float32: Math.fround,
  bool: Boolean,
  // Beyond these, numbers of JavaScript are not all integers.
  int64: (x) => (Number.isSafeInteger(Number(x)) ? Number(x) : NaN),
};

const range = (n) => Array.from({ length: n }, (_, k) => k);
const size = (shape) => shape.reduce((product, n) => product * n, 1);

// Return for each place in an array of shape `to` the place in an array of shape `from` that is spread to it.
function spread(from, to) {
  return to.reduce((places, n, axis) => {
    const own = from[axis - to.length + from.length] ?? 1;
    return places.flatMap((place) => range(n).map((k) => place * own + (own === 1 ? 0 : k)));
  }, [0]);
}

// Return the shape that arrays of several shapes have when they are spread over each other.
function common(shapes) {
  const axes = Math.max(...shapes.map((shape) => shape.length));
  const along = (axis) => shapes.map((shape) => shape[axis - axes + shape.length] ?? 1);
  return range(axes).map((axis) => along(axis).find((n) => n !== 1) ?? 1);
}

// Return `shares`, one for each of `places`, added up at the places of an array of n elements.
function added(n, places, shares) {
  const sums = Array(n).fill(0);
  places.forEach((place, k) => (sums[place] += shares[k]));
  return sums;
}

// For each element of the value of an elementwise gate, the elements that it is computed from.
function operands(box, inputs) {
  const places = inputs.map((x) => spread(x.shape, box.shape));
  return range(size(box.shape)).map((k) => inputs.map((x, j) => x.x[places[j][k]]));
}

const elementwise = {
  value: (box, inputs) => operands(box, inputs).map((of) => GATES[box.gate].value(...of)),
  slopes: (box, inputs) => {
    const all = operands(box, inputs);
    return GATES[box.gate].slopes.map((slope) => all.map((of, k) => slope(box.x[k], ...of)));
  },
  shares: (box, inputs, g) => elementwise.slopes(box, inputs).map((slopes, j) => {
    const leftOut = (k) => (box.alive && !box.alive[k]) || (selects(box) && slopes[k] === 0);
    const shares = slopes.map((slope, k) => (leftOut(k) ? 0 : g[k] * slope));
    return added(inputs[j].x.length, spread(inputs[j].shape, box.shape), shares);
  }),
};

// The rows of inputs that are spread over each other: where each row stands, and its elements in each input.
function rowsOf(box, inputs) {
  const shape = common(inputs.map((x) => x.shape));
  const kept = shape.map((n, axis) => (box.axes.includes(axis) ? 1 : n));
  const rows = range(size(kept)).map(() => []);
  spread(kept, shape).forEach((row, place) => rows[row].push(place));
  const own = inputs.map((x) => spread(x.shape, shape));
  return rows.map((places) => ({ places, own, of: inputs.map((x, j) => places.map((place) => x.x[own[j][place]])) }));
}

const rowwise = {
  value: (box, inputs) => {
    const x = [];
    rowsOf(box, inputs).forEach(({ places, of }, row) => {
      const value = GATES[box.gate].value(...of);
      if (Array.isArray(value)) places.forEach((place, i) => (x[place] = value[i]));
      else x[row] = value;
    });
    return x;
  },
  shares: (box, inputs, g) => {
    const sums = inputs.map((x) => Array(x.x.length).fill(0));
    rowsOf(box, inputs).forEach(({ places, own, of }, row) => {
      const v = GATES[box.gate].value(...of);
      const gradient = Array.isArray(v) ? places.map((place) => g[place]) : g[row];
      GATES[box.gate].shares.forEach((share, j) =>
        places.forEach((place, i) => (sums[j][own[j][place]] += share(gradient, v, i, ...of))));
    });
    return sums;
  },
};

const moving = {
  value: (box, inputs) => {
    const all = inputs.flatMap((x) => x.x);
    return box.moved.map((place) => all[place]);
  },
  shares: (box, inputs, g) => {
    const sums = added(inputs.reduce((n, x) => n + x.x.length, 0), box.moved, g);
    return inputs.map((x) => sums.splice(0, x.x.length));
  },
};

// A product of matrices; a vector is a row on the left and a column on the right.
const product = {
  // Each product of two elements: its place in the value, in x and in y.
  terms: ([x, y]) => {
    const [inner, columns] = [x.shape.at(-1), y.shape[1] ?? 1];
    return range(size(x.shape.slice(0, -1))).flatMap((i) => range(columns).flatMap((j) =>
      range(inner).map((k) => [i * columns + j, i * inner + k, k * columns + j])));
  },
  value: (box, inputs) => {
    const [terms, [x, y]] = [product.terms(inputs), inputs];
    return added(size(box.shape), terms.map(([v]) => v), terms.map(([, i, j]) => x.x[i] * y.x[j]));
  },
  shares: (box, inputs, g) => {
    const [terms, [x, y]] = [product.terms(inputs), inputs];
    return [
      added(x.x.length, terms.map(([, i]) => i), terms.map(([v, , j]) => g[v] * y.x[j])),
      added(y.x.length, terms.map(([, , j]) => j), terms.map(([v, i]) => g[v] * x.x[i])),
    ];
  },
};

function kind(box) {
  if (box.moved) return moving;
  if (box.gate === "matmul") return product;
  return GATES[box.gate].shares ? rowwise : elementwise;
}

function flowOf(box) {
  if (box.moved) return box.gate === "getitem" ? "selects" : "moves";
  return GATES[box.gate]?.flow ?? "";
}

const selects = (box) => ["selects", "picks"].includes(flowOf(box));

// Note which elements of an input a selection has not left out: the gradient of the others is 0, and stays 0 at a slope
// that is infinite or NaN. An element that merely has a gradient of 0 follows the formula, to NaN.
function pass(box, inputs, j) {
  const [flow, x] = [flowOf(box), inputs[j]];
  if (!flow || !(box.alive || selects(box))) x.alive = null;
  if (x.alive === null) return;
  const ones = (box.alive ?? box.x.map(() => true)).map(Number);
  const each = kind(box);
  const passed =
    flow === "elementwise" ? added(x.x.length, spread(x.shape, box.shape), ones) : each.shares(box, inputs, ones)[j];
  x.alive = passed.map((share, k) => share !== 0 || Boolean(x.alive?.[k]));
}

// Compute every value; `by` is added to one element of one box, and all that follows from it is computed from the sum.
function forward(boxes, changed, element, by) {
  boxes.forEach((box, i) => {
    const inputs = box.inputs.map((j) => boxes[j]);
    if (inputs.length) box.x = kind(box).value(box, inputs).map((x) => CASTS[box.dtype](x));
    if (i === changed) box.x = box.x.with(element, CASTS[box.dtype](box.x[element] + by));
  });
}

function backward(boxes) {
  const output = boxes.at(-1);
  for (const box of boxes)
    Object.assign(box, { g: box.traced ? box.x.map(() => 0) : null, shares: null, slopes: null, alive: undefined });
  Object.assign(output, { g: output.x.map(() => 1), alive: null });
  const [behind, reached] = [new Set([output]), new Set([output])];
  for (const box of [...boxes].reverse()) {
    if (!box.inputs.length || !behind.has(box)) continue;
    const inputs = box.inputs.map((i) => boxes[i]);
    inputs.forEach((x) => behind.add(x));
    if (!box.traced) continue;
    const single = ![box, ...inputs].some((x) => x.shape.length);
    const each = kind(box);
    // Where a comparison stands in between, no gradient comes, and an infinite slope makes none.
    box.shares = reached.has(box) ? each.shares(box, inputs, box.g) : inputs.map((x) => x.x.map(() => 0));
    box.slopes = each.slopes ? each.slopes(box, inputs) : single ? each.shares(box, inputs, [1]) : null;
    inputs.forEach((x, j) => {
      if (!x.traced) return;
      if (reached.has(box)) {
        reached.add(x);
        pass(box, inputs, j);
      }
      x.g = x.g.map((g, k) => CASTS[x.dtype](g + box.shares[j][k]));
    });
  }
}
