// A second checker of round files, for browsers: written from docs/reference/round-file.md, exact
// in BigInt, with nothing of the server's in it. It needs no other file and can be read in one
// sitting; `suanli verify` is the first checker, and tests hold both against the same rounds.

const INT_MAX = 2n ** 63n - 1n;
const HORIZON_MAX = 168n;
const TEXT_MAX = 256;
const PROBLEMS_MAX = 50;

// --- JSON, exactly: integers of any size, and no field twice ------------------------------------

class NotJson extends Error {}

// Numbers of JSON that are no integers; no field takes one.
class Inexact {}

export function parse(text) {
  let at = 0;
  let doubles = 0;
  const string = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
  const number = /-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?/y;
  const blank = /[ \t\n\r]*/y;
  const fail = () => { throw new NotJson(`at ${at}`); };
  const match = (pattern) => {
    pattern.lastIndex = at;
    const found = pattern.exec(text);
    if (found === null) fail();
    at = pattern.lastIndex;
    return found;
  };
  const skip = () => { match(blank); };
  const text1 = () => JSON.parse(match(string)[0]);
  const items = (end, read) => {
    at += 1;
    skip();
    if (text[at] === end) { at += 1; return; }
    for (;;) {
      read();
      skip();
      if (text[at] === end) { at += 1; return; }
      if (text[at] !== ",") fail();
      at += 1;
      skip();
    }
  };
  const value = (depth) => {
    if (depth > 500) fail();
    const sign = text[at];
    if (sign === "{") {
      const found = new Map();
      items("}", () => {
        const key = text1();
        skip();
        if (text[at] !== ":") fail();
        at += 1;
        skip();
        if (found.has(key)) doubles += 1;
        found.set(key, value(depth + 1));
      });
      return found;
    }
    if (sign === "[") {
      const found = [];
      items("]", () => found.push(value(depth + 1)));
      return found;
    }
    if (sign === '"') return text1();
    for (const [word, meant] of [["true", true], ["false", false], ["null", null]]) {
      if (text.startsWith(word, at)) { at += word.length; return meant; }
    }
    const found = match(number);
    return found[1] || found[2] ? new Inexact() : BigInt(found[0]);
  };
  skip();
  const found = value(0);
  skip();
  if (at !== text.length) fail();
  return { value: found, doubles };
}

function byPoints(a, b) {
  const one = [...a];
  const two = [...b];
  for (let i = 0; i < one.length && i < two.length; i += 1) {
    const difference = one[i].codePointAt(0) - two[i].codePointAt(0);
    if (difference) return difference;
  }
  return one.length - two.length;
}

export function canonical(value) {
  if (value instanceof Map) {
    const keys = [...value.keys()].sort(byPoints);
    return `{${keys.map((key) => `${JSON.stringify(key)}:${canonical(value.get(key))}`).join(",")}}`;
  }
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  return typeof value === "bigint" ? value.toString() : JSON.stringify(value);
}

export async function sha256(bytes) {
  const found = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return [...found].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

// --- fields: objects are closed, each field has its kind ---------------------------------------

const isInt = (v) => typeof v === "bigint" && v >= -INT_MAX && v <= INT_MAX;
const isNat = (v) => typeof v === "bigint" && v >= 0n && v <= INT_MAX;
const isPos = (v) => isNat(v) && v > 0n;
const isText = (v) => typeof v === "string" && /^(?:[^\p{C}\p{Z}]| )+$/u.test(v) && [...v].length <= TEXT_MAX;
const orNull = (test) => (v) => v === null || test(v);
const isBool = (v) => typeof v === "boolean";
const isList = Array.isArray;
const isFilled = (v) => isList(v) && v.length > 0;
const isObject = (v) => v instanceof Map;
const areNats = (v) => isList(v) && v.every(isNat);
const areTexts = (v) => isFilled(v) && v.every(isText);
const matches = (pattern) => (v) => typeof v === "string" && pattern.test(v);
const isSha = matches(/^[0-9a-f]{64}$/);
const isCode = matches(/^[a-z][a-z0-9_]{0,63}$/);
const oneOf = (...all) => (v) => all.includes(v);
const areParams = (v) => isObject(v) && [...v].every(([key, item]) =>
  isText(key) && (isInt(item) || isText(item) || item === ""));
const areCurves = (v) => isObject(v) && [...v].every(([key, item]) => isText(key) && areNats(item));

const ROUND = { format: oneOf("suanli.round.v1"), book: isObject, rules: isObject, result: isObject };
const BOOK = {
  format: oneOf("suanli.book.v1"), market: isText, round_id: isText, first_period: isNat,
  periods: (v) => isPos(v) && v <= HORIZON_MAX, pools: isList, offers: isList, demands: isList,
};
const BOOK_MAY = { links: isList, mobilisation: isObject, policies: isList, kept_out: isObject, held: isList, allowances: isList };
const ALLOWANCE = { key: isText, policy: isText, chip: isText, participant: isText, pools: areTexts, capacity: areNats };
const KEPT_OUT = { offers: isList, demands: isList };
const LINK = { key: isText, source: isText, destination: isText, tariff: isNat, capacity: areNats };
const MOVES = { data_zone: orNull(isText), data_gb: isNat, user_zone: orNull(isText), traffic_gb: isNat };
const MOBILISATION = { id: isText, price_cap: isNat };
const POOL = { key: isText, zone: isText, region: isText, chip: isText, domestic: isBool, tflops: isNat };
const OFFER = {
  id: isText, participant: isText, version: isPos, pool: isText, ask: isNat, start: isNat,
  chips: areNats, block: isBool, rounds_waited: isNat,
};
const DEMAND = {
  id: isText, participant: isText, version: isPos, shape: oneOf("block", "flow", "work"),
  alternatives: isFilled, rounds_waited: isNat, exclusive_group: orNull(isText), linked_to: orNull(isText),
};
const ALTERNATIVE = {
  index: isNat, pools: areTexts, limit: isNat, earliest: isNat, deadline: isNat, chips: isNat,
  chips_min: isNat, duration: isNat, chips_by_period: areNats, chip_hours: isNat,
};
const RULES = { format: oneOf("suanli.rules.v1"), tick: isPos, seed: isInt, effort: isNat, ascent_steps: isNat };
const RESULT = {
  format: oneOf("suanli.result.v1"), market: isText, round_id: isText, book_digest: isSha,
  rules_digest: isSha, status: oneOf("optimal", "feasible"), welfare: isInt, allocations: isList,
  prices: areCurves, demands: isList, offers: isList, certificate: isObject, total_regret: isNat,
};
const ALLOCATION = { demand: isText, offer: isText, pool: isText, start: isNat, chips: areNats };
const isState = oneOf("filled", "part-filled", "open");
const DEMAND_OUT = {
  id: isText, state: isState, alternative: orNull(isNat), chip_hours: isNat, value: isNat,
  payment: isNat, regret: isNat, reason: isObject,
};
const OFFER_OUT = {
  id: isText, state: isState, chip_hours: isNat, cost: isNat, revenue: isNat, regret: isNat, reason: isObject,
};
const LINK_OUT = { key: isText, prices: areNats, used: areNats, regret: isNat };
const REASON = { code: isCode, params: areParams };
const CERTIFICATE = { prices: areCurves, bound: isNat };

const isName = (v) => v === "" || isText(v);
const HOLDING = { participant: isName, pool: isText, start: isNat, chips: areNats };
const POLICY = { id: isText, version: isPos, kind: oneOf("price_limits", "domestic_share", "largest_share"), params: isObject };
const WHOLE = 10_000n;
const isBasisPoints = (v) => isNat(v) && v <= WHOLE;
const PARAMS = {
  price_limits: { cap: isNat, chip: isName, floor: isNat },
  domestic_share: { carried: isNat, premium_max: isNat, region: isName, share_bp: isBasisPoints },
  largest_share: { chip: isName, chips_free: isNat, region: isName, share_bp: isBasisPoints },
};
const areNamedNats = (v) => isObject(v) && [...v].every(([key, item]) => isText(key) && isNat(item));
const SHARE_OUT = {
  policy: isText, premium: isNat, split_bp: isBasisPoints, tflops_hours: isNat, tflops_hours_domestic: isNat,
  shortfall: isNat, account: isNat, charges: isNat, credits: isNat,
};

class Log {
  constructor() { this.checks = []; this.problems = []; this.count = 0; this.open = 0; }

  add(where, expected, found) {
    this.count += 1;
    if (this.problems.length < PROBLEMS_MAX) this.problems.push({ where, expected: String(expected), found: String(found) });
  }

  differ(where, expected, found) { if (expected !== found) this.add(where, expected, found); }

  close(name) {
    const ok = this.count === this.open;
    this.checks.push({ name, ok });
    this.open = this.count;
    return ok;
  }
}

function shown(value) {
  if (value instanceof Map || isList(value)) return canonical(value).slice(0, 80);
  return value instanceof Inexact ? "a number with a fraction" : String(value).slice(0, 80);
}

// Returns the object with its fields as properties, or null and the problems in the log.
function closed(value, kinds, where, log, may = {}) {
  if (!isObject(value)) { log.add(where, "an object", shown(value)); return null; }
  const before = log.count;
  for (const key of value.keys()) {
    if (!Object.hasOwn(kinds, key) && !Object.hasOwn(may, key)) log.add(`${where}.${key}`, "nothing", shown(value.get(key)));
  }
  const found = {};
  for (const [key, test] of [...Object.entries(kinds), ...Object.entries(may)]) {
    if (!value.has(key)) {
      if (Object.hasOwn(kinds, key)) log.add(`${where}.${key}`, "there", "missing");
    } else if (!test(value.get(key))) log.add(`${where}.${key}`, "a value of its kind", shown(value.get(key)));
    else found[key] = value.get(key);
  }
  return log.count === before ? found : null;
}

const each = (items, kinds, where, log, may = {}) =>
  items.map((item, i) => closed(item, kinds, `${where}[${i}]`, log, may)).filter((item) => item !== null);

function quantities(item, shape, where, log) {
  const window = item.deadline - item.earliest;
  if (window < 1n) log.add(`${where}.deadline`, `> ${item.earliest}`, item.deadline);
  if (shape === "block") {
    if (!(item.chips_min >= 1n && item.chips_min <= item.chips)) log.add(`${where}.chips_min`, `1..${item.chips}`, item.chips_min);
    if (item.duration < 1n) log.add(`${where}.duration`, ">= 1", item.duration);
    if (item.chips_by_period.length || item.chip_hours) log.add(where, "0 / []", "a quantity that a block does not use");
  } else {
    if (BigInt(item.chips_by_period.length) !== window) log.add(`${where}.chips_by_period`, window, item.chips_by_period.length);
    if (item.chips || item.chips_min || item.duration) log.add(where, "0", `a quantity that ${shape} does not use`);
  }
}

function readBook(value, log) {
  const before = log.count;
  const book = closed(value, BOOK, "book", log, BOOK_MAY);
  if (book === null) return null;
  if (book.mobilisation) book.mobilisation = closed(book.mobilisation, MOBILISATION, "book.mobilisation", log);
  book.policies = each(book.policies ?? [], POLICY, "book.policies", log);
  book.policies.forEach((item, i) => {
    item.params = closed(item.params, PARAMS[item.kind], `book.policies[${i}].params`, log);
  });
  book.pools = each(book.pools, POOL, "book.pools", log);
  book.links = each(book.links ?? [], LINK, "book.links", log);
  book.held = each(book.held ?? [], HOLDING, "book.held", log);
  book.allowances = each(book.allowances ?? [], ALLOWANCE, "book.allowances", log);
  readOrders(book, "book", log);
  const kept = book.kept_out && closed(book.kept_out, KEPT_OUT, "book.kept_out", log);
  if (kept) readOrders(kept, "book.kept_out", log);
  book.kept = kept ?? { offers: [], demands: [] };
  book.first = book.first_period;
  book.length = Number(book.periods);
  return log.count === before ? book : null;
}

function readOrders(of, path, log) {
  of.offers = each(of.offers, OFFER, `${path}.offers`, log);
  of.demands = each(of.demands, DEMAND, `${path}.demands`, log, { moves: isObject });
  of.demands.forEach((demand, i) => {
    const where = `${path}.demands[${i}]`;
    demand.moves = demand.moves ? closed(demand.moves, MOVES, `${where}.moves`, log) : null;
    demand.alternatives = each(demand.alternatives, ALTERNATIVE, `${where}.alternatives`, log);
    demand.alternatives.forEach((item, j) => quantities(item, demand.shape, `${where}.alternatives[${j}]`, log));
  });
}

function readResult(value, log) {
  const before = log.count;
  const may = { support_loss: isNat, links: isList, shares: isList, allowances: isList };
  const result = closed(value, RESULT, "result", log, may);
  if (result === null) return null;
  const proven = { link_prices: areCurves, premiums: areNamedNats, allowance_prices: areCurves };
  result.certificate = closed(result.certificate, CERTIFICATE, "result.certificate", log, proven);
  result.allowances = each(result.allowances ?? [], LINK_OUT, "result.allowances", log);
  result.links = each(result.links ?? [], LINK_OUT, "result.links", log);
  result.shares = each(result.shares ?? [], SHARE_OUT, "result.shares", log);
  result.allocations = each(result.allocations, ALLOCATION, "result.allocations", log);
  result.demands = each(result.demands, DEMAND_OUT, "result.demands", log);
  result.offers = each(result.offers, OFFER_OUT, "result.offers", log);
  for (const side of ["demands", "offers"]) {
    for (const item of result[side]) {
      item.reason = closed(item.reason, REASON, `result.${side}[${item.id}].reason`, log);
    }
  }
  result.support_loss ??= 0n;
  return log.count === before ? result : null;
}

// --- the book, and who may get what ------------------------------------------------------------

const sum = (items) => items.reduce((total, item) => total + item, 0n);
const less = (a, b) => (a < b ? a : b);
const more = (a, b) => (a > b ? a : b);
const before = (a, b) => (typeof a === "bigint" ? a < b : byPoints(a, b) < 0);

function sorted(keys, where, log) {
  for (let i = 1; i < keys.length; i += 1) {
    if (!before(keys[i - 1], keys[i])) log.add(`${where}[${i}]`, `> ${keys[i - 1]}`, keys[i]);
  }
}

function checkBook(book, tick, log) {
  sorted(book.pools.map((item) => item.key), "book.pools", log);
  sorted(book.offers.map((item) => item.id), "book.offers", log);
  sorted(book.demands.map((item) => item.id), "book.demands", log);
  for (const pool of book.pools) log.differ(`book.pools[${pool.key}]`, `${pool.zone}/${pool.chip}`, pool.key);
  const pools = new Set(book.pools.map((item) => item.key));
  const ids = new Set(book.demands.map((item) => item.id));
  for (const offer of book.offers) {
    if (!pools.has(offer.pool)) log.add(`book.offers[${offer.id}].pool`, "one of the book", offer.pool);
    if (offer.ask % tick) log.add(`book.offers[${offer.id}].ask`, `n x ${tick}`, offer.ask);
  }
  for (const demand of book.demands) {
    const where = `book.demands[${demand.id}]`;
    sorted(demand.alternatives.map((item) => item.index), where, log);
    for (const item of demand.alternatives) {
      sorted(item.pools, `${where}.pools`, log);
      for (const pool of item.pools) if (!pools.has(pool)) log.add(`${where}.pools`, "one of the book", pool);
      const cap = book.mobilisation?.price_cap;
      if (cap !== undefined && item.limit > cap) log.add(`${where}.limit`, `<= ${cap}`, item.limit);
    }
    if (demand.linked_to !== null && !ids.has(demand.linked_to)) log.add(`${where}.linked_to`, "one of the book", demand.linked_to);
    checkMoves(demand, `${where}.moves`, log);
  }
  sorted(book.links.map((item) => item.key), "book.links", log);
  for (const link of book.links) {
    log.differ(`book.links[${link.key}]`, `${link.source}>${link.destination}`, link.key);
    log.differ(`book.links[${link.key}].capacity`, book.length, link.capacity.length);
  }
}

function checkMoves(demand, where, log) {
  const { moves } = demand;
  if (moves === null) return;
  for (const [name, zone, gb] of [
    ["data_zone", moves.data_zone, moves.data_gb], ["user_zone", moves.user_zone, moves.traffic_gb],
  ]) {
    if ((zone === null) !== (gb === 0n)) log.add(`${where}.${name}`, "with GB alone", zone);
  }
  const isFixed = demand.alternatives.every((item) => item.chips === item.chips_min);
  if (moves.data_gb && (demand.shape !== "block" || !isFixed)) log.add(`${where}.data_gb`, "0", moves.data_gb);
}

function push(map, key, item) {
  const found = map.get(key);
  if (found) found.push(item); else map.set(key, [item]);
}

function checkAllocations(round) {
  const { book, result, log } = round;
  let last = null;
  result.allocations.forEach((item, i) => {
    const where = `result.allocations[${i}]`;
    if (last !== null) {
      const order = byPoints(last.demand, item.demand) || byPoints(last.offer, item.offer) || (last.start < item.start ? -1 : 1);
      if (order >= 0) log.add(where, "after the one before", `${item.demand}, ${item.offer}, ${item.start}`);
    }
    last = item;
    if (allocationStands(round, item, where)) {
      push(round.demandParts, item.demand, item);
      push(round.offerParts, item.offer, item);
    }
  });
  for (const [id, parts] of round.offerParts) checkCapacity(round.offers.get(id), parts, log);
  const chosen = new Map(result.demands.map((item) => [item.id, item.alternative]));
  for (const demand of book.demands) checkDemand(round, demand, chosen.get(demand.id) ?? null);
  checkBonds(round);
  // Chips that no order has were found above; what they would send means nothing.
  if (log.count !== log.open) return;
  checkUse(round);
  checkLargest(round);
}

function allocationStands(round, item, where) {
  const { book, log } = round;
  const offer = round.offers.get(item.offer);
  if (!offer) log.add(`${where}.offer`, "one of the book", item.offer);
  if (!round.demands.has(item.demand)) log.add(`${where}.demand`, "one of the book", item.demand);
  if (!offer || !round.demands.has(item.demand)) return false;
  log.differ(`${where}.pool`, offer.pool, item.pool);
  let stands = item.pool === offer.pool;
  if (!item.chips.length || item.chips[0] === 0n || item.chips.at(-1) === 0n) {
    log.add(`${where}.chips`, "> 0", item.chips);
    stands = false;
  }
  const end = item.start + BigInt(item.chips.length);
  for (const [low, high] of [
    [offer.start, offer.start + BigInt(offer.chips.length)], [book.first, book.first + book.periods],
  ]) {
    if (item.start < low || end > high) {
      log.add(where, `[${low}, ${high})`, `[${item.start}, ${end})`);
      stands = false;
    }
  }
  return stands;
}

function checkCapacity(offer, parts, log) {
  const sold = offer.chips.map(() => 0n);
  for (const item of parts) {
    const shift = Number(item.start - offer.start);
    item.chips.forEach((chips, i) => { sold[shift + i] += chips; });
  }
  sold.forEach((chips, i) => {
    if (chips > offer.chips[i]) log.add(`result.offers[${offer.id}][${i}]`, `<= ${offer.chips[i]}`, chips);
    else if (offer.block && chips < offer.chips[i]) log.add(`result.offers[${offer.id}][${i}]`, offer.chips[i], chips);
  });
}

function checkDemand(round, demand, index) {
  const { log } = round;
  const where = `result.demands[${demand.id}]`;
  const parts = round.demandParts.get(demand.id);
  if (!parts) {
    if (index !== null) log.add(`${where}.alternative`, "null", index);
    return;
  }
  round.hours.set(demand.id, sum(parts.flatMap((item) => item.chips)));
  const used = index === null ? undefined : demand.alternatives.find((item) => item.index === index);
  if (!used) { log.add(`${where}.alternative`, "one of the demand", index); return; }
  round.used.set(demand.id, used);
  const cells = new Map();
  for (const item of parts) {
    item.chips.forEach((chips, i) => {
      if (!chips) return;
      const key = `${item.pool}\n${item.start + BigInt(i)}`;
      const cell = cells.get(key) ?? { pool: item.pool, t: item.start + BigInt(i), chips: 0n };
      cell.chips += chips;
      cells.set(key, cell);
    });
  }
  const all = [...cells.values()];
  for (const cell of all) if (!used.pools.includes(cell.pool)) log.add(where, "a pool of the alternative", cell.pool);
  const low = all.map((cell) => cell.t).reduce(less);
  const high = all.map((cell) => cell.t).reduce(more) + 1n;
  if (low < used.earliest || high > used.deadline) log.add(where, `[${used.earliest}, ${used.deadline})`, `[${low}, ${high})`);
  else if (demand.shape === "block") checkBlock(used, all, where, log);
  else checkDivisible(used, all, where, log);
}

function checkBlock(used, cells, where, log) {
  const pools = new Set(cells.map((cell) => cell.pool));
  log.differ(where, 1, pools.size);
  const periods = [...new Set(cells.map((cell) => cell.t))].sort((a, b) => (a < b ? -1 : 1));
  const length = BigInt(periods.length);
  if (length !== used.duration || periods.at(-1) - periods[0] + 1n !== length) log.add(where, `${used.duration} in a row`, length);
  const chips = [...new Set(cells.map((cell) => cell.chips))];
  if (chips.length > 1) log.add(where, "the same throughout", chips);
  else if (chips[0] < used.chips_min || chips[0] > used.chips) log.add(where, `${used.chips_min}..${used.chips}`, chips[0]);
}

function checkDivisible(used, cells, where, log) {
  const taken = new Map();
  for (const cell of cells) taken.set(cell.t, (taken.get(cell.t) ?? 0n) + cell.chips);
  for (const [t, chips] of taken) {
    const most = used.chips_by_period[Number(t - used.earliest)];
    if (chips > most) log.add(`${where}[${t}]`, `<= ${most}`, chips);
  }
  const total = sum([...taken.values()]);
  if (total > used.chip_hours) log.add(where, `<= ${used.chip_hours}`, total);
}

const groupOf = (demand) => JSON.stringify([demand.participant, demand.exclusive_group]);

function checkBonds(round) {
  for (const [id, hours] of round.hours) {
    const demand = round.demands.get(id);
    if (demand.exclusive_group !== null) push(round.accepted, groupOf(demand), id);
    if (demand.linked_to !== null && !round.hours.has(demand.linked_to)) round.log.add(`result.demands[${id}]`, "0", hours);
  }
  for (const ids of round.accepted.values()) {
    if (ids.length > 1) round.log.add(`result.demands[${ids[1]}]`, "one of its group", ids.length);
  }
}

// --- links: one route between two zones, data before a start, traffic with every chip-hour ------

const CROSSING_MAX = 4;

class Ways {
  constructor(book) {
    this.links = book.links;
    this.of_key = new Map(book.links.map((link) => [link.key, link]));
    this.zones = new Map(book.pools.map((pool) => [pool.key, pool.zone]));
    this.routes = new Map();
  }

  // Returns keys of links from zone to zone, or undefined if no way leads there.
  route(source, target) {
    if (!this.routes.has(source)) this.routes.set(source, this.routesFrom(source));
    return this.routes.get(source).get(target)?.keys;
  }

  routesFrom(source) {
    // Bellman-Ford: least tariffs, then fewest links, then keys in their order.
    const best = new Map([[source, { paid: 0n, keys: [] }]]);
    for (let turn = 0, changed = true; changed && turn <= this.links.length; turn += 1) {
      changed = false;
      for (const link of this.links) {
        const from = best.get(link.source);
        if (!from) continue;
        const label = { paid: from.paid + link.tariff, keys: [...from.keys, link.key] };
        const known = best.get(link.destination);
        if (!known || comesFirst(label, known)) { best.set(link.destination, label); changed = true; }
      }
    }
    return best;
  }

  // Returns the links of data and of traffic if a pool serves, or null if no way leads there.
  of({ moves }, pool) {
    if (moves === null) return { data: [], traffic: [] };
    const zone = this.zones.get(pool);
    const data = moves.data_zone === null ? [] : this.route(moves.data_zone, zone);
    const traffic = moves.user_zone === null ? [] : this.route(zone, moves.user_zone);
    return data && traffic ? { data, traffic } : null;
  }

  // Returns what cells {pool, t, chips} send, as a list of {key, t, gb}, or null without a way.
  use(demand, cells) {
    const used = new Map();
    const add = (key, t, gb) => {
      const at = `${key}\n${t}`;
      used.set(at, { key, t, gb: (used.get(at)?.gb ?? 0n) + gb });
    };
    const { moves } = demand;
    if (moves === null) return [];
    for (const { pool, t, chips } of cells) {
      const way = this.of(demand, pool);
      if (!way) return null;
      for (const key of way.traffic) add(key, t, chips * moves.traffic_gb);
    }
    if (moves.data_gb) {
      const first = cells.reduce((a, b) => (b.t < a.t || (b.t === a.t && byPoints(b.pool, a.pool) < 0) ? b : a));
      const way = this.of(demand, first.pool);
      const shares = crossing(moves.data_gb, first.t);
      if (!way || (way.data.length && !shares.length)) return null;
      for (const key of way.data) for (const { t, gb } of shares) add(key, t, gb);
    }
    return [...used.values()];
  }
}

function comesFirst(a, b) {
  if (a.paid !== b.paid) return a.paid < b.paid;
  if (a.keys.length !== b.keys.length) return a.keys.length < b.keys.length;
  const at = a.keys.findIndex((key, i) => key !== b.keys[i]);
  return at >= 0 && byPoints(a.keys[at], b.keys[at]) < 0;
}

// Data is spread over the periods right before a start; the first of them carry more.
function crossing(gb, start) {
  const first = Math.max(0, start - CROSSING_MAX);
  const count = BigInt(start - first);
  const shares = [];
  for (let t = first; t < start; t += 1) {
    const share = gb / count + (BigInt(t - first) < gb % count ? 1n : 0n);
    if (share) shares.push({ t, gb: share });
  }
  return shares;
}

function cellsOf(parts, first) {
  const cells = new Map();
  for (const item of parts) {
    item.chips.forEach((chips, i) => {
      if (!chips) return;
      const t = Number(item.start - first) + i;
      const at = `${item.pool}\n${t}`;
      cells.set(at, { pool: item.pool, t, chips: (cells.get(at)?.chips ?? 0n) + chips });
    });
  }
  return [...cells.values()];
}

function checkUse(round) {
  const { book, result, ways, log } = round;
  if (!book.links.length && book.demands.every((demand) => demand.moves === null)) {
    log.differ("result.links", 0, result.links.length);
    return;
  }
  const total = new Map(book.links.map((link) => [link.key, Array(book.length).fill(0n)]));
  for (const [id, parts] of round.demandParts) {
    const demand = round.demands.get(id);
    if (demand.moves === null) continue;
    const use = ways.use(demand, cellsOf(parts, book.first));
    if (use === null) { log.add(`result.demands[${id}]`, "a way", "nothing"); continue; }
    round.sent.set(id, use);
    for (const { key, t, gb } of use) total.get(key)[t] += gb;
  }
  log.differ("result.links", book.links.length, result.links.length);
  book.links.forEach((link, n) => {
    const where = `result.links[${link.key}]`;
    const used = total.get(link.key);
    used.forEach((gb, t) => {
      if (gb > link.capacity[t]) log.add(`${where}.used[${t}]`, `<= ${link.capacity[t]}`, gb);
    });
    const row = result.links[n];
    if (!row) return;
    log.differ(`${where}.key`, link.key, row.key);
    log.differ(`${where}.used`, used.join(), row.used.join());
    log.differ(`${where}.prices`, book.length, row.prices.length);
    for (const price of row.prices) if (price < link.tariff) log.add(`${where}.prices`, `>= ${link.tariff}`, price);
  });
}

// What a demand pays for links at the clearing prices.
const charge = (round, id) =>
  sum((round.sent.get(id) ?? []).map(({ key, t, gb }) => gb * round.linkPrices.get(key)[t]));

const tariffs = (round) => sum([...round.sent.values()].flat().map(({ key, gb }) => gb * round.ways.of_key.get(key).tariff));

// What each link could gain at most at prices beyond its tariff.
const gains = (links, prices) => links.map((link) =>
  sum(link.capacity.map((gb, t) => gb * more(0n, prices.get(link.key)[t] - link.tariff))));

// --- prices and money --------------------------------------------------------------------------

const poolsOf = (book) => book.pools.map((item) => item.key);
const linksOf = (book) => book.links.map((item) => item.key);

function checkCurves(round, curves, where, tick, keys = poolsOf(round.book)) {
  const { book, log } = round;
  let complete = true;
  const pools = new Set(keys);
  for (const pool of pools) if (!curves.has(pool)) { complete = false; log.add(`${where}[${pool}]`, "there", "missing"); }
  for (const [pool, curve] of curves) {
    if (!pools.has(pool)) { complete = false; log.add(`${where}[${pool}]`, "nothing", "there"); }
    if (curve.length !== book.length) { complete = false; log.add(`${where}[${pool}]`, book.length, curve.length); }
    for (const price of curve) if (price % tick) log.add(`${where}[${pool}]`, `n x ${tick}`, price);
  }
  return complete;
}

function priced(round, item) {
  const shift = Number(item.start - round.book.first);
  const curve = round.result.prices.get(item.pool);
  return item.chips.map((chips, i) => ({ chips, price: curve[shift + i] }));
}

const paidFor = (round, item) => sum(priced(round, item).map(({ chips, price }) => chips * price));

// What a demand pays, for links too.
const paidBy = (round, id) =>
  sum((round.demandParts.get(id) ?? []).map((item) => paidFor(round, item))) + charge(round, id);

// No chip of a flow or work costs more than its limit with its traffic.
function checkSender(round, demand, limit, where) {
  for (const cell of cellsOf(round.demandParts.get(demand.id), round.book.first)) {
    const use = round.ways.use(demand, [{ ...cell, chips: 1n }]) ?? [];
    const price = round.result.prices.get(cell.pool)[cell.t]
      + sum(use.map(({ key, t, gb }) => gb * round.linkPrices.get(key)[t]));
    if (price > limit) round.log.add(`${where}[${cell.pool}][${cell.t}]`, `<= ${limit}`, price);
  }
}

function checkRule1(round) {
  for (const [id, used] of round.used) {
    const parts = round.demandParts.get(id);
    const where = `result.demands[${id}]`;
    const demand = round.demands.get(id);
    if (demand.shape === "block") {
      const paid = paidBy(round, id);
      const most = used.limit * round.hours.get(id);
      if (paid > most) round.log.add(`${where}.payment`, `<= ${most}`, paid);
    } else if (demand.moves !== null) {
      checkSender(round, demand, used.limit, where);
    } else {
      for (const item of parts) {
        for (const { chips, price } of priced(round, item)) {
          if (chips && price > used.limit) round.log.add(where, `<= ${used.limit}`, price);
        }
      }
    }
  }
  for (const [id, parts] of round.offerParts) {
    // Where a premium is paid, `checkShares` looks at what offers receive.
    if (round.result.shares.some((row) => row.premium)) break;
    const { ask } = round.offers.get(id);
    for (const item of parts) {
      for (const { chips, price } of priced(round, item)) {
        if (chips && price < ask) round.log.add(`result.offers[${id}]`, `>= ${ask}`, price);
      }
    }
  }
}

function checkRule2(round) {
  const cells = new Map();
  const book = (pool, item, sign) => item.chips.forEach((chips, i) => {
    const key = `${pool} ${item.start + BigInt(i)}`;
    cells.set(key, (cells.get(key) ?? 0n) + sign * chips);
  });
  for (const parts of round.demandParts.values()) for (const item of parts) book(item.pool, item, 1n);
  for (const [id, parts] of round.offerParts) for (const item of parts) book(round.offers.get(id).pool, item, -1n);
  for (const [key, chips] of cells) if (chips) round.log.add(key, "0", chips);
  const paid = sum(round.result.demands.map((item) => item.payment));
  // What goes over links is paid to those who run them and to the account of rents.
  const forLinks = sum([...round.sent.keys()].map((id) => charge(round, id)));
  round.log.differ("result.offers", paid, sum(round.result.offers.map((item) => item.revenue)) + forLinks);
}

// --- policies: the limits of prices -------------------------------------------------------------

function rangesOf(book) {
  const found = new Map();
  for (const { kind, params } of book.policies) {
    if (kind !== "price_limits") continue;
    const known = found.get(params.chip) ?? params;
    found.set(params.chip, { floor: more(known.floor, params.floor), cap: less(known.cap, params.cap) });
  }
  return found;
}

function checkPolicies(round) {
  const { book, log } = round;
  checkShares(round);
  const ranges = rangesOf(book);
  const chips = new Map(book.pools.map((pool) => [pool.key, pool.chip]));
  const any = { floor: 0n, cap: INT_MAX };
  const of = (pool) => ranges.get(chips.get(pool)) ?? ranges.get("") ?? any;
  checkKeptOut(book, (pool) => (chips.has(pool) ? of(pool) : any), log);
  if (!ranges.size) return;
  for (const offer of book.offers) {
    const { floor, cap } = of(offer.pool);
    if (offer.ask < floor || offer.ask > cap) log.add(`book.offers[${offer.id}].ask`, `${floor}..${cap}`, offer.ask);
  }
  for (const demand of book.demands) {
    for (const item of demand.alternatives) {
      const cap = item.pools.map((pool) => of(pool).cap).reduce(less);
      if (item.limit > cap) log.add(`book.demands[${demand.id}].alternatives[${item.index}].limit`, `<= ${cap}`, item.limit);
    }
  }
  for (const [pool, curve] of round.result.prices) {
    const { cap } = of(pool);
    for (const price of curve) if (price > cap) log.add(`result.prices[${pool}]`, `<= ${cap}`, price);
  }
}

// No order of the book is kept out of it, and limits keep an offer out. Why a demand is follows
// from its order, of which the book has a part.
function checkKeptOut(book, of, log) {
  const inside = new Set([...book.offers, ...book.demands].map((item) => item.id));
  for (const { id } of [...book.kept.offers, ...book.kept.demands]) {
    if (inside.has(id) || !book.policies.length) log.add("book.kept_out", "orders that a policy keeps out", id);
  }
  for (const offer of book.kept.offers) {
    const { floor, cap } = of(offer.pool);
    if (offer.ask >= floor && offer.ask <= cap) log.add(`book.kept_out.offers[${offer.id}].ask`, `below ${floor} or above ${cap}`, offer.ask);
  }
}

// --- domestic shares: asks moved by the premium, and who pays and receives it -------------------

// None binds an urgent round.
const sharesOf = (book) =>
  (book.mobilisation ? [] : book.policies.filter((item) => item.kind === "domestic_share"));
const covers = ({ params }, pool) => params.region === "" || params.region === pool.region;
const floorDiv = (a, b) => (a % b !== 0n && a < 0n ? a / b - 1n : a / b);

function checkShareShape(book, result, log) {
  sorted(book.policies.map((item) => item.id), "book.policies", log);
  const names = sharesOf(book).map((item) => item.id);
  const list = (items) => canonical([...items].sort(byPoints));
  log.differ("result.shares", canonical(names), canonical(result.shares.map((row) => row.policy)));
  const premiums = result.certificate.premiums ?? new Map();
  log.differ("result.certificate.premiums", list(names), list(premiums.keys()));
  for (const { id, params } of sharesOf(book)) {
    const row = result.shares.find((item) => item.policy === id);
    for (const premium of [row?.premium ?? 0n, premiums.get(id) ?? 0n]) {
      if (premium > params.premium_max) log.add(`result.shares[${id}].premium`, `<= ${params.premium_max}`, premium);
    }
  }
}

// Returns what each rule moves an ask in a pool by, in ten-thousandths of a micro-yuan.
const wedges = (book, pool, premiumOf, splitOf) => sharesOf(book).filter((rule) => covers(rule, pool)).map((rule) =>
  (pool.domestic ? splitOf(rule) - WHOLE : splitOf(rule)) * premiumOf(rule) * pool.tflops);

function movedBy(book, moveOf) {
  const moves = new Map(book.pools.map((pool) => [pool.key, moveOf(pool)]));
  return new Map(book.offers.map((offer) => [offer.id, offer.ask + moves.get(offer.pool)]));
}

function clearedAsks(book, result, tick) {
  const row = (rule) => result.shares.find((item) => item.policy === rule.id);
  const asks = movedBy(book, (pool) => sum(
    wedges(book, pool, (rule) => row(rule).premium, (rule) => row(rule).split_bp)
      .map((part) => -floorDiv(-part, WHOLE * tick) * tick)));
  return new Map([...asks].map(([id, ask]) => [id, more(0n, ask)]));
}

function certificateAsks(book, result) {
  const premium = (rule) => result.certificate.premiums.get(rule.id);
  return movedBy(book, (pool) =>
    floorDiv(sum(wedges(book, pool, premium, (rule) => rule.params.share_bp)), WHOLE));
}

function checkShares(round) {
  const { book, result, log } = round;
  const pools = new Map(book.pools.map((pool) => [pool.key, pool]));
  const poolOf = (id) => pools.get(round.offers.get(id).pool);
  const shares = sharesOf(book).map((rule) => {
    const found = { rule, row: result.shares.find((item) => item.policy === rule.id), all: 0n, domestic: 0n, charges: 0n, credits: 0n };
    for (const [id, parts] of round.offerParts) {
      const pool = poolOf(id);
      if (!covers(rule, pool)) continue;
      const hours = pool.tflops * sum(parts.flatMap((item) => item.chips));
      found.all += hours;
      if (pool.domestic) found.domestic += hours;
    }
    checkShare(found, log);
    return found;
  });
  const paying = shares.filter(({ row }) => row.premium);
  for (const [id, parts] of paying.length ? round.offerParts : []) {
    const [pool, { ask }] = [poolOf(id), round.offers.get(id)];
    for (const item of parts) {
      for (const { chips, price } of priced(round, item)) {
        let received = chips * price;
        for (const share of paying.filter(({ rule }) => chips && pool.tflops && covers(rule, pool))) {
          const other = pool.domestic ? share.all - share.domestic : -share.domestic;
          const amount = floorDiv(share.row.premium * other * chips * pool.tflops, share.all);
          received += amount;
          if (amount > 0n) share.credits += amount; else share.charges -= amount;
        }
        if (received < chips * ask) log.add(`result.offers[${id}]`, `>= ${chips * ask}`, received);
      }
    }
  }
  for (const { rule, row, charges, credits } of shares) {
    log.differ(`result.shares[${rule.id}].charges`, charges, row.charges);
    log.differ(`result.shares[${rule.id}].credits`, credits, row.credits);
    if (row.credits > row.charges) log.add(`result.shares[${rule.id}].credits`, `<= ${row.charges}`, row.credits);
  }
}

function checkShare({ rule, row, all, domestic }, log) {
  const where = `result.shares[${rule.id}]`;
  const { share_bp: share, premium_max: cap, carried } = rule.params;
  log.differ(`${where}.tflops_hours`, all, row.tflops_hours);
  log.differ(`${where}.tflops_hours_domestic`, domestic, row.tflops_hours_domestic);
  const balance = -floorDiv(-share * all, WHOLE) - domestic;
  log.differ(`${where}.shortfall`, more(0n, balance), row.shortfall);
  log.differ(`${where}.account`, more(0n, carried + balance), row.account);
  if (balance > 0n && row.premium < cap) log.add(`${where}.premium`, cap, row.premium);
  if (row.premium && domestic * WHOLE > row.split_bp * all) log.add(`${where}.split_bp`, "at least the share achieved", row.split_bp);
  if (!row.premium && row.split_bp) log.add(`${where}.split_bp`, "0", row.split_bp);
}

// A share that is missed counts as it would cost at the cap of its premium.
const missedWorth = (round) => sum(sharesOf(round.book).map((rule) =>
  rule.params.premium_max * round.result.shares.find((row) => row.policy === rule.id).shortfall));

// --- largest shares: what one participant may have of a chip class -----------------------------

// None binds an urgent round.
const largestOf = (book) => (book.mobilisation ? [] : book.policies.filter((item) => item.kind === "largest_share"));
const isRuledBy = ({ params }, pool) =>
  ["", pool.chip].includes(params.chip) && ["", pool.region].includes(params.region);

function scopesOf(book) {
  const supply = supplyOf(book);
  const chips = [...new Set(book.pools.map((pool) => pool.chip))];
  return largestOf(book).flatMap((rule) => chips.map((chip) => {
    const pools = book.pools.filter((pool) => pool.chip === chip && isRuledBy(rule, pool)).map((pool) => pool.key);
    const has = heldOf(book, pools);
    const share = Array.from({ length: book.length }, (_, t) => {
      const there = sum(pools.map((pool) => supply.get(pool)[t])) + (has.get("")?.[t] ?? 0n);
      return more(rule.params.chips_free, -floorDiv(-rule.params.share_bp * there, WHOLE));
    });
    // What a participant has of rounds before is off what it may get.
    const capacityOf = (who) => share.map((most, t) => more(0n, most - (has.get(who)?.[t] ?? 0n)));
    return { policy: rule.id, chip, pools, capacityOf };
  })).filter(({ pools }) => pools.length);
}

// Returns what each participant, and all (empty), has of pools, by period of the horizon.
function heldOf(book, pools) {
  const found = new Map();
  for (const row of book.held.filter((item) => pools.includes(item.pool))) {
    const total = found.get(row.participant) ?? Array(book.length).fill(0n);
    found.set(row.participant, total);
    row.chips.forEach((chips, i) => { total[shiftOf(row.start, book.first) + i] += chips; });
  }
  return found;
}

function checkHeld(book, log) {
  const before = log.count;
  const rules = largestOf(book);
  const covered = new Set(book.pools.filter((pool) => rules.some((rule) => isRuledBy(rule, pool))).map((pool) => pool.key));
  const known = new Set(["", ...[...book.demands, ...book.kept.demands].map((demand) => demand.participant)]);
  sorted(book.held.map((row) => `${row.participant}\n${row.pool}`), "book.held", log);
  for (const row of book.held) {
    const where = `book.held[${row.participant}/${row.pool}]`;
    if (!known.has(row.participant)) log.add(`${where}.participant`, "of a demand of the book, or empty", row.participant);
    if (!covered.has(row.pool)) log.add(`${where}.pool`, "under a largest share of the book", row.pool);
    const end = row.start + BigInt(row.chips.length);
    if (!(book.first <= row.start && row.start < end && end <= book.first + book.periods)) {
      log.add(`${where}.chips`, `${book.first}..${book.first + book.periods}`, `${row.start}..${end}`);
    } else if (!row.chips[0] || !row.chips.at(-1)) log.add(`${where}.chips`, "> 0", "0");
  }
  return log.count === before;
}

const keyOf = ({ policy, chip }, participant) => `${policy}/${chip}/${participant}`;

function checkAllowances(book, log) {
  sorted(book.allowances.map((row) => row.key), "book.allowances", log);
  if (!checkHeld(book, log) || !book.allowances.length) return;
  const scopes = scopesOf(book);
  const known = new Set(book.demands.map((demand) => demand.participant));
  for (const row of book.allowances) {
    const where = `book.allowances[${row.key}]`;
    log.differ(where, keyOf(row, row.participant), row.key);
    if (!known.has(row.participant)) log.add(`${where}.participant`, "of a demand of the book", row.participant);
    const scope = scopes.find((item) => item.policy === row.policy && item.chip === row.chip);
    if (!scope) { log.add(`${where}.policy`, "a largest share of the book", row.policy); continue; }
    log.differ(`${where}.pools`, canonical(scope.pools), canonical(row.pools));
    log.differ(`${where}.capacity`, canonical(scope.capacityOf(row.participant)), canonical(row.capacity));
  }
}

function checkLargest(round) {
  const { book, result, log } = round;
  const got = new Map();
  for (const scope of scopesOf(book)) {
    const within = new Set(scope.pools);
    for (const [id, parts] of round.demandParts) {
      const who = round.demands.get(id).participant;
      const key = keyOf(scope, who);
      for (const item of parts.filter(({ pool }) => within.has(pool))) {
        const row = got.get(key) ?? { capacity: scope.capacityOf(who), chips: Array(book.length).fill(0n) };
        got.set(key, row);
        item.chips.forEach((chips, i) => { row.chips[Number(item.start - book.first) + i] += chips; });
      }
    }
  }
  for (const [key, { capacity, chips }] of got) {
    chips.forEach((n, t) => { if (n > capacity[t]) log.add(`${key}[${t}]`, `<= ${capacity[t]}`, n); });
  }
  log.differ("result.allowances", book.allowances.length, result.allowances.length);
  book.allowances.forEach(({ key }, i) => {
    const row = result.allowances[i];
    if (!row) return;
    log.differ(`result.allowances[${i}].key`, key, row.key);
    const used = got.get(key)?.chips ?? Array(book.length).fill(0n);
    log.differ(`result.allowances[${key}].used`, canonical(used), canonical(row.used));
  });
}

// A demand that has allowances is answered in pools of its own: at the price of the pool and its
// allowances together, with the chips of the least of them.
function ownPools(book, supply) {
  const rows = new Map();
  const zones = new Map(book.pools.map((pool) => [pool.key, pool.zone]));
  for (const row of book.allowances) for (const pool of row.pools) push(rows, `${pool}\n${row.participant}`, row);
  for (const [key, found] of rows) {
    const least = (chips, t) => found.map((row) => row.capacity[t]).reduce(less, chips);
    supply.set(key, supply.get(key.split("\n")[0]).map(least));
  }
  const named = (pool, who) => (rows.has(`${pool}\n${who}`) ? `${pool}\n${who}` : pool);
  const moved = (demand) => ({ ...demand, alternatives: demand.alternatives.map((item) =>
    ({ ...item, pools: item.pools.map((pool) => named(pool, demand.participant)) })) });
  const at = (prices, own) => new Map([...prices, ...[...rows].map(([key, found]) =>
    [key, prices.get(key.split("\n")[0]).map((price, t) => price + sum(found.map((row) => own.get(row.key)[t])))])]);
  const pools = [...rows.keys()].map((key) => ({ key, zone: zones.get(key.split("\n")[0]) }));
  return { book: rows.size ? { ...book, pools: [...book.pools, ...pools], demands: book.demands.map(moved) } : book, at };
}

const counted = (book, own) =>
  sum(book.allowances.map((row) => sum(row.capacity.map((chips, t) => chips * own.get(row.key)[t]))));

// Returns what a demand took of its participant's allowances, at their prices.
function takenWorth(round, id) {
  const { book, result } = round;
  const own = round.demands.get(id).participant;
  return sum(book.allowances.map((row, i) => (row.participant !== own ? 0n
    : sum(round.demandParts.get(id).filter(({ pool }) => row.pools.includes(pool)).flatMap((item) =>
      item.chips.map((chips, n) => chips * result.allowances[i].prices[Number(item.start - book.first) + n]))))));
}

const stateOf = (hours, whole) => (hours === 0n ? "open" : whole ? "filled" : "part-filled");

function checkOrders(round) {
  const { book, result, log } = round;
  log.differ("result.demands", book.demands.length, result.demands.length);
  log.differ("result.offers", book.offers.length, result.offers.length);
  book.demands.forEach((demand, i) => {
    const out = result.demands[i];
    if (!out) return;
    if (out.id !== demand.id) log.add(`result.demands[${i}].id`, demand.id, out.id);
    else checkDemandOut(round, demand, out);
  });
  book.offers.forEach((offer, i) => {
    const out = result.offers[i];
    if (!out) return;
    if (out.id !== offer.id) log.add(`result.offers[${i}].id`, offer.id, out.id);
    else checkOfferOut(round, offer, out);
  });
}

function checkDemandOut(round, demand, out) {
  const { log } = round;
  const where = `result.demands[${demand.id}]`;
  const hours = round.hours.get(demand.id) ?? 0n;
  const used = round.used.get(demand.id);
  if (used) {
    log.differ(`${where}.state`, stateOf(hours, demand.shape === "block" || hours === used.chip_hours), out.state);
    log.differ(`${where}.value`, used.limit * hours, out.value);
  } else if (hours === 0n) {
    log.differ(`${where}.state`, "open", out.state);
    log.differ(`${where}.value`, 0n, out.value);
  }
  log.differ(`${where}.chip_hours`, hours, out.chip_hours);
  log.differ(`${where}.payment`, paidBy(round, demand.id), out.payment);
  const { code } = out.reason;
  if (code === "filled" && out.state !== "filled") log.add(`${where}.reason`, "state filled", out.state);
  if (code === "linked_order_out" && (demand.linked_to === null || round.hours.has(demand.linked_to))) {
    log.add(`${where}.reason`, "a linked demand that is out", "none");
  }
  if (code === "exclusive_group" && !(round.accepted.get(groupOf(demand)) ?? []).some((id) => id !== demand.id)) {
    log.add(`${where}.reason`, "another member accepted", "none");
  }
  if (code === "largest_share" && !round.book.allowances.some((row) => row.participant === demand.participant)) {
    log.add(`${where}.reason`, "a participant with an allowance", "none");
  }
}

function checkOfferOut(round, offer, out) {
  const { log } = round;
  const where = `result.offers[${offer.id}]`;
  const parts = round.offerParts.get(offer.id) ?? [];
  const hours = sum(parts.flatMap((item) => item.chips));
  log.differ(`${where}.state`, stateOf(hours, hours === sum(offer.chips)), out.state);
  log.differ(`${where}.chip_hours`, hours, out.chip_hours);
  log.differ(`${where}.cost`, offer.ask * hours, out.cost);
  log.differ(`${where}.revenue`, sum(parts.map((item) => paidFor(round, item))), out.revenue);
  if (out.reason.code === "filled" && out.state !== "filled") log.add(`${where}.reason`, "state filled", out.state);
}

// --- best responses, regret and the bound (weak duality) ----------------------------------------

const SHIFT_MAX = 1_000_000;
const shiftOf = (a, b) => { const d = a - b; return d > BigInt(SHIFT_MAX) ? SHIFT_MAX : d < BigInt(-SHIFT_MAX) ? -SHIFT_MAX : Number(d); };

function supplyOf(book) {
  const supply = new Map(book.pools.map((pool) => [pool.key, Array(book.length).fill(0n)]));
  for (const offer of book.offers) {
    const shift = shiftOf(offer.start, book.first);
    const row = supply.get(offer.pool);
    offer.chips.forEach((chips, i) => { if (shift + i >= 0 && shift + i < book.length) row[shift + i] += chips; });
  }
  return supply;
}

function windowOf(book, item) {
  const low = Math.max(0, shiftOf(item.earliest, book.first));
  return [low, Math.max(low, Math.min(book.length, shiftOf(item.deadline, book.first)))];
}

function bestBlock(round, demand, prices, item) {
  const { book, supply } = round;
  const [low, high] = windowOf(book, item);
  if (item.duration > BigInt(high - low)) return 0n;
  const duration = Number(item.duration);
  let best = 0n;
  for (const pool of item.pools) {
    const curve = prices.pools.get(pool);
    const row = supply.get(pool);
    const way = round.ways.of(demand, pool);
    if (!way) continue;
    let cost = sum(curve.slice(low, low + duration));
    for (let start = low; start + duration <= high; start += 1) {
      if (start > low) cost += curve[start + duration - 1] - curve[start - 1];
      const gain = item.limit * item.duration - cost;
      if (gain <= 0n) continue;
      // A run that never has room for the least quantity is dropped before bounding.
      const room = row.slice(start, start + duration).reduce(less);
      const sent = sentBy(round, demand, way, prices.links, start, duration);
      if (sent === null) continue;
      const chips = less(item.chips, less(room, sent.most ?? room));
      if (chips >= item.chips_min) best = more(best, chips * (gain - sent.each) - sent.once);
    }
  }
  return best;
}

// Returns what links leave of a block's chips, and what they cost for each and once; null if its
// data cannot be there.
function sentBy(round, { moves }, { data, traffic }, prices, start, duration) {
  if (moves === null) return { most: null, each: 0n, once: 0n };
  const run = (row) => row.slice(start, start + duration);
  const linkOf = (key) => round.ways.of_key.get(key);
  let most = null;
  if (traffic.length && moves.traffic_gb) {
    most = traffic.flatMap((key) => run(linkOf(key).capacity)).reduce(less) / moves.traffic_gb;
  }
  const shares = data.length ? crossing(moves.data_gb, start) : [];
  if (data.length && moves.data_gb && !shares.length) return null;
  if (data.some((key) => shares.some(({ t, gb }) => linkOf(key).capacity[t] < gb))) return null;
  return {
    most,
    each: sum(traffic.map((key) => sum(run(prices.get(key))))) * moves.traffic_gb,
    once: sum(data.flatMap((key) => shares.map(({ t, gb }) => prices.get(key)[t] * gb))),
  };
}

function bestDivisible(round, demand, prices, item) {
  const { book, supply } = round;
  const [low, high] = windowOf(book, item);
  const shift = shiftOf(book.first, item.earliest);
  const caps = item.chips_by_period.slice(low + shift, high + shift);
  const cells = item.pools.flatMap((pool) => {
    const way = round.ways.of(demand, pool);
    const gb = demand.moves?.traffic_gb ?? 0n;
    return !way ? [] : caps.map((_, n) => {
      const t = low + n;
      const cell = { t: n, price: prices.pools.get(pool)[t], room: supply.get(pool)[t] };
      for (const key of gb ? way.traffic : []) {
        cell.room = less(cell.room, round.ways.of_key.get(key).capacity[t] / gb);
        cell.price += prices.links.get(key)[t] * gb;
      }
      return cell;
    });
  });
  cells.sort((a, b) => (a.price < b.price ? -1 : a.price > b.price ? 1 : a.t - b.t));
  let hours = item.chip_hours;
  let best = 0n;
  // The caps nest (cell within period within total), so the greedy choice is the best one.
  for (const { t, price, room } of cells) {
    if (price >= item.limit || hours === 0n) break;
    const chips = less(less(room, caps[t]), hours);
    best += chips * (item.limit - price);
    caps[t] -= chips;
    hours -= chips;
  }
  return best;
}

function bestOffer(book, prices, offer, ask) {
  const shift = shiftOf(offer.start, book.first);
  const low = Math.max(0, -shift);
  const high = Math.min(offer.chips.length, book.length - shift);
  // A block that reaches beyond the horizon cannot be taken whole in this round.
  if (offer.block && (low > 0 || high < offer.chips.length)) return 0n;
  const curve = prices.get(offer.pool);
  const gains = [];
  for (let i = low; i < high; i += 1) gains.push(offer.chips[i] * (curve[i + shift] - ask));
  return offer.block ? more(0n, sum(gains)) : sum(gains.filter((gain) => gain > 0n));
}

function bestOf(round, prices, asks) {
  const { book } = round;
  const best = { block: bestBlock, flow: bestDivisible, work: bestDivisible };
  return {
    demands: book.demands.map((demand) =>
      demand.alternatives.map((item) => best[demand.shape](round, demand, prices, item)).reduce(more, 0n)),
    offers: book.offers.map((offer) => bestOffer(book, prices.pools, offer, asks.get(offer.id))),
    links: gains(book.links, prices.links),
  };
}

function checkRegret(round, best) {
  const { book, result, log } = round;
  let total = 0n;
  book.demands.forEach((demand, i) => {
    const out = result.demands[i];
    if (!out) return;
    const used = round.used.get(demand.id);
    const got = used
      ? used.limit * round.hours.get(demand.id) - paidBy(round, demand.id) - takenWorth(round, demand.id)
      : 0n;
    const regret = more(0n, best.demands[i] - got);
    total += regret;
    log.differ(`result.demands[${demand.id}].regret`, regret, out.regret);
    if (out.reason.code === "paradoxically_rejected" && regret === 0n) log.add(`result.demands[${demand.id}].reason`, "regret > 0", "0");
  });
  book.offers.forEach((offer, i) => {
    const out = result.offers[i];
    if (!out) return;
    const ask = round.asks.get(offer.id);
    const got = sum((round.offerParts.get(offer.id) ?? []).map((item) => paidFor(round, item) - ask * sum(item.chips)));
    const regret = more(0n, best.offers[i] - got);
    total += regret;
    log.differ(`result.offers[${offer.id}].regret`, regret, out.regret);
  });
  book.links.forEach((link, i) => {
    const { used, prices, regret: told } = result.links[i];
    const regret = more(0n, best.links[i] - sum(used.map((gb, t) => gb * (prices[t] - link.tariff))));
    total += regret;
    log.differ(`result.links[${link.key}].regret`, regret, told);
  });
  book.allowances.forEach(({ key, capacity }, i) => {
    const row = result.allowances[i];
    const regret = more(0n, sum(row.prices.map((price, t) => price * (capacity[t] - row.used[t]))));
    total += regret;
    log.differ(`result.allowances[${key}].regret`, regret, row.regret);
  });
  log.differ("result.total_regret", total, result.total_regret);
}

function welfareOf(round) {
  if (round.used.size < round.hours.size) return null;
  const value = sum([...round.used].map(([id, used]) => used.limit * round.hours.get(id)));
  const cost = sum([...round.offerParts].map(([id, parts]) => round.offers.get(id).ask * sum(parts.flatMap((item) => item.chips))));
  return value - cost - tariffs(round);
}

function boundOf(book, best) {
  let total = sum(best.offers) + sum(best.links);
  const groups = new Map();
  book.demands.forEach((demand, i) => {
    if (demand.exclusive_group === null) total += best.demands[i];
    else groups.set(groupOf(demand), more(groups.get(groupOf(demand)) ?? 0n, best.demands[i]));
  });
  return total + sum([...groups.values()]);
}

// --- all together -------------------------------------------------------------------------------

// Returns {ok, checks, problems, welfare, bound, counts}; bad input becomes problems.
export async function verify(text) {
  const log = new Log();
  const report = (welfare = null, bound = null, counts = null) => ({
    ok: log.count === 0, checks: log.checks, problems: log.problems, count: log.count,
    welfare: welfare?.toString() ?? null, bound: bound?.toString() ?? null, counts,
  });
  let file;
  try {
    file = parse(text);
  } catch (error) {
    if (!(error instanceof NotJson)) throw error;
    log.add("$", "JSON", error.message);
    log.close("formats");
    return report();
  }
  if (file.doubles) log.add("$", "each field once", `${file.doubles} twice`);
  const parts = closed(file.value, ROUND, "$", log);
  const book = parts && readBook(parts.book, log);
  const rules = parts && closed(parts.rules, RULES, "rules", log, { start_prices: areCurves });
  const result = parts && readResult(parts.result, log);
  if (!log.close("formats")) return report();
  const counts = { pools: book.pools.length, offers: book.offers.length, demands: book.demands.length, allocations: result.allocations.length };
  checkBook(book, rules.tick, log);
  checkShareShape(book, result, log);
  if (book.offers.every((offer) => book.pools.some((pool) => pool.key === offer.pool))) checkAllowances(book, log);
  if (!log.close("book")) return report(null, null, counts);
  const digest = (value) => sha256(new TextEncoder().encode(canonical(value)));
  log.differ("result.market", book.market, result.market);
  log.differ("result.round_id", book.round_id, result.round_id);
  log.differ("result.book_digest", await digest(parts.book), result.book_digest);
  log.differ("result.rules_digest", await digest(parts.rules), result.rules_digest);
  log.close("digests");
  const round = {
    book, result, log, demandParts: new Map(), offerParts: new Map(), hours: new Map(), used: new Map(),
    accepted: new Map(), offers: new Map(book.offers.map((item) => [item.id, item])),
    demands: new Map(book.demands.map((item) => [item.id, item])), asks: clearedAsks(book, result, rules.tick),
    ways: new Ways(book), sent: new Map(), supply: supplyOf(book),
    linkPrices: new Map(result.links.map((row) => [row.key, row.prices])),
  };
  checkAllocations(round);
  log.close("allocations");
  return values(round, rules.tick, report, counts);
}

function values(round, tick, report, counts) {
  const { book, result, log } = round;
  let complete = checkCurves(round, result.prices, "result.prices", tick);
  // Tariffs are no multiples of the tick, so prices of links need not be.
  complete = checkCurves(round, round.linkPrices, "result.links", 1n, linksOf(book)) && complete;
  const mine = new Map(result.allowances.map((row) => [row.key, row.prices]));
  const allowed = book.allowances.map((row) => row.key);
  complete = checkCurves(round, mine, "result.allowances", 1n, allowed) && complete;
  for (const [told, rows] of [[result.links, book.links], [result.allowances, book.allowances]]) {
    complete &&= told.length === rows.length && told.every((row) => row.used.length === book.length);
  }
  const own = ownPools(book, round.supply);
  const answering = { ...round, book: own.book, ways: new Ways(own.book) };
  const answers = (pools, links, allowances, asks) =>
    bestOf(answering, { pools: own.at(pools, allowances), links }, asks);
  log.close("prices");
  if (complete) {
    checkRule1(round);
    log.close("rule_1");
    checkRule2(round);
    log.close("rule_2");
    checkPolicies(round);
    log.close("policies");
    checkOrders(round);
    log.close("orders");
    checkRegret(round, answers(result.prices, round.linkPrices, mine, round.asks));
    log.close("regret");
  }
  const welfare = welfareOf(round);
  log.differ("result.welfare", welfare, result.welfare);
  log.close("welfare");
  let bound = null;
  const { certificate } = result;
  const linkPrices = certificate.link_prices ?? new Map();
  const proof = certificate.allowance_prices ?? new Map();
  if ([
    checkCurves(round, certificate.prices, "result.certificate.prices", 1n),
    checkCurves(round, linkPrices, "result.certificate.link_prices", 1n, linksOf(book)),
    checkCurves(round, proof, "result.certificate.allowance_prices", 1n, allowed),
  ].every(Boolean)) {
    const best = answers(certificate.prices, linkPrices, proof, certificateAsks(book, result));
    bound = boundOf(book, best) + counted(book, proof);
    log.differ("result.certificate.bound", bound, result.certificate.bound);
    const worth = welfare === null ? null : welfare - missedWorth(round);
    if (worth !== null && bound < worth) log.add("result.certificate.bound", `>= ${worth}`, bound);
    else if (worth !== null && result.support_loss > bound - worth) log.add("result.support_loss", `<= ${bound - worth}`, result.support_loss);
  }
  log.close("certificate");
  return report(welfare, bound, counts);
}
