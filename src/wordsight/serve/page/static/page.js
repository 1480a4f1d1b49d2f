// All components of the page; each module defines its custom element.
import "./find/find.js";
import "./sort.js";
import "./compare.js";
import "./add.js";
import "./duplicates.js";
import "./app.js";
