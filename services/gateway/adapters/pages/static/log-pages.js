// The buttons of the journal's pages: an entry's proof, and the heads of the log, verified here.
// What this browser has verified it remembers, so that a later head must extend it.
import { isExtended, packRoot, showRoot, unpack, verifyHead, verifyProof } from "./log-checker.js";

const zh = document.documentElement.lang.startsWith("zh");
const pick = (en, chinese) => (zh ? chinese : en);
const box = document.getElementById("log-check");
const out = document.getElementById("log-verdict");
const keyField = document.getElementById("log-key");
const KEY = "suanli-log-key";
const HEAD = "suanli-log-head";
const TITLES = {
  format: ["The file is a proof in the C2SP format", "文件为 C2SP 格式的证明"],
  origin: ["The head is of the log that the key is of", "检查点属于该密钥的日志"],
  signature: ["The log's key signed the head (Ed25519)", "日志密钥已签署该检查点（Ed25519）"],
  path: ["The audit path leads from the entry to the signed root", "审计路径由条目通向已签名的根"],
};

function element(name, text, kind) {
  const found = document.createElement(name);
  found.textContent = text;
  if (kind) found.className = kind;
  return found;
}

function keyText() {
  const text = keyField.value.trim();
  if (text === box.dataset.key) localStorage.removeItem(KEY);
  else localStorage.setItem(KEY, text);
  return text;
}

function line(ok, text) {
  const mark = ok === null ? "?" : ok ? "✓" : "✗";
  return element("li", `${mark} ${text}`, ok === null ? "" : ok ? "ok" : "no");
}

function conclude(good, words, lines, note) {
  const head = element("p", words, `notice ${good ? "good" : "bad"}`);
  head.setAttribute("role", "status");
  const list = element("ol", "", "checks-list");
  list.append(...lines);
  out.replaceChildren(head, list);
  if (note) out.append(element("p", note, "note"));
}

async function extension(older, head) {
  if (older.size > head.size) return { ok: false, found: null };
  const reply = await fetch(`/v1/log/consistency?old_size=${older.size}&size=${head.size}`);
  if (!reply.ok) return { ok: false, found: null };
  const { proof } = await reply.json();
  const ok = await isExtended(older.size, older.root, head.size, head.root, proof.map(unpack));
  return { ok, found: proof.length };
}

function remembered(origin) {
  try {
    const found = JSON.parse(localStorage.getItem(HEAD));
    if (found?.origin !== origin) return null;
    return { size: BigInt(found.size), root: unpack(found.root) };
  } catch {
    return null;
  }
}

async function againstMemory(head, lines) {
  const older = remembered(head.origin);
  let ok = true;
  if (older) {
    ok = (await extension(older, head)).ok;
    lines.push(line(ok, pick(`It extends the head of size ${older.size} that this browser verified before`, `它延续了本浏览器此前验证过的大小为 ${older.size} 的检查点`)));
  }
  if (ok) localStorage.setItem(HEAD, JSON.stringify({ origin: head.origin, size: String(head.size), root: packRoot(head.root) }));
  return ok;
}

async function checkEntry() {
  out.replaceChildren(element("p", pick("Fetching the proof…", "正在获取证明…"), "note"));
  const reply = await fetch(box.dataset.proof);
  if (!reply.ok) {
    const why = reply.status === 409 ? pick("No signed head covers this entry yet; try again in a few seconds", "尚无签名检查点包含此条目，请数秒后重试") : pick("The proof could not be fetched", "无法获取证明");
    out.replaceChildren(element("p", why, "notice warn"));
    return;
  }
  const report = await verifyProof(await reply.text(), keyText());
  const lines = report.checks.map((check) => line(check.ok, pick(...TITLES[check.name])));
  if (report.problem) {
    conclude(false, pick("This proof does not verify", "此证明未通过验证"), lines, `${pick("must be", "须为")} ${report.problem}`);
    return;
  }
  const shown = document.getElementById("entry-bytes").textContent === report.entry;
  lines.push(line(shown, pick("It is of the entry that this page shows, byte for byte", "证明对应本页所示条目，逐字节一致")));
  const place = String(report.index) === box.dataset.leaf;
  lines.push(line(place, pick(`Its place in the log is ${report.index}`, `其在日志中的位置为 ${report.index}`)));
  const same = report.ok && shown && place && (await againstMemory(report.head, lines));
  conclude(same, same ? pick("Verified in this browser", "已在本浏览器中验证通过") : pick("This proof does not verify", "此证明未通过验证"), lines,
    `${pick("Head of size", "检查点大小")} ${report.head.size} · ${pick("root", "根")} ${showRoot(report.head.root).slice(0, 16)}… · ${pick("leaf", "叶")} ${report.leaf.slice(0, 16)}…`);
}

async function checkHeads() {
  out.replaceChildren(element("p", pick("Verifying…", "正在验证…"), "note"));
  const reply = await fetch("/v1/log/checkpoint");
  if (!reply.ok) {
    out.replaceChildren(element("p", pick("No signed head is served", "暂无签名检查点"), "notice warn"));
    return;
  }
  const latest = await verifyHead(await reply.text(), keyText());
  const lines = [line(latest.ok, pick("The latest head is signed by the log's key", "最新检查点由日志密钥签署"))];
  let good = latest.ok === true;
  if (latest.head) {
    lines.push(line(true, pick(`Size ${latest.head.size}, ${latest.others} signature(s) of witnesses beside it`, `大小 ${latest.head.size}，另有 ${latest.others} 个见证签名`)));
    for (const row of document.querySelectorAll("[data-head-note]")) {
      const found = await verifyHead(row.dataset.headNote, keyText());
      const step = found.head && found.head.size <= latest.head.size ? await extension(found.head, latest.head) : { ok: found.head !== null };
      const ok = found.ok === true && step.ok;
      good &&= ok;
      const mark = row.querySelector("[data-mark]");
      mark.textContent = ok ? pick("✓ signed, extended", "✓ 已签名且被延续") : pick("✗ does not fit", "✗ 不符");
      mark.className = `badge ${ok ? "good" : "bad"}`;
    }
    lines.push(line(good, pick("Each head below is signed, and the latest one extends it", "下列各检查点均已签名，且最新检查点均为其延续")));
    good = (await againstMemory(latest.head, lines)) && good;
  }
  conclude(good, good ? pick("Verified in this browser", "已在本浏览器中验证通过") : pick("The log does not verify", "日志未通过验证"), lines, latest.problem);
}

if (box && !crypto.subtle) {
  out.replaceChildren(element("p", pick("Hashes need HTTPS or localhost; use suanli log verify instead", "计算散列需 HTTPS 或本机访问；请改用 suanli log verify"), "notice warn"));
} else if (box) {
  keyField.value = localStorage.getItem(KEY) ?? keyField.value;
  document.getElementById("check-entry")?.addEventListener("click", checkEntry);
  document.getElementById("check-heads")?.addEventListener("click", checkHeads);
}
