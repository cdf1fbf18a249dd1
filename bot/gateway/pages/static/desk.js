/* Refreshes the list or the conversation while the page is open; every action stays a plain form. */
(() => {
  "use strict";
  const part = document.getElementById("tickets");
  if (!part) return;
  const refresh = async () => {
    if (document.hidden) return;
    try {
      const answer = await fetch(part.dataset.refresh, { headers: { Accept: "text/html" }, cache: "no-store" });
      if (!answer.ok || answer.redirected) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.getElementById("tickets");
      if (fresh && fresh.textContent !== part.textContent) part.replaceChildren(...fresh.childNodes);
    } catch { /* the next tick tries again */ }
  };
  setInterval(refresh, 4000);
})();
