// The graph on a canvas: drag to move, wheel to zoom, click to select. Boxes were placed when the page was made.

const CROWD = 16; // what more nodes read, such as a learning rate, has its arrows drawn when it is selected only

const graph = {
  x: 0, y: 0, scale: 1, shown: null,

  build() {
    const root = byId("graph");
    this.canvas = root.appendChild(make("canvas"));
    this.brush = this.canvas.getContext("2d");
    const zoom = root.appendChild(make("div", "zoom"));
    zoom.append(
      button("", "+", () => this.zoom(1.3)), button("", "−", () => this.zoom(1 / 1.3)), button("", "⤢", () => this.fit()),
    );
    let grip = null;
    let moved = false;
    this.canvas.addEventListener("pointerdown", (event) => {
      grip = [event.clientX, event.clientY];
      moved = false;
      this.canvas.setPointerCapture(event.pointerId);
    });
    this.canvas.addEventListener("pointermove", (event) => {
      if (!grip) return this.over(event, false);
      const [dx, dy] = [event.clientX - grip[0], event.clientY - grip[1]];
      if (!moved && Math.hypot(dx, dy) < 4) return undefined;
      moved = true;
      this.canvas.classList.add("moving");
      this.x += dx;
      this.y += dy;
      grip = [event.clientX, event.clientY];
      return this.draw();
    });
    this.canvas.addEventListener("pointerup", (event) => {
      grip = null;
      this.canvas.classList.remove("moving");
      if (!moved) this.over(event, true);
    });
    this.canvas.addEventListener("pointerleave", () => grip || hover(-1, -1));
    this.canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      const box = this.canvas.getBoundingClientRect();
      this.zoom(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0016)), event.clientX - box.left, event.clientY - box.top);
    }, { passive: false });
    new ResizeObserver(() => this.resize()).observe(root);
  },

  resize() {
    const { clientWidth, clientHeight } = byId("graph");
    if (!clientWidth) return;
    const ratio = window.devicePixelRatio || 1;
    this.canvas.width = clientWidth * ratio;
    this.canvas.height = clientHeight * ratio;
    if (this.shown !== stage()) this.show();
    else this.draw();
  },

  show() {
    if (this.shown !== stage()) {
      this.shown = stage();
      this.flat = flattened(stage());
      this.fit();
      if (state.node >= 0) this.reveal(state.node);
    }
    this.draw();
  },

  fit() {
    const { width, height } = stage().drawing;
    const { clientWidth, clientHeight } = byId("graph");
    this.scale = Math.min(1, (clientWidth - 48) / width, (clientHeight - 48) / height);
    this.x = (clientWidth - width * this.scale) / 2;
    this.y = (clientHeight - height * this.scale) / 2;
    this.draw();
  },

  zoom(factor, x = byId("graph").clientWidth / 2, y = byId("graph").clientHeight / 2) {
    const scale = Math.min(4, Math.max(0.02, this.scale * factor));
    this.x = x - ((x - this.x) * scale) / this.scale;
    this.y = y - ((y - this.y) * scale) / this.scale;
    this.scale = scale;
    this.draw();
  },

  // The innermost box at a place of the page.
  hit(event) {
    const box = this.canvas.getBoundingClientRect();
    const x = (event.clientX - box.left - this.x) / this.scale;
    const y = (event.clientY - box.top - this.y) / this.scale;
    return this.flat.items.findLast((item) => x >= item.x && x <= item.x + item.width && y >= item.y && y <= item.y + item.height);
  },

  over(event, click) {
    const item = this.hit(event);
    this.canvas.style.cursor = item ? "pointer" : "";
    (click ? select : hover)(item ? item.node : -1, item ? item.value : -1);
  },

  reveal(node) {
    const item = this.flat?.items.find((other) => other.node === node);
    if (!item) return;
    const { clientWidth, clientHeight } = byId("graph");
    this.scale = Math.max(this.scale, 0.8);
    this.x = clientWidth / 2 - (item.x + item.width / 2) * this.scale;
    this.y = clientHeight / 2 - (item.y + Math.min(item.height, 80) / 2) * this.scale;
    this.draw();
  },

  draw() {
    if (state.view !== "graph" || !this.flat || this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      this.paint();
    });
  },

  paint() {
    const { brush, scale } = this;
    const ratio = window.devicePixelRatio || 1;
    const colour = colours();
    brush.setTransform(ratio, 0, 0, ratio, 0, 0);
    brush.clearRect(0, 0, this.canvas.width, this.canvas.height);
    brush.setTransform(ratio * scale, 0, 0, ratio * scale, ratio * this.x, ratio * this.y);
    const left = -this.x / scale;
    const top = -this.y / scale;
    const right = left + this.canvas.width / ratio / scale;
    const bottom = top + this.canvas.height / ratio / scale;
    const inSight = (item) => item.x < right && item.x + item.width > left && item.y < bottom && item.y + item.height > top;
    const found = new Set(state.found);
    const [value, node] = state.overNode >= 0 || state.overValue >= 0 ? [state.overValue, state.overNode] : [state.value, state.node];
    brush.lineWidth = Math.max(1, 0.6 / scale);
    for (const item of this.flat.items) if (item.holds && inSight(item)) this.box(item, colour, found, node);
    brush.strokeStyle = colour.faint;
    brush.globalAlpha = 0.5;
    brush.stroke(this.flat.lines);
    brush.globalAlpha = 1;
    for (const item of this.flat.items) if (!item.holds && inSight(item)) this.box(item, colour, found, node);
    brush.lineWidth = Math.max(2, 1.4 / scale);
    brush.strokeStyle = colour.accent;
    for (const arrow of this.flat.arrows) if (value >= 0 && arrow.value === value) brush.stroke(arrow.path);
  },

  box(item, colour, found, node) {
    const { brush, scale } = this;
    const marked = item.node >= 0 && found.has(item.node);
    const here = item.node >= 0 ? item.node === node : node < 0 && item.value >= 0 && item.value === (state.overValue >= 0 ? state.overValue : state.value);
    const group = GROUPS[item.group];
    brush.beginPath();
    brush.roundRect(item.x, item.y, item.width, item.height, 5);
    brush.globalAlpha = item.holds ? 0.45 : 1;
    brush.fillStyle = colour[`${group}-soft`];
    brush.fill();
    brush.globalAlpha = 1;
    const usual = brush.lineWidth;
    brush.strokeStyle = here ? colour.accent : marked ? colour["glow-line"] : colour[group];
    if (here || marked) brush.lineWidth = Math.max(3, 2 / scale);
    if (item.holds) brush.setLineDash([5, 4]);
    brush.stroke();
    brush.setLineDash([]);
    brush.lineWidth = usual;
    if (scale < 0.3) return;
    brush.textAlign = "center";
    item.lines.forEach((text, number) => {
      brush.font = `${number ? "" : "600 "}11px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace`;
      brush.fillStyle = number ? colour.soft : colour.ink;
      brush.fillText(text, item.x + item.width / 2, item.y + 15 + 15 * number);
    });
  },
};

// All boxes and arrows of a drawing in its own coordinates, what holds others before them.
function flattened(of) {
  const memo = facts(of);
  if (memo.flat) return memo.flat;
  const flat = { items: [], arrows: [], lines: new Path2D() };
  const enter = (items, arrows, x, y) => {
    for (const [dx, dy, width, height, group, node, value, lines, inner, paths] of items) {
      flat.items.push({ x: x + dx, y: y + dy, width, height, group, node, value, lines, holds: inner.length > 0 });
      enter(inner, paths, x + dx, y + dy);
    }
    for (const [, , value, ...points] of arrows) {
      const path = curve(points, x, y);
      flat.arrows.push({ value, path });
      if (facts(of).readers[value].length <= CROWD) flat.lines.addPath(path);
    }
  };
  enter(of.drawing.items, of.drawing.arrows, 0, 0);
  memo.flat = flat;
  return flat;
}

function curve(points, dx, dy) {
  const path = new Path2D();
  let [x, y] = [points[0] + dx, points[1] + dy];
  path.moveTo(x, y);
  const across = points.length === 4 && Math.abs(points[2] - points[0]) > Math.abs(points[3] - points[1]);
  for (let point = 2; point < points.length; point += 2) {
    const [u, v] = [points[point] + dx, points[point + 1] + dy];
    if (across) path.bezierCurveTo((x + u) / 2, y, (x + u) / 2, v, u, v);
    else path.bezierCurveTo(x, (y + v) / 2, u, (y + v) / 2, u, v);
    [x, y] = [u, v];
  }
  return path;
}

let palette = null;

function colours() {
  if (!palette) {
    const style = getComputedStyle(document.documentElement);
    const names = ["ink", "soft", "faint", "accent", "glow-line", ...GROUPS, ...GROUPS.map((group) => `${group}-soft`)];
    palette = Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
  }
  return palette;
}
