// A query and its form in the address: ?q=…&like=…&unlike=…&not=…&f=…&alpha=…&gallery=…

export function emptyQuery(gallery = "") {
  return { q: "", like: [], unlike: [], not: [], images: [], filter: {}, alpha: null, gallery };
}

export function readAddress(search = location.search) {
  const given = new URLSearchParams(search);
  const query = emptyQuery(given.get("gallery") ?? "");
  query.q = given.get("q") ?? "";
  for (const name of ["like", "unlike", "not"]) query[name] = given.getAll(name).filter(Boolean);
  const alpha = given.get("alpha");
  if (alpha !== null && alpha !== "" && Number(alpha) >= 0 && Number(alpha) <= 1) query.alpha = Number(alpha);
  try {
    const filter = JSON.parse(given.get("f") ?? "{}");
    if (filter && typeof filter === "object" && !Array.isArray(filter)) query.filter = filter;
  } catch {
    // a damaged link: the rest of it still counts
  }
  return query;
}

// Images that were dropped are not in the address: they are of this page alone.
export function writeAddress(query) {
  const said = new URLSearchParams();
  if (query.gallery) said.set("gallery", query.gallery);
  if (query.q) said.set("q", query.q);
  for (const name of ["like", "unlike", "not"]) for (const value of query[name]) said.append(name, value);
  if (Object.keys(query.filter).length) said.set("f", JSON.stringify(query.filter));
  if (query.alpha !== null) said.set("alpha", String(query.alpha));
  const text = said.toString();
  return text ? `?${text}` : location.pathname;
}

// Body of /v1/search.
export function toRequest(query) {
  const parts = [
    ...query.images.map(({ uri }) => ({ image: uri })),
    ...query.like.map((like) => ({ like })),
    ...query.unlike.map((like) => ({ like, weight: -0.5 })),
  ];
  const asked = { text: query.q.trim() || null, query: parts, exclude: query.not, fold: true };
  if (query.gallery) asked.gallery = query.gallery;
  if (Object.keys(query.filter).length) asked.filter = query.filter;
  if (query.alpha !== null && asked.text) asked.alpha = query.alpha;
  return asked;
}

// Whether there is anything wanted; a query of unwanted parts alone finds nothing.
export function isWanting(query) {
  return Boolean(query.q.trim() || query.like.length || query.images.length);
}

export function isBrowsing(query) {
  return !isWanting(query) && !query.unlike.length && !query.not.length;
}

// The same query with an item liked, or not, or neither any more.
export function mark(query, id, how) {
  const has = query[how].includes(id);
  const next = { ...query, like: query.like.filter((one) => one !== id), unlike: query.unlike.filter((one) => one !== id) };
  if (!has) next[how] = [...next[how], id];
  return next;
}
