// The numbers at the wires of the drawing, as labels.py draws them.

const short = (box, x) => (box.dtype === "int64" ? String(x) : number(x, 3));

// The lines at a wire.
function labelled(box, x, withShape) {
  if (!box.shape.length) return [number(x[0])];
  if (x.length > FEW) {
    const numbers = x.map(Number).filter(Number.isFinite);
    const limits = numbers.length ? [Math.min(...numbers), Math.max(...numbers)].map((each) => number(each, 3)) : [];
    const shape = box.shape.length > 1 ? box.shape.join(" × ") : `${x.length} numbers`;
    const odd = x.length - numbers.length;
    return [
      ...(withShape ? [shape] : []),
      limits.join(" .. ") || "no finite number",
      `norm ${number(Math.hypot(...numbers), 3)}`,
      ...(odd ? [`${odd} not finite`] : []),
    ];
  }
  const columns = box.shape.at(-1);
  const rows = range(x.length / columns).map((i) => x.slice(i * columns, (i + 1) * columns));
  const lines = rows.flatMap((row) => range(Math.ceil(columns / 3)).map((k) => row.slice(3 * k, 3 * k + 3)));
  const texts = lines.map((line) => line.map((each) => short(box, each)));
  const width = texts.length > 1 ? Math.max(...texts.flat().map((text) => text.length)) : 0;
  const joined = texts.map((line, k) => (k ? " " : "[") + line.map((text) => text.padStart(width)).join(" "));
  joined[joined.length - 1] += "]";
  return joined;
}

// Blue above 0, orange below, the deeper the larger.
function heatmap(box, x) {
  const [above, below, zero, odd] = graph.colours;
  const canvas = make("canvas", { width: box.shape.at(-1), height: x.length / box.shape.at(-1) });
  const pen = canvas.getContext("2d");
  const picture = pen.createImageData(canvas.width, canvas.height);
  const largest = Math.max(...x.map((each) => Math.abs(each)).filter(Number.isFinite), 0) || 1;
  x.forEach((each, k) => {
    const share = Math.min(Math.max(each / largest, -1), 1);
    const colour = zero.map((c, j) => c + Math.abs(share) * ((share > 0 ? above : below)[j] - c));
    picture.data.set([...(Number.isNaN(share) ? odd : colour), 255], 4 * k);
  });
  pen.putImageData(picture, 0, 0);
  return canvas.toDataURL();
}

function relabel(node, box, kind, x) {
  const text = node.querySelector(`text.${kind}`);
  if (!text || !x?.length) return;
  const lines = labelled(box, x, kind === "value");
  const [first] = text.children;
  let parts = [text];
  if (first) {
    parts = lines.map((line, k) => {
      const part = k ? first.cloneNode() : first;
      part.setAttribute("y", Number(first.getAttribute("y")) + 13 * k);
      return part;
    });
    text.replaceChildren(...parts);
  }
  parts.forEach((part, k) => {
    part.textContent = lines[k];
    part.removeAttribute("textLength");
    // Squeeze what is longer than the room that is kept for it.
    if (part.getComputedTextLength() <= node.dataset.room) return;
    part.setAttribute("textLength", node.dataset.room);
    part.setAttribute("lengthAdjust", "spacingAndGlyphs");
  });
  node.querySelector(`g.${kind} image`)?.setAttribute("href", heatmap(box, x));
}

