customElements.define(
  "ws-duplicates",
  class extends HTMLElement {
    connectedCallback() {
      this.textContent = "duplicates";
    }
  },
);
