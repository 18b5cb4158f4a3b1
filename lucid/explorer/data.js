// The report, what is being looked at, and small helpers. Text of the user's program becomes text nodes, never markup.

const report = JSON.parse(document.getElementById("report").textContent);
const GROUPS = ["forward", "backward", "update", "argument", "state", "result"];

const state = {
  program: 0, part: 0, stage: 0, view: "ir", diff: true,
  node: -1, value: -1, // what has been clicked
  overNode: -1, overValue: -1, // what the pointer is on
  query: "", found: [], at: -1, // the nodes that a search has found, and the one it stands at
  call: 0, form: "loops",
};

const part = () => report.programs[state.program].parts[state.part];
const stage = () => part().stages[state.stage];
const before = () => (state.stage > 0 ? part().stages[state.stage - 1] : null);
const last = () => part().stages.length - 1;

function byId(id) {
  return document.getElementById(id);
}

function make(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

function button(className, text, act) {
  const element = make("button", className, text);
  element.type = "button";
  element.addEventListener("click", act);
  return element;
}

// As explain() writes them: three digits, in powers of 1000.
function bytes(number) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  while (number >= 999.5 && unit < units.length - 1) {
    number /= 1000;
    unit += 1;
  }
  return `${Number(number.toPrecision(3))} ${units[unit]}`;
}

function milliseconds(number) {
  return number === null ? "" : `${number < 10 ? number.toFixed(1) : Math.round(number)} ms`;
}

// What is known of a stage beyond its data, worked out once: makers and readers of values, the diff with the stage before.
const known = new WeakMap();

function facts(of) {
  if (!known.has(of)) {
    const maker = new Array(of.values.length).fill(-1);
    const readers = of.values.map(() => []);
    of.nodes.forEach((node, number) => {
      node.makes.forEach((value) => (maker[value] = number));
      new Set(node.reads).forEach((value) => readers[value].push(number));
    });
    known.set(of, { maker, readers });
  }
  return known.get(of);
}

// The value of the stage before that a value was, -1 where there is none.
function earlier(value) {
  const old = before();
  if (!old || value < 0) return -1;
  const node = facts(stage()).maker[value];
  if (node < 0) return old.values.findIndex((other, n) => other[0] === stage().values[value][0] && facts(old).maker[n] < 0);
  const { from, makes } = stage().nodes[node];
  return from < 0 ? -1 : old.nodes[from].makes[makes.indexOf(value)] ?? -1;
}

// [added, removed, changed] nodes of a stage against the one before.
function delta(number) {
  const { nodes } = part().stages[number];
  if (number === 0) return [0, 0, 0];
  const kept = new Set(nodes.map((node) => node.from).filter((from) => from >= 0));
  const old = part().stages[number - 1].nodes;
  return [nodes.filter((node) => node.from < 0).length, old.length - kept.size, nodes.filter((node) => node.changed).length];
}

function nodeOf(value) {
  return value < 0 ? -1 : facts(stage()).maker[value];
}
