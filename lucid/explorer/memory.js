// The arena over time: a block for each storage, as wide as the steps in which it is in use, as high as its bytes.

const memory = {
  build() {
    this.root = byId("memory");
    new ResizeObserver(() => state.view === "memory" && this.show()).observe(this.root);
  },

  show() {
    const plan = part().memory;
    const saved = plan.sum ? Math.round(100 * (1 - plan.arena / plan.sum)) : 0;
    const cards = make("div", "cards");
    const card = (text, label) => {
      const element = cards.appendChild(make("div", "card"));
      element.append(make("b", "", text), make("span", "", label));
    };
    card(bytes(plan.arena), "arena of temporaries");
    card(saved > 0 ? `${saved} %` : "none", "saved by reusing storage");
    card(bytes(plan.states), "weights and other state");
    card(bytes(plan.inputs), "arguments");
    card(bytes(plan.outputs), "results");
    this.root.replaceChildren(cards, plan.blocks.length ? this.picture(plan) : make("p", "note", "This program needs no temporary storage."));
    this.light();
  },

  picture(plan) {
    const [left, width] = [74, Math.max(this.root.clientWidth - 44, 400)];
    const [height, below] = [Math.max(260, this.root.clientHeight - 290), 96];
    const steps = plan.steps + 1;
    const x = (step) => left + ((width - left - 8) * step) / steps;
    const y = (offset) => 8 + (height * offset) / plan.arena;
    const picture = shape("svg", { viewBox: `0 0 ${width} ${height + below + 66}`, height: height + below + 66 });
    for (let tick = 0; tick <= 4; tick += 1) {
      const at = y((plan.arena * tick) / 4);
      picture.append(shape("line", { x1: left, x2: width - 8, y1: at, y2: at, class: "grid" }), label(bytes((plan.arena * tick) / 4), left - 8, at + 4, "end"));
    }
    const final = part().stages[last()];
    plan.blocks.forEach((block, number) => {
      const rectangle = shape("rect", {
        x: x(block.first), y: y(block.offset), width: Math.max(2, x(block.last + 1) - x(block.first)), height: Math.max(1.5, (height * block.size) / plan.arena),
        rx: 2, class: `block ${GROUPS[final.nodes[block.node].group]}`,
      });
      rectangle.dataset.block = number;
      rectangle.addEventListener("mouseenter", () => state.stage === last() && hover(block.node, block.value));
      rectangle.addEventListener("mouseleave", () => hover(-1, -1));
      rectangle.addEventListener("click", () => {
        if (state.stage !== last()) go({ stage: last() });
        select(block.node, block.value);
      });
      const title = block.value < 0 ? "temporaries of the loop" : `%${final.values[block.value][0]}: ${final.values[block.value][1]}`;
      const name = block.value < 0 ? final.nodes[block.node].op : `%${final.values[block.value][0]}`;
      rectangle.appendChild(shape("title", {})).textContent = `${title}\n${bytes(block.size)} at ${block.offset}, steps ${block.first} to ${block.last}`;
      picture.appendChild(rectangle);
      const [wide, high] = [Number(rectangle.getAttribute("width")), Number(rectangle.getAttribute("height"))];
      if (high > 16 && wide > 8 * (name.length + 2)) {
        const inside = picture.appendChild(label(name, x(block.first) + 8, y(block.offset) + 15, "start"));
        inside.setAttribute("class", "inside");
      }
    });
    const alive = new Array(steps).fill(0);
    for (const block of plan.blocks) for (let step = block.first; step <= Math.min(block.last, steps - 1); step += 1) alive[step] += block.size;
    const most = Math.max(...alive, 1);
    const base = height + 40 + below;
    const level = (number) => base - (below * number) / most;
    const points = alive.flatMap((number, step) => [`${x(step)},${level(number)}`, `${x(step + 1)},${level(number)}`]);
    picture.append(
      shape("polygon", { points: [`${left},${base}`, ...points, `${x(steps)},${base}`].join(" "), class: "level" }),
      label("in use", left - 8, base - below + 4, "end"), label(`${bytes(most)} at most`, x(alive.indexOf(most)) + 4, base - below - 6, alive.indexOf(most) > steps * 0.8 ? "end" : "start"),
    );
    for (let tick = 0; tick <= 8; tick += 1) {
      const step = Math.round((plan.steps * tick) / 8);
      picture.append(label(String(step), x(step), base + 16, "middle"));
    }
    picture.append(label("step", left - 8, base + 16, "end"));
    return picture;
  },

  light() {
    const value = state.overValue >= 0 ? state.overValue : state.value;
    for (const block of this.root.querySelectorAll(".block")) {
      const { value: own, shared } = part().memory.blocks[block.dataset.block];
      block.classList.toggle("lit", state.stage === last() && value >= 0 && (own === value || shared.includes(value)));
    }
  },
};

function shape(tag, attributes) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

function label(text, x, y, anchor) {
  const element = shape("text", { x, y, "text-anchor": anchor });
  element.textContent = text;
  return element;
}
