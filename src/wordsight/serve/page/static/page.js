// All components of the page; each module defines its custom element.
import "./find/find.js";
import "./sort/sort.js";
import "./compare/compare.js";
import "./add/add.js";
import "./duplicates/duplicates.js";
import "./app.js";
