// Verifies a round file away from the page, so that the page stays quick.
import { sha256, verify } from "./checker.js";

self.addEventListener("message", async (event) => {
  const bytes = event.data;
  let text;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    text = "";
  }
  const began = performance.now();
  const [hash, report] = await Promise.all([sha256(bytes), verify(text)]);
  self.postMessage({ hash, report, ms: Math.round(performance.now() - began) });
});
