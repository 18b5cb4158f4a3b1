// The IR: a stage beside the one before, line by line. Only the rows in sight are in the document, so that a program of
// any size scrolls.

const ROW = 20;
const PIECES = /("(?:[^"\\]|\\.)*")|\b((?:bool|[uif](?:8|16|32|64))\[[\d, ]*\])|\b(graph|return|state|in backward \d+|true|false|none)\b|(@ ?[\w.+]+)/g;

const code = {
  rows: [],
  element: null,

  build() {
    const root = byId("ir");
    this.scroller = root.appendChild(make("div", "scroller"));
    this.space = this.scroller.appendChild(make("div"));
    this.window = this.space.appendChild(make("div", "window"));
    this.panes = [0, 1].map((side) => {
      const pane = this.window.appendChild(make("div", "pane"));
      pane.appendChild(make("div", "rows"));
      pane.dataset.side = side;
      return pane;
    });
    this.scroller.addEventListener("scroll", () => this.draw());
    this.window.addEventListener("mouseover", (event) => this.over(event.target, false));
    this.window.addEventListener("mouseleave", () => hover(-1, -1));
    this.window.addEventListener("click", (event) => this.over(event.target, true));
  },

  show() {
    const old = state.diff ? before() : null;
    this.rows = old ? compared(old, stage()) : stage().lines.map((_, number) => [-1, number, "", ""]);
    this.rowOf = new Map(this.rows.map((row, number) => [row[1], number]));
    this.panes[0].hidden = !old;
    this.draw();
  },

  draw() {
    if (state.view !== "ir") return;
    const height = this.scroller.clientHeight;
    this.space.style.height = `${Math.max(this.rows.length * ROW + 24, height)}px`;
    const first = Math.max(0, Math.floor(this.scroller.scrollTop / ROW) - 4);
    const shift = first * ROW - this.scroller.scrollTop;
    const rows = this.rows.slice(first, first + Math.ceil(height / ROW) + 8);
    const found = new Set(state.found);
    this.panes.forEach((pane, side) => {
      const of = side ? stage() : before();
      const list = make("div", "rows");
      pane.replaceChild(list, pane.firstChild);
      if (pane.hidden) return;
      list.style.transform = `translateY(${shift}px)`;
      for (const row of rows) list.appendChild(this.line(of, row[side], row[2 + side], side, found));
    });
    this.light();
  },

  line(of, number, kind, side, found) {
    const row = make("div", `row ${number < 0 ? "empty" : kind}`);
    if (number < 0) return row;
    const [text, comment, node, tokens] = of.lines[number];
    row.dataset.node = node;
    if (side === 1 && node >= 0 && found.has(node)) row.classList.add("found");
    if (side === 1 && node >= 0 && node === state.node) row.classList.add("at");
    row.appendChild(make("span", "number", number + 1));
    row.appendChild(make("span", `strip ${node >= 0 ? GROUPS[of.nodes[node].group] : ""}`));
    const shown = row.appendChild(make("span", "text"));
    let at = 0;
    for (let token = 0; token < tokens.length; token += 3) {
      const [start, end, value] = tokens.slice(token, token + 3);
      plain(shown, text.slice(at, start), of, node, at);
      const name = shown.appendChild(make("span", "v", text.slice(start, end)));
      name.dataset.value = value;
      at = end;
    }
    plain(shown, text.slice(at), of, node, at);
    if (comment) row.appendChild(make("span", "comment", comment));
    return row;
  },

  over(target, click) {
    const pane = target.closest(".pane");
    const row = target.closest(".row");
    if (!pane || !row || row.dataset.node === undefined) return click ? select(-1, -1) : hover(-1, -1);
    let node = Number(row.dataset.node);
    let value = target.dataset.value === undefined ? -1 : Number(target.dataset.value);
    if (pane.dataset.side === "0") { // what it has become
      const now = stage().nodes.findIndex((other) => other.from === node);
      const old = before();
      if (value >= 0) {
        const maker = facts(old).maker[value];
        const heir = maker < 0 ? -1 : stage().nodes.findIndex((other) => other.from === maker);
        if (heir >= 0) value = stage().nodes[heir].makes[old.nodes[maker].makes.indexOf(value)] ?? -1;
        else value = maker < 0 ? stage().values.findIndex((other) => other[0] === old.values[value][0]) : -1;
      }
      node = now;
    }
    if (value >= 0) node = click ? nodeOf(value) : node;
    if (click) select(node, value < 0 && node >= 0 ? stage().nodes[node].makes[0] ?? -1 : value);
    else hover(node, value);
  },

  // Mark the value that is pointed at, and the one that has been clicked, wherever they stand.
  light() {
    for (const pane of this.panes) {
      const old = pane.dataset.side === "0";
      const over = old ? earlier(state.overValue) : state.overValue;
      const pinned = old ? earlier(state.value) : state.value;
      for (const name of pane.querySelectorAll(".v")) {
        const value = Number(name.dataset.value);
        name.classList.toggle("lit", value === over);
        name.classList.toggle("pinned", value === pinned);
      }
    }
  },

  reveal(node) {
    if (node < 0) return;
    const top = (this.rowOf.get(stage().nodes[node].line) ?? 0) * ROW;
    const { scrollTop, clientHeight } = this.scroller;
    if (top < scrollTop + ROW || top > scrollTop + clientHeight - 3 * ROW) this.scroller.scrollTop = top - clientHeight / 3;
    this.draw();
  },
};

// Text between values, with types, strings and words told apart.
function plain(into, text, of, node, at) {
  const op = node >= 0 ? of.nodes[node].op : null;
  let rest = 0;
  const add = (piece) => {
    const place = op === null ? -1 : piece.search(new RegExp(`(^|= )\\s*${op}\\b`));
    if (place < 0 || (at + rest > 0 && !piece.includes("= "))) return into.append(piece);
    const start = piece.indexOf(op, place);
    into.append(piece.slice(0, start), make("span", "op", op), piece.slice(start + op.length));
  };
  for (const match of text.matchAll(PIECES)) {
    add(text.slice(rest, match.index));
    into.appendChild(make("span", match[1] ? "string" : match[2] ? "type" : "word", match[0]));
    rest = match.index + match[0].length;
  }
  add(text.slice(rest));
}

// Rows [old line, new line, kind of the old, kind of the new] of two stages; -1 for no line.
function compared(old, now) {
  const memo = facts(now);
  if (memo.rows) return memo.rows;
  const partner = new Array(now.lines.length).fill(-1); // the old line of each new one
  const heir = new Map(); // the new line of each old one
  const waiting = new Map(); // lines that belong to no node, by their text
  old.lines.forEach(([text, , node], number) => {
    if (node < 0) waiting.set(text, [...(waiting.get(text) ?? []), number]);
  });
  now.lines.forEach(([text, , node], number) => {
    const from = node < 0 ? (waiting.get(text)?.shift() ?? -1) : now.nodes[node].from < 0 ? -1 : old.nodes[now.nodes[node].from].line;
    if (from >= 0) {
      partner[number] = from;
      if (!heir.has(from)) heir.set(from, number);
    }
  });
  const pairs = now.lines.map((_, number) => number).filter((number) => heir.get(partner[number]) === number);
  const anchors = rising(pairs, partner);
  const rows = [];
  const kindOld = (number) => (heir.has(number) ? "moved" : old.lines[number][2] < 0 ? "" : "removed");
  const kindNow = (number) => {
    const node = now.lines[number][2];
    if (node < 0) return "";
    if (now.nodes[node].from < 0) return "added";
    return now.nodes[node].changed ? "changed" : "moved";
  };
  let i = 0;
  let j = 0;
  const advance = (toOld, toNow) => {
    while (i < toOld || j < toNow) {
      const left = i < toOld ? i++ : -1;
      const right = j < toNow ? j++ : -1;
      rows.push([left, right, left < 0 ? "" : kindOld(left), right < 0 ? "" : kindNow(right)]);
    }
  };
  for (const number of anchors) {
    advance(partner[number], number);
    const node = now.lines[number][2];
    const kind = node >= 0 && now.nodes[node].changed ? "changed" : "";
    rows.push([partner[number], number, kind, kind]);
    i += 1;
    j += 1;
  }
  advance(old.lines.length, now.lines.length);
  memo.rows = rows;
  return rows;
}

// The longest subsequence whose partners rise.
function rising(numbers, partner) {
  const tails = [];
  const back = new Map();
  for (const number of numbers) {
    let low = 0;
    let high = tails.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (partner[tails[middle]] < partner[number]) low = middle + 1;
      else high = middle;
    }
    back.set(number, low ? tails[low - 1] : -1);
    tails[low] = number;
  }
  const found = [];
  for (let number = tails.at(-1) ?? -1; number >= 0; number = back.get(number)) found.push(number);
  return found.reverse();
}
