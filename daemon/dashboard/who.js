// Who looks at this page: whom its session stands for, or everybody where the daemon has no tokens. And what that role may do.
import {get, post} from "./api.js";
import {h, replace, show} from "./dom.js";

const LADDER = ["viewer", "operator", "approver", "admin"];

export const me = {name: null, role: null, targets: null, tokens: false, session_seconds: null};

// Is somebody there? Without a role the page can only ask who it is.
export async function ask() {
  Object.assign(me, await get("/v1/identity"));
  return me.role !== null;
}

let described = null;

// Is a route built, and does the role suffice? What is neither is left out of the page instead of being offered and refused.
export async function isOffered(method, path) {
  described ??= get("/v1/openapi.json").catch(() => {
    described = null;
    return {paths: {}};
  });
  const route = (await described).paths[path]?.[method];
  const needed = route?.["x-role"];
  const may = needed === "anyone" || (LADDER.includes(needed) && LADDER.indexOf(me.role) >= LADDER.indexOf(needed));
  return route?.["x-built"] === true && may;
}

// A session that is over, or a token that is gone: the page begins anew, with the question for a token.
export async function lookAgain() {
  const before = me.role;
  try {
    if (!(await ask()) && before !== null) location.reload();
  } catch {
    // The daemon is away, which is said elsewhere.
  }
}

export function showWho() {
  const who = document.getElementById("who"), out = document.getElementById("sign-out");
  const where = me.targets ? ` on ${me.targets.join(", ")}` : "";
  who.textContent = me.tokens && me.name ? me.name : "";
  who.title = me.role ? `${me.role}${where}` : "";
  show(out, me.session_seconds !== null);
  out.onclick = async () => {
    await post("/v1/sign-out", {});
    location.reload();
  };
}

// The token goes to the daemon and nowhere else; what stays is a cookie that no script can read.
export function signInPage(main) {
  const token = h("input", {type: "password", id: "token", autocomplete: "current-password", spellcheck: "false", required: true});
  const trouble = h("p", {class: "trouble", role: "alert", hidden: true});
  const yes = h("button", {type: "submit", class: "primary"}, "Sign in");
  const form = h("form", {class: "sign-in"}, h("h1", {}, "Sign in"),
    h("p", {}, h("label", {for: "token"}, "Access token"), token),
    h("p", {class: "quiet"}, "An administrator makes one with ", h("code", {}, "backfillctl token new"), "."), trouble,
    h("p", {class: "buttons"}, yes));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    yes.disabled = true;
    trouble.hidden = true;
    try {
      await post("/v1/sign-in", {token: token.value.trim()});
      location.reload();
    } catch (error) {
      trouble.textContent = error.status === 401 ? "This is no token that the daemon knows." : error.message;
      trouble.hidden = false;
      yes.disabled = false;
      token.focus();
      token.select();
    }
  });
  document.title = "backfilld – sign in";
  document.body.dataset.page = "sign-in";
  replace(main, form);
  token.focus();
}
