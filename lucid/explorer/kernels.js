// What runs, call by call, and each kernel in all its forms.

const FORMS = [["loops", "Loops"], ["llvm", "LLVM"], ["assembly", "Assembly"], ["cuda", "CUDA"]];

// A call by the number that explain() gives it, and the name of its code, which equal calls share.
function named(call) {
  return call.number < 0 ? call.name : `${call.number}  ${call.name}`;
}

const kernels = {
  build() {
    const root = byId("kernels");
    this.list = root.appendChild(make("div", "calls"));
    const texts = root.appendChild(make("div", "texts"));
    this.bar = texts.appendChild(make("div", "bar"));
    this.apart = texts.appendChild(make("div", "apart"));
    this.text = texts.appendChild(make("pre"));
  },

  show() {
    const { calls } = part().calls;
    const final = part().stages[last()];
    const found = new Set(state.stage === last() ? state.found : []);
    this.list.replaceChildren(...calls.map((call, number) => {
      const row = button("call", undefined, () => this.choose(number));
      const node = final.nodes[call.node];
      row.style.marginLeft = `${18 * call.depth}px`;
      row.style.width = `calc(100% - ${18 * call.depth}px)`;
      row.style.borderLeftColor = `var(--${GROUPS[node.group]})`;
      row.setAttribute("aria-current", number === state.call);
      if (found.has(call.node)) row.classList.add("found");
      row.append(make("b", "", named(call)), make("span", "right", bytes(call.read + call.written)), make("span", "ops", call.ops));
      row.title = `${call.ops}\n${node.module}`;
      return row;
    }));
    this.list.querySelector('[aria-current="true"]')?.scrollIntoView({ block: "nearest" });
    this.texts();
  },

  choose(number) {
    state.call = number;
    if (state.stage !== last()) go({ stage: last() });
    const { node } = part().calls.calls[number];
    select(node, stage().nodes[node].makes[0] ?? -1);
  },

  texts() {
    const call = part().calls.calls[state.call];
    if (!call) return;
    const kernel = part().calls.kernels[call.kernel];
    const title = make("b", "mono", named(call));
    const forms = make("div", "segments");
    for (const [form, name] of FORMS) {
      const choice = button("", name, () => { state.form = form; this.texts(); });
      choice.setAttribute("aria-pressed", form === state.form);
      choice.dataset.form = form;
      forms.appendChild(choice);
    }
    const shared = kernel ? part().calls.calls.filter((other) => other.kernel === call.kernel).length : 1;
    const intensity = (call.operations / Math.max(call.read + call.written, 1)).toFixed(2);
    const work = `reads ${bytes(call.read)}, writes ${bytes(call.written)}, ${call.operations.toLocaleString("en")} operations: ${intensity} a byte`;
    this.bar.replaceChildren(title, ...(kernel ? [forms] : []), make("span", "note", shared > 1 ? `${work}; one kernel for ${shared} calls` : work));
    this.apart.replaceChildren(...call.apart.map(([other, value, reason]) => {
      const line = make("div");
      line.append("not one with ", button("chip", named(part().calls.calls[other]), () => this.choose(other)), make("span", "mono", `%${value}`), `  ${reason}`);
      return line;
    }));
    const final = part().stages[last()];
    const loops = part().calls.calls[state.call + 1]?.depth > call.depth;
    const about = loops ? "What this loop runs stands below it." : `${call.name} is not a loop nest: each target has a function of its own for it.`;
    const line = final.lines[final.nodes[call.node].line][0].trim();
    this.text.textContent = kernel ? kernel[state.form] || "This target has no such text." : `${about}\n\n${line}`;
    this.text.scrollTop = 0;
  },
};
