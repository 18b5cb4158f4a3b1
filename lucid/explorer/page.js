// The page around the views: stages, tabs, search, keys, and the inspector.

const VIEWS = { ir: code, graph, kernels, memory };
const KEYS = [
  ["/", "search; Enter goes to the next hit, Shift+Enter back"], ["← →", "the stage before, the stage after"],
  ["1 2 3 4", "IR, graph, kernels, memory"], ["↑ ↓", "the line above, the line below"],
  ["d", "compare with the stage before, or not"], ["+ − 0", "zoom the graph, fit it"],
  ["u", "the next use of the value"], ["t", "light or dark"], ["Esc", "let go of what is selected"],
];

// Moving about.

function go(change) {
  const program = change.program ?? state.program;
  const other = program !== state.program || (change.part ?? state.part) !== state.part;
  const selected = state.value;
  const stages = part().stages;
  Object.assign(state, change);
  if (change.program !== undefined && change.part === undefined) state.part = 0;
  state.stage = Math.max(0, Math.min(state.stage, last()));
  if (other) Object.assign(state, { node: -1, value: -1, call: 0 });
  else if (change.stage !== undefined) follow(stages, selected);
  Object.assign(state, { overNode: -1, overValue: -1 });
  search(state.query, false);
  render();
}

// Keep a value selected from one stage to another where it has the same name and type, or the same maker.
function follow(stages, value) {
  if (value < 0) return Object.assign(state, { node: -1 });
  const from = stages.find((one) => one.values[value] && one === follow.stage) ?? null;
  let found = -1;
  if (from) {
    const [name, type] = from.values[value];
    found = stage().values.findIndex((other) => other[0] === name && other[1] === type && !/^\d+$/.test(name));
  }
  return Object.assign(state, { value: found, node: nodeOf(found) });
}

function select(node, value) {
  Object.assign(state, { node, value });
  const call = state.stage === last() ? part().calls.calls.findIndex((other) => other.node === node || stage().nodes[node]?.parent === other.node) : -1;
  if (call >= 0) state.call = call;
  follow.stage = stage();
  refresh();
  remember();
}

function hover(node, value) {
  if (node === state.overNode && value === state.overValue) return;
  Object.assign(state, { overNode: node, overValue: value });
  inspector();
  if (state.view === "ir") code.light();
  if (state.view === "graph") graph.draw();
  if (state.view === "memory") memory.light();
}

function reveal(node) {
  if (state.view === "ir") code.reveal(node);
  if (state.view === "graph") graph.reveal(node);
}

// Drawing.

function render() {
  header();
  timeline();
  for (const tab of document.querySelectorAll("[data-view]")) tab.setAttribute("aria-selected", tab.dataset.view === state.view);
  for (const view of document.querySelectorAll(".view")) view.classList.toggle("shown", view.id === state.view);
  options();
  if (state.view === "graph") graph.resize();
  VIEWS[state.view].show();
  inspector();
  remember();
}

function refresh() {
  if (state.view === "ir") code.draw();
  if (state.view === "graph") graph.draw();
  if (state.view === "kernels") kernels.show();
  if (state.view === "memory") memory.light();
  inspector();
}

function header() {
  const choice = make("select");
  choice.setAttribute("aria-label", "Program");
  report.programs.forEach((program, number) => {
    const option = choice.appendChild(make("option", "", program.signature ? `${program.name}(${program.signature})` : program.name));
    option.value = number;
    option.selected = number === state.program;
  });
  choice.addEventListener("change", () => go({ program: Number(choice.value), stage: 99 }));
  const parts = make("div", "segments");
  report.programs[state.program].parts.forEach((one, number) => {
    const button_ = parts.appendChild(button("", one.title, () => go({ part: number, stage: 99 })));
    button_.setAttribute("aria-pressed", number === state.part);
  });
  byId("programs").replaceChildren(choice, ...(parts.children.length > 1 ? [parts] : []));
}

function timeline() {
  const most = Math.max(...part().stages.map((one) => one.count), 1);
  byId("timeline").replaceChildren(...part().stages.map((one, number) => {
    const step = button("stage", undefined, () => go({ stage: number }));
    step.setAttribute("aria-current", number === state.stage);
    step.dataset.stage = one.name;
    const bars = make("div", "bars");
    GROUPS.slice(0, 3).forEach((group, which) => {
      const count = one.nodes.filter((node) => node.group === which).length;
      if (!count) return;
      const bar = bars.appendChild(make("div", `bar ${group}`));
      bar.style.height = `${Math.max(2, (40 * count) / most)}px`;
      bar.title = `${count} nodes: ${group}`;
    });
    const facts_ = make("span", "facts", [`${one.count} nodes`, milliseconds(one.milliseconds)].filter(Boolean).join(" · "));
    const deltas = make("span", "deltas");
    step.append(bars, make("div", "rail"), make("span", "name", one.name), facts_, deltas);
    delta(number).forEach((count, which) => {
      if (!count) return;
      const part_ = deltas.appendChild(make("span", `delta ${["plus", "minus", "tilde"][which]}`, `${"+−~"[which]}${count}`));
      part_.title = `${count} nodes ${["added", "removed", "changed"][which]}`;
    });
    return step;
  }));
}

function options() {
  const shown = [];
  if (state.view === "ir") {
    const box = make("input");
    box.type = "checkbox";
    box.checked = state.diff;
    box.id = "diff";
    box.addEventListener("change", () => { state.diff = box.checked; code.show(); });
    const label_ = make("label");
    label_.append(box, "beside the stage before");
    shown.push(label_, button("chip", "copy text", () => navigator.clipboard?.writeText(text())));
  } else {
    const legend = make("div", "legend");
    for (const group of state.view === "graph" ? GROUPS : GROUPS.slice(0, 3)) {
      const entry = legend.appendChild(make("span"));
      entry.append(make("i", group), group);
    }
    shown.push(legend);
  }
  byId("options").replaceChildren(...shown);
}

function text() {
  return stage().lines.map(([line, comment]) => (comment ? `${line}  # ${comment}` : line)).join("\n");
}

// The inspector: what a value or a node is, where it comes from, and what uses it.

function inspector() {
  const over = state.overNode >= 0 || state.overValue >= 0;
  let [node, value] = over ? [state.overNode, state.overValue] : [state.node, state.value];
  if (value >= 0 && (node < 0 || !stage().nodes[node].makes.includes(value))) node = nodeOf(value);
  if (value < 0 && node >= 0) value = stage().nodes[node].makes[0] ?? -1;
  const root = byId("inspector");
  if (node < 0 && value < 0) return root.replaceChildren(...overview());
  const here = stage();
  const about = node >= 0 ? here.nodes[node] : null;
  const shown = [];
  const [name, type, , place] = value >= 0 ? here.values[value] : ["", "", 0, ""];
  shown.push(make("h2", "", value >= 0 ? `%${name}` : about.op));
  if (type) shown.push(make("div", "mono quiet", type + (place ? ` in ${place}` : "")));
  const badges = shown.push(make("p")) && shown.at(-1);
  const item = stage().drawing.items.find((one) => one[6] === value && one[5] < 0);
  badges.appendChild(make("span", `badge ${about ? GROUPS[about.group] : GROUPS[item ? item[4] : 3]}`, about ? GROUPS[about.group] : item ? GROUPS[item[4]] : "argument"));
  if (about && state.stage > 0) {
    if (about.from < 0) badges.appendChild(make("span", "badge new", "new in this stage"));
    else if (about.changed) badges.appendChild(make("span", "badge other", "changed in this stage"));
  }
  if (about) shown.push(...definition(about, node), ...source(about));
  const users = value >= 0 ? facts(here).readers[value] : [];
  if (users.length) {
    shown.push(make("h3", "", `Used by ${users.length === 1 ? "one node" : `${users.length} nodes`}`));
    shown.push(...users.slice(0, 60).map((user) => nodeChip(here, user)));
  }
  return root.replaceChildren(...shown);
}

function definition(about, node) {
  const here = stage();
  const shown = [make("h3", "", "Made by"), nodeChip(here, node)];
  if (about.reads.length) {
    shown.push(make("h3", "", "from"));
    for (const read of about.reads.slice(0, 24)) {
      shown.push(button("chip", `%${here.values[read][0]}: ${here.values[read][1]}`, () => { select(nodeOf(read), read); reveal(nodeOf(read)); }));
    }
  }
  const inside = here.nodes.filter((other) => other.parent === node);
  if (inside.length) {
    const covered = [...new Set(inside.map((other) => [other.module, other.file < 0 ? "" : `${report.files[other.file].name}:${other.at}`].filter(Boolean).join("  ·  ")))];
    shown.push(make("h3", "", `${inside.length} nodes inside, from`), ...covered.filter(Boolean).map((place) => make("div", "chip", place)));
  }
  const old = before();
  if (old && about.from >= 0 && about.changed) {
    shown.push(make("h3", "", `In ${old.name} it was`), make("div", "chip", old.lines[old.nodes[about.from].line][0].trim()));
  }
  if (state.stage === last()) {
    const call = part().calls.calls.findIndex((one) => one.node === node || one.node === about.parent);
    if (call >= 0) {
      shown.push(make("h3", "", "Runs in"), button("chip", part().calls.calls[call].name, () => { state.call = call; go({ view: "kernels" }); }));
    }
  }
  return shown;
}

function source(about) {
  if (about.file < 0) return about.module ? [make("h3", "", about.module)] : [];
  const { name, text: whole } = report.files[about.file];
  const lines = whole.split("\n");
  const shown = [make("h3", "", [about.module, `${name}:${about.at}`].filter(Boolean).join("  ·  "))];
  if (!whole) return shown;
  const listing = make("div", "source");
  for (let number = Math.max(1, about.at - 4); number <= Math.min(lines.length, about.at + 4); number += 1) {
    const row = listing.appendChild(make("div", number === about.at ? "here" : ""));
    row.append(make("span", "", number), lines[number - 1] || " ");
  }
  return [...shown, listing];
}

function nodeChip(of, node) {
  const { op, makes, line } = of.nodes[node];
  const name = makes.length ? `%${of.values[makes[0]][0]} = ${op}` : op;
  return button("chip", `${name}  ·  line ${line + 1}`, () => { select(node, makes[0] ?? -1); reveal(node); });
}

function overview() {
  const program = report.programs[state.program];
  const here = stage();
  const counts = new Map();
  for (const node of here.nodes) counts.set(node.op, (counts.get(node.op) ?? 0) + 1);
  const shown = [
    make("h2", "", program.name), make("div", "mono quiet", program.signature),
    make("p", "quiet", `${here.count} nodes in the stage ${here.name}. Point at a value to see where it comes from, click to hold on to it.`),
    make("h3", "", "Ops"),
  ];
  for (const [op, count] of [...counts].sort((a, b) => b[1] - a[1])) {
    shown.push(button("chip", count > 1 ? `${op} × ${count}` : op, () => { byId("search").value = op; search(op, true); }));
  }
  return shown;
}

// Searching: a node is found by its line of text, its comment, or its op.

function search(query, move) {
  state.query = query;
  const wanted = query.trim().toLowerCase();
  state.found = [];
  if (wanted) {
    const found = new Set();
    for (const [line, comment, node] of stage().lines) {
      if (node >= 0 && `${line}  ${comment}`.toLowerCase().includes(wanted)) found.add(node);
    }
    state.found = [...found];
  }
  if (move) state.at = -1;
  if (move && state.found.length) return step(1);
  counted();
  if (move) refresh();
  return undefined;
}

function step(by) {
  if (!state.found.length) return;
  state.at = (state.at + by + state.found.length) % state.found.length;
  const node = state.found[state.at];
  select(node, stage().nodes[node].makes[0] ?? -1);
  counted();
  reveal(node);
}

function counted() {
  const count = state.found.length;
  byId("found").textContent = !state.query.trim() ? "" : count ? `${Math.max(state.at, 0) + 1} of ${count}` : "none";
}

// Keys, theme, and the address, which holds where one is.

function onKey(event) {
  const typing = event.target.matches("input, select");
  if (event.key === "Escape") {
    if (typing) event.target.blur();
    return select(-1, -1);
  }
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return undefined;
  const views = Object.keys(VIEWS);
  const acts = {
    "/": () => byId("search").focus(), "?": () => byId("keys").showModal(), t: turn,
    ArrowLeft: () => go({ stage: Math.max(0, state.stage - 1) }), ArrowRight: () => go({ stage: Math.min(last(), state.stage + 1) }),
    ArrowUp: () => move(-1), ArrowDown: () => move(1), u: nextUse,
    d: () => { state.diff = !state.diff; options(); if (state.view === "ir") code.show(); },
    "+": () => graph.zoom(1.3), "=": () => graph.zoom(1.3), "-": () => graph.zoom(1 / 1.3), 0: () => graph.fit(),
    n: () => step(1), N: () => step(-1),
  };
  const act = acts[event.key] ?? (views[event.key - 1] && (() => go({ view: views[event.key - 1] })));
  if (!act) return undefined;
  event.preventDefault();
  return act();
}

function move(by) {
  if (state.view === "kernels") return kernels.choose(Math.max(0, Math.min(part().calls.calls.length - 1, state.call + by)));
  const node = Math.max(0, Math.min(stage().nodes.length - 1, state.node < 0 && by > 0 ? 0 : state.node + by));
  if (!stage().nodes[node]) return undefined;
  select(node, stage().nodes[node].makes[0] ?? -1);
  return reveal(node);
}

function nextUse() {
  const users = state.value >= 0 ? facts(stage()).readers[state.value] : [];
  if (!users.length) return;
  const node = users.find((user) => user > state.node) ?? users[0];
  Object.assign(state, { node });
  refresh();
  reveal(node);
}

function turn() {
  const dark = document.documentElement.classList.toggle("dark");
  palette = null;
  try { localStorage.setItem("lucid-theme", dark ? "dark" : "light"); } catch { /* a page from a file may have no storage */ }
  remember();
  refresh();
}

function remember() {
  const fields = { program: state.program, part: state.part, stage: stage().name, view: state.view };
  if (state.value >= 0) fields.value = stage().values[state.value][0];
  if (state.view === "kernels") Object.assign(fields, { call: state.call, form: state.form });
  const hash = `#${new URLSearchParams(fields)}`;
  try { history.replaceState(null, "", hash); } catch { /* nor a history */ }
}

function recall() {
  const fields = new URLSearchParams(location.hash.slice(1));
  const number = (name, below) => Math.max(0, Math.min(below - 1, Number(fields.get(name)) || 0));
  state.program = number("program", report.programs.length);
  state.part = number("part", report.programs[state.program].parts.length);
  const named = part().stages.findIndex((one) => one.name === fields.get("stage"));
  const fused = part().stages.findIndex((one) => one.name === "fused");
  state.stage = named >= 0 ? named : fused >= 0 ? fused : last();
  if (fields.get("view") in VIEWS) state.view = fields.get("view");
  state.call = number("call", part().calls.calls.length);
  if (FORMS.some(([form]) => form === fields.get("form"))) state.form = fields.get("form");
  const value = fields.has("value") ? stage().values.findIndex(([name]) => name === fields.get("value")) : -1;
  Object.assign(state, { value, node: nodeOf(value) });
  follow.stage = stage();
  let theme = fields.get("theme");
  try { theme ??= localStorage.getItem("lucid-theme"); } catch { /* see above */ }
  if (theme ? theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches) document.documentElement.classList.add("dark");
}

function start() {
  for (const view of Object.values(VIEWS)) view.build();
  for (const tab of document.querySelectorAll("[data-view]")) tab.addEventListener("click", () => go({ view: tab.dataset.view }));
  const input = byId("search");
  input.addEventListener("input", () => search(input.value, true));
  input.addEventListener("keydown", (event) => event.key === "Enter" && step(event.shiftKey ? -1 : 1));
  byId("theme").addEventListener("click", turn);
  byId("help").addEventListener("click", () => byId("keys").showModal());
  const list = make("dl");
  for (const [key, meaning] of KEYS) list.append(make("dt", "mono", key), make("dd", "", meaning));
  const close = button("chip", "close", () => byId("keys").close());
  byId("keys").append(make("b", "", "Keys"), list, close);
  document.addEventListener("keydown", onKey);
  new ResizeObserver(() => code.draw()).observe(byId("ir"));
  recall();
  render();
  if (state.node >= 0) reveal(state.node);
  requestAnimationFrame(() => setTimeout(() => { document.documentElement.dataset.ready = Math.round(performance.now()); }));
}

start();
