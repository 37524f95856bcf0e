// The digest of a file that is chosen, into the field that its input names. The file itself is sent nowhere.
for (const chosen of document.querySelectorAll("input[type=file][data-digest-into]")) {
  chosen.addEventListener("change", async () => {
    const field = document.getElementById(chosen.dataset.digestInto);
    const file = chosen.files[0];
    if (!file) return;
    const digest = await crypto.subtle.digest("SHA-256", await file.arrayBuffer());
    field.value = Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
  });
}
