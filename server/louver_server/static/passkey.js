// A passkey as second factor: made where the page's form asks for one, or used. What it signs is for this address alone.
const form = document.querySelector("form[data-passkey-create], form[data-passkey-get]");
const problem = form.querySelector("[data-passkey-problem]");

async function ask() {
  const create = form.dataset.passkeyCreate;
  const found = create
    ? await navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(JSON.parse(create)) })
    : await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(JSON.parse(form.dataset.passkeyGet)) });
  form.elements.passkey.value = JSON.stringify(found.toJSON());
  form.submit();
}

async function begin() {
  problem.hidden = true;
  try {
    await ask();
  } catch {
    problem.hidden = false;
  }
}

if (window.PublicKeyCredential && PublicKeyCredential.parseCreationOptionsFromJSON) {
  if (form.dataset.passkeyCreate) {
    form.querySelector("[data-passkey-way]").hidden = false;
    form.querySelector("[data-passkey-begin]").addEventListener("click", () => {
      form.elements.code.disabled = true;
      if (form.reportValidity()) begin();
      form.elements.code.disabled = false;
    });
  } else {
    form.addEventListener("submit", (event) => { event.preventDefault(); begin(); });
  }
} else if (problem) {
  problem.hidden = !form.dataset.passkeyGet;
}
