// Runs before the first paint, so that a page does not flash in the other theme.
(() => {
  const kept = localStorage.getItem("flagctl-theme");
  if (kept === "dark" || kept === "light") document.documentElement.dataset.theme = kept;
})();
