/** Functions that are offered to the model, and what they answer. */

import { byId, element } from "./dom.js";
import { EXAMPLES } from "./functions.js";
import { toolsIn } from "./session-settings.js";
import { t } from "./strings.js";

const TEMPLATE = {
  type: "function",
  name: "my_function",
  description: "What it does, and when to call it.",
  parameters: { type: "object", properties: { what: { type: "string" } }, required: ["what"] },
};

export class FunctionsView {
  #list = byId("functions");
  #answers;
  #on;
  #definitions = new Map();
  #tools = [];
  #open = new Set();

  /**
   * @param {Record<string, string>} answers what the user wrote, by function
   * @param {{offer: (tools: object[]) => void, changed: () => void}} on
   */
  constructor(answers, on) {
    this.#answers = answers;
    this.#on = on;
    for (const { definition } of EXAMPLES) this.#definitions.set(definition.name, definition);
  }

  /** @param {object[]} tools those that are offered */
  update(tools) {
    if (JSON.stringify(tools) === JSON.stringify(this.#tools) && this.#list.children.length) return;
    this.#tools = tools;
    for (const tool of tools) this.#definitions.set(tool.name, tool);
    this.build();
  }

  build() {
    const items = [...this.#definitions.values()].map((definition) => this.#item(definition));
    const add = element("button", { id: "add-function", type: "button" }, t("addFunction"));
    add.addEventListener("click", () => this.#add());
    this.#list.replaceChildren(...items, element("li", {}, add));
  }

  #item(definition) {
    const { name, description = "" } = definition;
    const offered = this.#tools.some((tool) => tool.name === name);
    const box = element("input", { type: "checkbox", checked: offered, id: `offer-${name}` });
    box.addEventListener("change", () => this.#offer(name, box.checked));
    const label = element("label.check", {}, box, element("code", {}, name));
    const details = element("details", { open: this.#open.has(name) }, element("summary", {}, t("definitionAndResult")));
    details.addEventListener("toggle", () => this.#open[details.open ? "add" : "delete"](name));
    details.append(this.#definition(definition), this.#answer(name));
    return element("li", { "data-function": name }, element("div.head", {}, label), element("p.about", {}, description), details);
  }

  #definition(definition) {
    const text = element("textarea", { value: JSON.stringify(definition, null, 2), spellcheck: false, rows: 8 });
    const wrong = element("span.wrong", { role: "alert" });
    text.addEventListener("change", () => {
      try {
        const [changed] = toolsIn(`[${text.value}]`);
        wrong.textContent = "";
        this.#replace(definition.name, changed);
      } catch (error) {
        wrong.textContent = t("definitionWrong", { why: error.message });
      }
    });
    return element("label.field", {}, t("definition"), text, wrong);
  }

  #answer(name) {
    const text = element("textarea", { value: this.#answers[name] ?? "", spellcheck: false, rows: 2, placeholder: t("resultHint") });
    text.addEventListener("change", () => {
      this.#answers[name] = text.value;
      this.#on.changed();
    });
    return element("label.field", {}, t("result"), text);
  }

  #offer(name, offered) {
    const others = this.#tools.filter((tool) => tool.name !== name);
    this.#on.offer(offered ? [...others, this.#definitions.get(name)] : others);
  }

  #replace(name, changed) {
    const entries = [...this.#definitions].map(([known, value]) => (known === name ? [changed.name, changed] : [known, value]));
    this.#definitions = new Map(entries);
    if (this.#open.delete(name)) this.#open.add(changed.name);
    this.#on.offer(this.#tools.map((tool) => (tool.name === name ? changed : tool)));
    this.build();
  }

  #add() {
    let name = TEMPLATE.name;
    for (let n = 2; this.#definitions.has(name); n++) name = `${TEMPLATE.name}_${n}`;
    this.#open.add(name);
    this.#on.offer([...this.#tools, { ...TEMPLATE, name }]);
  }
}
