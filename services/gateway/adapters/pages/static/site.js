// What every page does beyond its HTML: live streams, the countdown, charts. Nothing here is
// needed for reading: each chart is drawn from the table beside it.
"use strict";

document.documentElement.classList.add("scripted");

const zh = document.documentElement.lang.startsWith("zh");
const pick = (en, chinese) => (zh ? chinese : en);

// --- live: one stream a page, resumed by the last id that it saw ------------------------------

const RETRY_MS = [500, 1000, 2000, 5000, 10000];

class Live {
  constructor(element) {
    this.address = element.dataset.live;
    this.kinds = element.dataset.liveEvents.split(" ");
    this.state = "off";
    this.last = null;
    this.tries = 0;
    this.open();
  }

  open() {
    const url = new URL(this.address, location.href);
    if (this.last) url.searchParams.set("after", this.last);
    const source = new EventSource(url);
    this.source = source;
    source.addEventListener("open", () => { this.tries = 0; this.show("on"); });
    source.addEventListener("error", () => this.lost(source));
    source.addEventListener("cut", (event) => { this.keep(event); this.lost(source); });
    source.addEventListener("ready", (event) => this.keep(event));
    for (const kind of this.kinds) {
      source.addEventListener(kind, (event) => { this.keep(event); this.tell(kind, event); });
    }
  }

  keep(event) { if (event.lastEventId) this.last = event.lastEventId; }

  tell(kind, event) {
    const detail = JSON.parse(event.data);
    document.body.dispatchEvent(new CustomEvent(`live-${kind}`, { detail }));
  }

  // The browser would come again by itself, but not after an error of the server's.
  lost(source) {
    source.close();
    if (this.source !== source) return;
    this.source = null;
    this.show("lost");
    const wait = RETRY_MS[Math.min(this.tries++, RETRY_MS.length - 1)];
    setTimeout(() => this.open(), wait * (0.5 + Math.random()));
  }

  // The mark comes anew with its part of the page.
  show(state = this.state) {
    this.state = state;
    const mark = document.querySelector("[data-live-mark]");
    if (!mark || state === "off") return;
    mark.dataset.state = state;
    mark.textContent = state === "on" ? pick("Live", "实时") : pick("Reconnecting…", "正在重连…");
  }
}

// --- countdown --------------------------------------------------------------------------------

function clockText(seconds) {
  const two = (number) => String(number).padStart(2, "0");
  const hours = Math.floor(seconds / 3600);
  const rest = `${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
  return hours ? `${hours}:${rest}` : rest;
}

// Seconds of the market's clock until an instant. The server's own instant is the base, so that a
// wrong clock of the machine does no harm.
function secondsTo(instant, element) {
  element.began ??= performance.now();
  const gone = ((performance.now() - element.began) / 1000) * Number(element.dataset.speed);
  return Math.ceil(Number(instant) - Number(element.dataset.now) - gone);
}

function countDown() {
  for (const element of document.querySelectorAll("[data-until]")) {
    const left = secondsTo(element.dataset.until, element);
    const isLate = left < -Number(element.dataset.grace);
    element.textContent = isLate ? element.dataset.late : clockText(Math.max(0, left));
  }
  for (const element of document.querySelectorAll("[data-from][data-then]")) {
    if (secondsTo(element.dataset.from, element) <= 0) element.textContent = element.dataset.then;
  }
}

// --- charts -----------------------------------------------------------------------------------

const styleOf = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const BEIJING = "Asia/Shanghai";

function columnsOf(table) {
  const heads = [...table.tHead.rows[0].cells].map((cell) => ({
    label: cell.textContent.trim(), kind: cell.dataset.kind,
  }));
  const rows = [...table.tBodies[0].rows];
  const data = heads.map((_, place) =>
    rows.map((row) => {
      const value = row.cells[place].dataset.v;
      return value === "" || value === undefined ? null : Number(value);
    }));
  return { heads, data };
}

function showValue(kind) {
  return (_, value) => {
    if (value === null || value === undefined) return "–";
    if (kind === "price") return `¥${value.toFixed(4)}`;
    if (kind === "money") return `¥${value.toLocaleString("en", { maximumFractionDigits: 2 })}`;
    if (kind === "ppm") return `${value.toFixed(3)} %`;
    return value.toLocaleString("en");
  };
}

function axisValues(kind) {
  return (_, ticks) => ticks.map((value) => {
    if (value === null) return "";
    if (kind === "ppm") return `${value} %`;
    const short = Math.abs(value) >= 1e4
      ? new Intl.NumberFormat(zh ? "zh-CN" : "en", { notation: "compact" }).format(value)
      : value.toLocaleString("en");
    return kind === "price" || kind === "money" ? `¥${short}` : short;
  });
}

function seriesOf(head, place, style) {
  const stroke = styleOf(`--s${place}`);
  const base = { label: head.label, stroke, width: 2, value: showValue(head.kind) };
  if (style === "step") {
    return { ...base, fill: styleOf(`--fill${place}`), paths: uPlot.paths.stepped({ align: place === 1 ? 1 : -1 }), spanGaps: true, points: { show: false } };
  }
  if (style === "bars") {
    return { ...base, width: 0, fill: place === 1 ? styleOf("--s3") : styleOf("--s2"), stroke: place === 1 ? styleOf("--s3") : styleOf("--s2"), paths: uPlot.paths.bars({ size: [0.82, 60] }), points: { show: false } };
  }
  // Lines that lie on each other are told apart, by colour or without.
  const dash = style === "line" ? [[], [12, 6], [3, 5]][(place - 1) % 3] : [];
  return { ...base, scale: head.kind, dash, points: { show: style === "dots", size: 5 }, spanGaps: style === "dots",
    paths: style === "dots" ? undefined : uPlot.paths.stepped({ align: 1 }) };
}

function draw(figure) {
  const plot = figure.querySelector(".plot");
  const table = figure.querySelector(".scroll table");
  if (!plot || !table || !table.tBodies[0].rows.length) return;
  let { heads, data } = columnsOf(table);
  const shown = heads.map((head, place) => place === 0 || ["price", "money", "count", "ppm"].includes(head.kind));
  const wanted = plot.dataset.columns ? plot.dataset.columns.split(" ").map(Number) : null;
  const places = heads.map((_, place) => place).filter((place) => wanted ? wanted.includes(place) : shown[place]);
  heads = places.map((place) => heads[place]);
  data = places.map((place) => data[place]);
  const style = plot.dataset.plot;
  // Before its size is asked for: it grows by as many rows as the names of its lines take.
  figure.drawing?.destroy();
  const kinds = [...new Set(heads.slice(1).map((head) => head.kind))];
  const axis = (side, kind, grid) => ({
    side, scale: style === "line" || style === "dots" ? kind : "y", values: axisValues(kind), size: 66,
    stroke: styleOf("--soft"), grid: { show: grid, stroke: styleOf("--rule"), width: 1 },
    ticks: { show: false }, font: "12px system-ui",
  });
  const time = heads[0].kind === "time";
  const dated = new Intl.DateTimeFormat(zh ? "zh-CN" : "en-GB", {
    timeZone: BEIJING, month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", hour12: false,
  });
  const options = {
    width: plot.clientWidth, height: plot.clientHeight - 30,
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1e3), BEIJING),
    cursor: { y: false, drag: { x: true, y: false } },
    legend: { live: true },
    scales: { x: { time }, y: { range: (_, low, high) => [style === "bars" || style === "step" ? 0 : low, high * 1.06 || 1] } },
    series: [
      { label: heads[0].label, value: (_, value) => value === null ? "–" : time ? dated.format(value * 1000) : showValue(heads[0].kind)(null, value) },
      ...heads.slice(1).map((head, place) => seriesOf(head, place + 1, style)),
    ],
    axes: [
      { stroke: styleOf("--soft"), grid: { show: false }, ticks: { stroke: styleOf("--rule"), width: 1, size: 5 }, font: "12px system-ui",
        ...(time ? { space: 64, values: timeTicks } : { values: axisValues(heads[0].kind), space: 70, incrs: heads[0].kind === "count" ? [1, 2, 5, 10, 20, 50, 100, 500, 1000, 10000] : undefined }) },
      ...kinds.slice(0, 2).map((kind, place) => axis(place === 0 ? 3 : 1, kind, place === 0)),
    ],
  };
  figure.drawing = new uPlot(options, data, plot);
}

function timeTicks(_, ticks, __, ___, step) {
  const days = new Intl.DateTimeFormat(zh ? "zh-CN" : "en-GB", { timeZone: BEIJING, month: "2-digit", day: "2-digit" });
  const hours = new Intl.DateTimeFormat("en-GB", { timeZone: BEIJING, hour: "2-digit", minute: "2-digit", ...(step < 60 ? { second: "2-digit" } : {}) });
  let before = "";
  return ticks.map((tick) => {
    const day = days.format(tick * 1000);
    const text = hours.format(tick * 1000);
    const both = step >= 86400 ? day : day === before ? text : `${text}\n${day}`;
    before = day;
    return both;
  });
}

function drawAll(root = document) {
  if (!window.uPlot) return;
  for (const figure of root.querySelectorAll("figure[data-chart]")) draw(figure);
}

// --- parts that come anew keep what was open --------------------------------------------------

const opened = new Set();
document.addEventListener("toggle", (event) => {
  if (!event.target.id) return;
  if (event.target.open) opened.add(event.target.id); else opened.delete(event.target.id);
}, true);

function arrived(root) {
  for (const id of opened) {
    const element = document.getElementById(id);
    if (element) element.open = true;
  }
  drawAll(root);
  countDown();
  window.suanliLive?.show();
  const said = root.querySelector?.("[data-say]");
  const voice = document.getElementById("voice");
  if (said && voice && voice.textContent !== said.dataset.say) voice.textContent = said.dataset.say;
}

// On a narrow screen the lists of pages scroll sideways: the one that is open must be in sight.
function showCurrent() {
  for (const entry of document.querySelectorAll("nav [aria-current=page]")) {
    const list = entry.closest("nav");
    list.scrollLeft = entry.offsetLeft - list.offsetLeft - (list.clientWidth - entry.offsetWidth) / 2;
  }
}

document.addEventListener("DOMContentLoaded", () => {
  showCurrent();
  drawAll();
  countDown();
  setInterval(countDown, 500);
  const live = document.querySelector("[data-live]");
  if (live && window.EventSource) window.suanliLive = new Live(live);
});
// What somebody is filling in stays as it is; the news come when it is sent.
document.addEventListener("input", (event) => {
  if (event.target.form?.method === "post") event.target.form.dataset.edited = "yes";
});
document.addEventListener("htmx:before:swap", (event) => {
  const part = event.target;
  if (part.matches('[hx-trigger*="live-"]') && part.querySelector("form[data-edited]")) event.preventDefault();
});
document.addEventListener("htmx:after:swap", () => arrived(document));
let resizing;
window.addEventListener("resize", () => { clearTimeout(resizing); resizing = setTimeout(() => { drawAll(); showCurrent(); }, 150); });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawAll());

// --- a file is read here, so that it is seen and mended before anything is sent ----------------

document.addEventListener("change", async (event) => {
  const input = event.target;
  const into = input.dataset?.into && document.getElementById(input.dataset.into);
  if (!into || !input.files?.length) return;
  into.value = await input.files[0].text();
  into.form.querySelector("button[value=check]")?.click();
});

// --- copying: without the right to the clipboard, the text is marked and the keyboard copies ----

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const shown = document.getElementById(button.dataset.copy);
  getSelection().selectAllChildren(shown);
  try {
    await navigator.clipboard.writeText(shown.textContent);
    button.textContent = pick("Copied", "已复制");
  } catch {
    button.textContent = pick("Marked: copy it", "已选中，请复制");
  }
});
