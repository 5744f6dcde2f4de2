// Passkeys: what the page asks goes to the browser, and what the browser answers goes back with the form. Nothing is kept here.
const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (sign) => sign.charCodeAt(0));
const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

const read = (options) => {
  options.challenge = bytes(options.challenge);
  if (options.user) options.user.id = bytes(options.user.id);
  for (const list of [options.allowCredentials, options.excludeCredentials]) {
    for (const one of list ?? []) one.id = bytes(one.id);
  }
  return options;
};

const told = (credential) => {
  const response = {};
  for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (credential.response[name]) response[name] = text(credential.response[name]);
  }
  return JSON.stringify({ id: credential.id, rawId: text(credential.rawId), type: credential.type, response, clientExtensionResults: {} });
};

// Offers a passkey at this place for what its `data-options` ask for; a page that signs in over itself gets them late, and maybe again.
export const offer = (place) => {
  if (!window.PublicKeyCredential) return;
  const failed = place.querySelector("[data-failed]");
  const button = place.querySelector("[data-start]");
  const start = async (event) => {
    event?.preventDefault(); // The form is sent with what the browser answers, and not before.
    failed.hidden = true;
    button.disabled = true;
    try {
      const publicKey = read(JSON.parse(place.dataset.options));
      const credential = await navigator.credentials[place.dataset.passkey]({ publicKey });
      place.querySelector("[data-answer]").value = told(credential);
      place.closest("form").requestSubmit();
    } catch {
      failed.hidden = false;
      button.disabled = false;
    }
  };
  place.querySelector("[data-without]").hidden = true;
  // Bound to a name: at another address of the same program the browser would refuse without saying why. Options that come later bring theirs.
  const asked = place.dataset.options ? JSON.parse(place.dataset.options) : null;
  const bound = asked ? (asked.rpId ?? asked.rp.id) : location.hostname;
  if (location.hostname !== bound && !location.hostname.endsWith(`.${bound}`)) {
    place.querySelector("[data-elsewhere]").hidden = false;
    return;
  }
  for (const part of place.querySelectorAll("[data-with]")) part.hidden = false;
  button.disabled = false;
  button.onclick = start;
  if ("atOnce" in place.dataset) start();
};

for (const place of document.querySelectorAll("[data-passkey]")) {
  if (place.dataset.options) offer(place);
}
