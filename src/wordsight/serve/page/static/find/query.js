// A query, and its form in the address: ?q=…&like=KEY&unlike=KEY&not=…&f={…}&alpha=…&gallery=…
//
// Each part has a weight; one other than 1 is written behind it: like=KEY*2. Images that were dropped are not in the
// address; the browser keeps them with its history.

export const WEIGHTS = [0.5, 1, 2, 3];
const NEGATIVE = -0.5; // weight of what is not wanted, as the command line has it
const ENDING = /\*(0\.5|1|2|3)$/;

export function emptyQuery(gallery = "") {
  return { q: "", weight: 1, images: [], like: [], unlike: [], not: [], filter: {}, alpha: null, gallery };
}

export function readAddress(search = location.search, images = history.state?.images) {
  const given = new URLSearchParams(search);
  const query = emptyQuery(given.get("gallery") ?? "");
  [query.q, query.weight] = readWeight(given.get("q") ?? "");
  for (const [name, field] of [["like", "key"], ["unlike", "key"], ["not", "text"]]) {
    query[name] = given.getAll(name).filter(Boolean).map(readWeight).map(([value, weight]) => ({ [field]: value, weight }));
  }
  query.images = images ?? [];
  const alpha = given.get("alpha");
  if (alpha && Number(alpha) >= 0 && Number(alpha) <= 1) query.alpha = Number(alpha);
  query.filter = readFilter(given.get("f"));
  return query;
}

function readFilter(text) {
  try {
    const filter = JSON.parse(text ?? "{}");
    if (filter && typeof filter === "object" && !Array.isArray(filter)) return filter;
  } catch {
    // a damaged link: the rest of it still counts
  }
  return {};
}

export function writeAddress(query) {
  const said = new URLSearchParams();
  if (query.gallery) said.set("gallery", query.gallery);
  if (query.q) said.set("q", writeWeight(query.q, query.weight));
  for (const { key, weight } of query.like) said.append("like", writeWeight(key, weight));
  for (const { key, weight } of query.unlike) said.append("unlike", writeWeight(key, weight));
  for (const { text, weight } of query.not) said.append("not", writeWeight(text, weight));
  if (Object.keys(query.filter).length) said.set("f", JSON.stringify(query.filter));
  if (query.alpha !== null) said.set("alpha", String(query.alpha));
  const text = said.toString();
  return text ? `?${text}` : location.pathname;
}

function readWeight(text) {
  const found = ENDING.exec(text);
  return found ? [text.slice(0, found.index), Number(found[1])] : [text, 1];
}

function writeWeight(text, weight) {
  return weight === 1 && !ENDING.test(text) ? text : `${text}*${weight}`;
}

// Body of /v1/search. A query that only says what is not wanted lists the gallery.
export function toRequest(query) {
  const asked = { query: [] };
  if (query.gallery) asked.gallery = query.gallery;
  if (Object.keys(query.filter).length) asked.filter = query.filter;
  if (!isWanting(query)) return asked;
  const text = query.q.trim();
  if (text && query.weight === 1) asked.text = text;
  else if (text) asked.query.push({ text, weight: query.weight });
  for (const { uri, weight } of query.images) asked.query.push({ image: uri, weight });
  for (const { key, weight } of query.like) asked.query.push({ like: decodeKey(key), weight });
  for (const { key, weight } of query.unlike) asked.query.push({ like: decodeKey(key), weight: NEGATIVE * weight });
  for (const { text, weight } of query.not) asked.query.push({ text, weight: NEGATIVE * weight });
  if (query.alpha !== null && text) asked.alpha = query.alpha;
  return asked;
}

// Whether there is anything wanted; without it the gallery is listed.
export function isWanting(query) {
  return Boolean(query.q.trim() || query.like.length || query.images.length);
}

export function countParts(query) {
  return (query.q.trim() ? 1 : 0) + query.images.length + query.like.length + query.unlike.length + query.not.length;
}

export function isMarked(query, how, key) {
  return query[how].some((one) => one.key === key);
}

// The same query with an item liked, or not, or neither any more.
export function mark(query, key, how) {
  const had = isMarked(query, how, key);
  const others = (list) => list.filter((one) => one.key !== key);
  const next = { ...query, like: others(query.like), unlike: others(query.unlike) };
  if (!had) next[how] = [...next[how], { key, weight: 1 }];
  return next;
}

// The id that a key stands for.
export function decodeKey(key) {
  try {
    const bytes = Uint8Array.from(atob(key.replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));
    return new TextDecoder().decode(bytes);
  } catch {
    return key; // a damaged link: the server says that it has no such item
  }
}
