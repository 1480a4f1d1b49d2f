customElements.define(
  "ws-find",
  class extends HTMLElement {
    connectedCallback() {
      this.textContent = "find";
    }
  },
);
