// The button that verifies a round in this browser, over the published file or one of your own.
const zh = document.documentElement.lang.startsWith("zh");
const pick = (en, chinese) => (zh ? chinese : en);
const TITLES = {
  formats: ["Formats and fields", "格式与字段"], book: ["The book is consistent", "订单簿自洽"],
  digests: ["The result is of this book and these rules", "结果对应此订单簿与规则"],
  allocations: ["Allocations are feasible", "分配可行"],
  prices: ["One price per pool and hour, on the tick", "每资源池每时段一个价格"],
  rule_1: ["Nobody trades at a loss", "无人亏损成交"], rule_2: ["Payments equal revenues", "付款等于收入"],
  policies: ["Policies in force are kept", "生效政策得到遵守"],
  orders: ["Every order once, with its state and money", "每个订单恰一次，状态与金额正确"],
  regret: ["Regret of every order", "每个订单的遗憾"], welfare: ["Welfare", "福利"],
  certificate: ["Certificate: the bound is at least the welfare", "最优性证明：上界不低于福利"],
};
const box = document.getElementById("verify");
const out = document.getElementById("verdict");

function element(name, text, kind) {
  const found = document.createElement(name);
  found.textContent = text;
  if (kind) found.className = kind;
  return found;
}

function yuan(micro) {
  return `¥${(Number(micro) / 1e6).toLocaleString("en", { maximumFractionDigits: 4 })}`;
}

function show({ hash, report, ms }, isPublished) {
  const same = !isPublished || hash === box.dataset.sha256;
  const good = report.ok && same;
  const list = element("ol", "", "checks-list");
  const files = isPublished ? [{ name: pick("The file has the published SHA-256", "文件与公布的 SHA-256 一致"), ok: same }] : [];
  for (const check of [...files, ...report.checks.map((item) => ({ name: pick(...(TITLES[item.name] ?? [item.name, item.name])), ok: item.ok }))]) {
    list.append(element("li", `${check.ok ? "✓" : "✗"} ${check.name}`, check.ok ? "ok" : "no"));
  }
  const head = element("p", good
    ? pick("Verified in this browser", "已在本浏览器中验证通过")
    : pick("This file does not verify", "此文件未通过验证"), `notice ${good ? "good" : "bad"}`);
  head.setAttribute("role", "status");
  out.replaceChildren(head, list);
  if (report.welfare !== null && report.bound !== null) {
    out.append(element("p", `${pick("Welfare", "福利")} ${yuan(report.welfare)} · ${pick("bound", "上界")} ${yuan(report.bound)} · ${ms} ms · SHA-256 ${hash.slice(0, 16)}…`, "note"));
  }
  if (report.problems.length) {
    const problems = element("ul", "", "problems");
    for (const item of report.problems.slice(0, 20)) {
      problems.append(element("li", `${item.where}: ${pick("must be", "须为")} ${item.expected}${pick(", was ", "，实为 ")}${item.found}`));
    }
    out.append(problems);
  }
}

async function check(bytes, isPublished) {
  if (!crypto.subtle) {
    out.replaceChildren(element("p", pick("Hashes need HTTPS or localhost; use suanli verify instead", "计算散列需 HTTPS 或本机访问；请改用 suanli verify"), "notice warn"));
    return;
  }
  out.replaceChildren(element("p", pick("Verifying…", "正在验证…"), "note"));
  const worker = new Worker(box.dataset.worker, { type: "module" });
  worker.addEventListener("message", (event) => { show(event.data, isPublished); worker.terminate(); });
  worker.addEventListener("error", () => {
    out.replaceChildren(element("p", pick("The checker could not be started", "无法启动验证程序"), "notice bad"));
  });
  worker.postMessage(bytes);
}

document.getElementById("verify-published")?.addEventListener("click", async () => {
  out.replaceChildren(element("p", pick("Fetching the file…", "正在下载文件…"), "note"));
  const reply = await fetch(box.dataset.file);
  if (reply.ok) await check(await reply.arrayBuffer(), true);
  else out.replaceChildren(element("p", pick("The file could not be fetched", "无法下载文件"), "notice bad"));
});
document.getElementById("verify-own")?.addEventListener("change", async (event) => {
  const [file] = event.target.files;
  if (file) await check(await file.arrayBuffer(), false);
});
