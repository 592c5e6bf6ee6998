// Checks proofs of the transparency log in a browser: the audit path of an entry, the signature
// of a head, and that one head extends another. Written from RFC 9162 and the formats of C2SP
// (docs/reference/transparency-log.md); it needs no other file, and trusts nothing but the key.

const TAG = new TextEncoder().encode("suanli.leaf.v2\n");
const PROOF = "c2sp.org/tlog-proof@v1";
const HASH_BYTES = 32;
const PATH_MAX = 63;
const NAME = /^[^\s+]+$/u;
const SIZE = /^(?:0|[1-9][0-9]{0,18})$/;
const SIGNATURE = /^\u2014 (\S+) (\S+)$/u;
const ED25519 = 1;

export class Refused extends Error {}

function refuse(what) { throw new Refused(what); }

// --- bytes -----------------------------------------------------------------------------------

export function unpack(text) {
  let raw;
  try { raw = atob(text); } catch { refuse(`Base64, was ${text.slice(0, 40)}`); }
  // One value has one text: a browser takes stray bits in the last character.
  if (btoa(raw) !== text) refuse(`Base64, was ${text.slice(0, 40)}`);
  return Uint8Array.from(raw, (char) => char.charCodeAt(0));
}

const hex = (bytes) => [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
const same = (a, b) => a.length === b.length && a.every((byte, place) => byte === b[place]);

function joined(...parts) {
  const found = new Uint8Array(parts.reduce((total, part) => total + part.length, 0));
  let at = 0;
  for (const part of parts) { found.set(part, at); at += part.length; }
  return found;
}

async function sha256(bytes) { return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)); }

const leafHash = (entry) => sha256(joined(Uint8Array.of(0), entry));
const nodeHash = (left, right) => sha256(joined(Uint8Array.of(1), left, right));

// --- keys, notes, heads ----------------------------------------------------------------------

// `name+id+base64(kind, key)`; the id is worked out again.
export async function readKey(text) {
  const [name, id, ...rest] = text.trim().split("+");
  const raw = unpack(rest.join("+"));
  if (!NAME.test(name ?? "") || raw.length !== HASH_BYTES + 1 || raw[0] !== ED25519) refuse("an Ed25519 key name+id+key");
  const body = joined(new TextEncoder().encode(`${name}\n`), raw);
  const found = (await sha256(body)).slice(0, 4);
  if (hex(found) !== id) refuse(`key id ${hex(found)}, was ${id}`);
  return { name, id: found, public: raw.slice(1) };
}

export function readNote(text) {
  const at = text.lastIndexOf("\n\n");
  if (at < 0 || !text.endsWith("\n")) refuse("a signed note");
  const signatures = text.slice(at + 2, -1).split("\n").map((line) => {
    const match = SIGNATURE.exec(line);
    if (match === null) refuse(`a signature line, was ${line.slice(0, 60)}`);
    const raw = unpack(match[2]);
    if (raw.length <= 4) refuse("a signature of more than 4 bytes");
    return { name: match[1], id: raw.slice(0, 4), value: raw.slice(4) };
  });
  return { text: text.slice(0, at + 1), signatures };
}

export function readHead(text) {
  const [origin, size, root, ...rest] = text.split("\n");
  if (rest.pop() !== "" || !NAME.test(origin) || !SIZE.test(size ?? "")) refuse("a checkpoint");
  const hash = unpack(root);
  if (hash.length !== HASH_BYTES) refuse("a root of 32 bytes");
  return { origin, size: BigInt(size), root: hash };
}

// Whether the log's key signed the note; `null` if this browser cannot say.
export async function isSigned(note, key) {
  const made = note.signatures.filter((item) => item.name === key.name && same(item.id, key.id));
  if (!made.length) return false;
  let imported;
  try {
    imported = await crypto.subtle.importKey("raw", key.public, { name: "Ed25519" }, false, ["verify"]);
  } catch (error) {
    if (error.name === "NotSupportedError") return null;
    return false;
  }
  const message = new TextEncoder().encode(note.text);
  const right = await Promise.all(made.map((item) => crypto.subtle.verify({ name: "Ed25519" }, imported, item.value, message)));
  return right.every(Boolean);
}

// --- trees (RFC 9162, 2.1.3.2 and 2.1.4.2) -----------------------------------------------------

export async function isIncluded(index, size, leaf, path, root) {
  if (index >= size || path.length > PATH_MAX) return false;
  let place = index;
  let last = size - 1n;
  let hash = leaf;
  for (const next of path) {
    if (last === 0n) return false;
    if (place & 1n || place === last) {
      hash = await nodeHash(next, hash);
      while (!(place & 1n) && place !== 0n) { place >>= 1n; last >>= 1n; }
    } else {
      hash = await nodeHash(hash, next);
    }
    place >>= 1n;
    last >>= 1n;
  }
  return last === 0n && same(hash, root);
}

export async function isExtended(older, olderRoot, size, root, path) {
  if (older < 1n || older > size || path.length > PATH_MAX) return false;
  if (older === size) return path.length === 0 && same(olderRoot, root);
  // A whole subtree is its own first step, so its root is left out of the proof.
  const steps = (older & (older - 1n)) === 0n ? [olderRoot, ...path] : path;
  if (!steps.length) return false;
  let place = older - 1n;
  let last = size - 1n;
  while (place & 1n) { place >>= 1n; last >>= 1n; }
  let before = steps[0];
  let after = steps[0];
  for (const next of steps.slice(1)) {
    if (last === 0n) return false;
    if (place & 1n || place === last) {
      before = await nodeHash(next, before);
      after = await nodeHash(next, after);
      while (!(place & 1n) && place !== 0n) { place >>= 1n; last >>= 1n; }
    } else {
      after = await nodeHash(after, next);
    }
    place >>= 1n;
    last >>= 1n;
  }
  return last === 0n && same(before, olderRoot) && same(after, root);
}

// --- proof files -------------------------------------------------------------------------------

export function readProof(text) {
  const at = text.indexOf("\n\n");
  const [first, ...lines] = text.slice(0, Math.max(at, 0)).split("\n");
  if (at < 0 || first !== PROOF) refuse(`a file that begins with ${PROOF}`);
  const extra = lines[0]?.startsWith("extra ") ? unpack(lines.shift().slice(6)) : null;
  const index = lines.shift() ?? "";
  if (!index.startsWith("index ") || !SIZE.test(index.slice(6))) refuse("an index");
  if (lines.length > PATH_MAX) refuse(`at most ${PATH_MAX} hashes`);
  const path = lines.map(unpack);
  if (path.some((one) => one.length !== HASH_BYTES)) refuse("hashes of 32 bytes");
  return { extra, index: BigInt(index.slice(6)), path, note: readNote(text.slice(at + 2)) };
}

// What the log holds of an entry: a salted one is committed to, an erased one still is.
export async function logged(entry) {
  if (entry[0] !== 0x7b) return entry;
  const told = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(entry));
  if (Object.hasOwn(told, "commitment")) {
    const bytes = /^[0-9a-f]{64}$/.test(told.commitment) ? told.commitment.match(/../g) : refuse("a commitment");
    return joined(TAG, Uint8Array.from(bytes, (byte) => parseInt(byte, 16)));
  }
  return Object.hasOwn(told, "salt") ? joined(TAG, await sha256(entry)) : entry;
}

// Returns {ok, checks: [{name, ok}], problem, head}; bad input becomes a problem.
export async function verifyProof(text, keyText) {
  const checks = [];
  const report = (problem = null, head = null) => ({
    ok: problem === null && checks.every((check) => check.ok === true), checks, problem, head,
  });
  try {
    const key = await readKey(keyText);
    const proof = readProof(text);
    const head = readHead(proof.note.text);
    if (proof.extra === null) refuse("a proof with its entry");
    checks.push({ name: "format", ok: true });
    checks.push({ name: "origin", ok: head.origin === key.name });
    checks.push({ name: "signature", ok: await isSigned(proof.note, key) });
    const leaf = await leafHash(await logged(proof.extra));
    checks.push({ name: "path", ok: await isIncluded(proof.index, head.size, leaf, proof.path, head.root) });
    const entry = new TextDecoder().decode(proof.extra);
    if (entry.startsWith("{") && JSON.parse(entry).leaf_index !== Number(proof.index)) refuse(`an entry that says it is entry ${proof.index}`);
    return { ...report(null, head), entry, index: proof.index, leaf: hex(leaf) };
  } catch (error) {
    if (!(error instanceof Refused || error instanceof SyntaxError || error instanceof TypeError)) throw error;
    return report(error.message);
  }
}

// The same for a head alone.
export async function verifyHead(text, keyText) {
  try {
    const key = await readKey(keyText);
    const note = readNote(text);
    const head = readHead(note.text);
    return { ok: head.origin === key.name ? await isSigned(note, key) : false, head, others: note.signatures.length - 1 };
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return { ok: false, head: null, problem: error.message };
  }
}

export const showRoot = (root) => hex(root);
export const packRoot = (root) => btoa(String.fromCharCode(...root));
