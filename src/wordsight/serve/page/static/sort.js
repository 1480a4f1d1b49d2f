customElements.define(
  "ws-sort",
  class extends HTMLElement {
    connectedCallback() {
      this.textContent = "sort";
    }
  },
);
