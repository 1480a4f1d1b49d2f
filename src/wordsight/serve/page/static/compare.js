customElements.define(
  "ws-compare",
  class extends HTMLElement {
    connectedCallback() {
      this.textContent = "compare";
    }
  },
);
