// While a simulation runs, what the page says of it is fetched anew; without this script the link does the same.
async function look() {
  const shown = document.getElementById("simulation");
  if (!shown || !("running" in shown.dataset)) return;
  try {
    const reply = await fetch(location.href, { credentials: "same-origin" });
    const fresh = new DOMParser().parseFromString(await reply.text(), "text/html").getElementById("simulation");
    if (fresh) shown.replaceWith(document.adoptNode(fresh));
  } catch {
    // The next look may find it again.
  }
  setTimeout(look, 700);
}
setTimeout(look, 700);
