// <ws-app>: the page: its tabs, each of them a component, and whether the model is there yet.
//
// Its contents are in a shadow root with our styles alone, so that Gradio's do not reach them. A component is made when
// its tab is first shown, and kept. The tab is in the address: #sort.

import { announce, h } from "./dom.js";

const TABS = ["find", "sort", "compare", "add", "duplicates"];
const NAMES = { find: "Find", sort: "Sort", compare: "Compare", add: "Add", duplicates: "Duplicates" };

class App extends HTMLElement {
  connectedCallback() {
    if (this.shadowRoot) return;
    this.attachShadow({ mode: "open" });
    this.tabs = TABS.map((name) => h("button", {
      type: "button", role: "tab", id: `tab-${name}`, "aria-controls": `panel-${name}`, class: "ws-tab",
      onclick: () => this.go(name),
    }, NAMES[name]));
    this.panels = TABS.map((name) => h("div", {
      role: "tabpanel", id: `panel-${name}`, "aria-labelledby": `tab-${name}`, class: "ws-panel", hidden: true,
    }));
    this.status = h("p", { class: "ws-readiness", role: "status", hidden: true });
    const styles = [...document.querySelectorAll('link[rel="stylesheet"][href^="/ui/"]')].map((link) => link.cloneNode());
    const title = h("h1", { class: "ws-brand" }, h("a", { href: "/", title: "Start again" }, "word", h("b", {}, "sight")));
    this.shadowRoot.append(...styles, h("div", { class: "ws-app" },
      h("div", { class: "ws-bar-top" }, title,
        h("div", { role: "tablist", "aria-label": "Tasks", class: "ws-tabs", onkeydown: (event) => this.key(event) }, this.tabs),
        this.status),
      this.panels));
    window.addEventListener("popstate", () => this.show(named()));
    window.addEventListener("hashchange", () => this.show(named()));
    this.show(named());
    watchReadiness((text) => this.tell(text));
  }

  // Shows a tab and puts it into the address; each keeps the query of Find, so that going back finds it again.
  go(name) {
    if (name === this.shown) return;
    history.pushState(history.state, "", location.pathname + location.search + (name === "find" ? "" : `#${name}`));
    this.show(name);
  }

  show(name) {
    this.shown = name;
    TABS.forEach((each, at) => {
      const chosen = each === name;
      this.tabs[at].setAttribute("aria-selected", String(chosen));
      this.tabs[at].tabIndex = chosen ? 0 : -1;
      this.panels[at].hidden = !chosen;
      if (chosen && !this.panels[at].firstChild) this.panels[at].append(document.createElement(`ws-${each}`));
    });
    if (name !== "find") document.title = `${NAMES[name]} – wordsight`;
    this.dispatchEvent(new CustomEvent("ws-tab", { detail: name, bubbles: true }));
  }

  key(event) {
    const at = TABS.indexOf(this.shown);
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const next = { Home: 0, End: TABS.length - 1 }[event.key] ?? (step && (at + step + TABS.length) % TABS.length);
    if (next === undefined) return;
    event.preventDefault();
    this.go(TABS[next]);
    this.tabs[next].focus();
  }

  tell(text) {
    this.status.hidden = !text;
    this.status.textContent = text;
  }
}

function named() {
  const name = location.hash.slice(1);
  return TABS.includes(name) ? name : "find";
}

// Tells what /readyz says until the model is there: tell("") then.
async function watchReadiness(tell) {
  for (let wait = 200, said = false; ; wait = Math.min(2000, wait * 1.5)) {
    try {
      const answer = await fetch("/readyz");
      if (answer.ok) {
        tell("");
        if (said) announce("The model is ready.");
        return;
      }
      const { status, problems } = await answer.json();
      tell(status === "failed" ? Object.values(problems ?? {}).join(" ") || "The model cannot be loaded." : "Loading the model…");
      said = true;
    } catch {
      tell("The server does not answer.");
    }
    await new Promise((done) => setTimeout(done, wait));
  }
}

customElements.define("ws-app", App);
