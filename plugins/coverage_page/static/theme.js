/* Light or dark, as Airflow is: the class of its page when this one is framed by it, else what it remembers in
   localStorage (key `theme`, same origin), else what the system prefers. A classic script in the head, so that the
   first paint has the right colours. */
(() => {
  const root = document.documentElement;
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  const framed = window.parent !== window;

  function airflow() {
    try {
      return framed ? window.parent.document.documentElement : null;
    } catch {
      return null; // framed by another origin
    }
  }

  function chosen() {
    const classes = airflow()?.classList;
    for (const theme of ["dark", "light"]) {
      if (classes?.contains(theme)) return theme;
    }
    const kept = window.localStorage.getItem("theme");
    if (kept === "dark" || kept === "light") return kept;
    return system.matches ? "dark" : "light";
  }

  function apply() {
    const theme = chosen();
    if (root.dataset.theme === theme) return;
    root.dataset.theme = theme;
    window.dispatchEvent(new Event("themechange"));
  }

  apply();
  system.addEventListener("change", apply);
  window.addEventListener("storage", apply);
  const outer = airflow();
  if (outer) new MutationObserver(apply).observe(outer, { attributes: true, attributeFilter: ["class"] });
})();
