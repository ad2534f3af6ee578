// The numbers of a graph as chainrule.explain writes them, from boxes whose numbers evaluate.js computed.

// Arrays of at most so many elements are written in full.
const FEW = 6;

// Significant digits, as Python's format(x, ".6g") writes them.
function number(x, digits = 6) {
  if (typeof x === "boolean") return String(x);
  if (Number.isNaN(x)) return "nan";
  if (!Number.isFinite(x)) return x > 0 ? "inf" : "-inf";
  if (x === 0) return "0";
  const [mantissa, exponent] = x.toExponential(digits - 1).split("e");
  if (exponent >= -4 && exponent < digits) return String(Number(x.toPrecision(digits)));
  return `${Number(mantissa)}e${exponent[0]}${exponent.slice(1).padStart(2, "0")}`;
}

function listed(shape, x) {
  if (!shape.length) return number(x[0]);
  const [n, ...inner] = shape;
  return `[${range(n).map((k) => listed(inner, x.slice(k * size(inner), (k + 1) * size(inner)))).join(", ")}]`;
}

const tuple = (shape) => `(${shape.join(", ")}${shape.length === 1 ? "," : ""})`;

function brief(shape, x) {
  if (x.length <= FEW) return listed(shape, x);
  if (typeof x[0] === "boolean") return `shape ${tuple(shape)}, ${x.filter(Boolean).length} true`;
  const [least, most, norm] = [Math.min(...x), Math.max(...x), Math.hypot(...x)].map((each) => number(each, 3));
  return `shape ${tuple(shape)}, ${least} .. ${most}, norm ${norm}`;
}

const parenthesised = (text) => (text.startsWith("-") ? `(${text})` : text);

function written(box, texts) {
  const { written, bindsFirst } = GATES[box.gate] ?? {};
  const formula = box.written ?? written;
  if (!formula) return `${box.gate}(${[...texts, ...(box.settings ?? [])].join(", ")})`;
  return formula.replace(/\b[xyz]\b/g, (input) => {
    const text = texts["xyz".indexOf(input)];
    return bindsFirst ? parenthesised(text) : text;
  });
}

// Put the numbers into the value and the gradient of each box and into its equations: lists of what is equal.
function say(boxes) {
  for (const box of boxes) {
    box.value = brief(box.shape, box.x);
    box.gradient = box.g && brief(box.shape, box.g);
  }
  for (const box of boxes) {
    const inputs = box.inputs.map((i) => boxes[i]);
    const small = inputs.every((x) => x.x.length <= FEW);
    const numbers = written(box, inputs.map((x) => (small || !x.shape.length ? x.value : tuple(x.shape))));
    const [name, symbols] = box.forward;
    if (inputs.length) box.forward = [name, symbols, ...(numbers === symbols ? [] : [numbers]), box.value];
    else box.forward = box.forward.length > 1 ? [name, box.value] : [box.value];
    const traced = inputs.map((x, j) => [x, j]).filter(([x]) => x.traced);
    box.backward = box.backward.map(([formula, ...sides], line) => {
      const [x, j] = traced[line] ?? [];
      if (sides.length < 2) return sides.length ? [formula, x.gradient] : [formula];
      const [slope, share] = [brief(box.shape, box.slopes[j]), brief(x.shape, box.shares[j])];
      const factor = box.shape.length ? slope : parenthesised(slope);
      return [formula, `${box.gradient} * ${factor}`, tuple(x.shape) === tuple(box.shape) ? share : `summed: ${share}`];
    });
  }
}
