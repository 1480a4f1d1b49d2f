customElements.define(
  "ws-add",
  class extends HTMLElement {
    connectedCallback() {
      this.textContent = "add";
    }
  },
);
