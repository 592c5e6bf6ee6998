// Two switches, language and light or dark; the page is whole without them.
(() => {
  const root = document.documentElement;
  root.classList.add("scripted");
  const dark = () =>
    root.dataset.theme
      ? root.dataset.theme === "dark"
      : matchMedia("(prefers-color-scheme: dark)").matches;
  document.getElementById("language").addEventListener("click", () => {
    root.lang = root.lang === "zh" ? "en" : "zh";
  });
  document.getElementById("theme").addEventListener("click", () => {
    root.dataset.theme = dark() ? "light" : "dark";
  });
})();
