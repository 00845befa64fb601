// @ts-check
// Services by their time on the critical path. A click leaves one out, Alt + click all others.

import { colourClass, element } from "./dom.js";
import { percent } from "./duration.js";
import { inert } from "./inert.js";

const MOST = 12;

/** @param {HTMLElement} host @param {import("./model.js").TraceModel} model */
export function legend(host, model) {
  const { serviceCritical, serviceSpans } = model.derived;
  const total = Math.max(1, serviceCritical.reduce((sum, ticks) => sum + ticks, 0));
  const order = model.header.services.map((_, service) => service).filter((service) => serviceSpans[service])
    .sort((a, b) => serviceCritical[b] - serviceCritical[a] || serviceSpans[b] - serviceSpans[a]);
  const list = element("ul", { class: "services", "aria-label": "Services: click to hide" });
  /** @type {[number, HTMLButtonElement][]} */
  const buttons = [];
  order.forEach((service, i) => {
    const { name } = model.header.services[service];
    const share = serviceCritical[service] / total;
    const spans = serviceSpans[service].toLocaleString("en");
    const made = element("button", { type: "button", "aria-pressed": "true", class: "quiet service",
      title: `${inert(name)}: ${spans} spans, ${percent(share)} of the critical path. Click hides it, Alt + click shows only it` },
      element("span", { class: `key ${colourClass(model.header.services[service])}` }), element("bdi", { text: inert(name, 60) }),
      element("span", { class: "muted", text: share > 0 ? percent(share) : "" }));
    made.addEventListener("click", (event) => {
      if (event.altKey) model.setOnly(model.fold.hidden && !model.isHidden(service) ? -1 : service);
      else model.setHidden(service, !model.isHidden(service));
    });
    buttons.push([service, made]);
    list.append(element("li", { hidden: i >= MOST }, made));
  });
  host.append(list);
  if (order.length > MOST) {
    const more = element("button", { type: "button", class: "quiet", text: `+${order.length - MOST} services` });
    more.addEventListener("click", () => {
      for (const item of list.children) /** @type {HTMLElement} */ (item).hidden = false;
      more.remove();
    });
    host.append(more);
  }
  const all = element("button", { type: "button", class: "quiet", text: "Show all", hidden: true });
  all.addEventListener("click", () => model.setOnly(-1));
  host.append(all);
  model.addEventListener("look", () => {
    for (const [service, made] of buttons) made.setAttribute("aria-pressed", String(!model.isHidden(service)));
    all.hidden = !model.fold.hidden;
  });
}
