/* The token: asked for, tried, and kept where the user wants it. */

import { Api } from "./api.js";
import { byId } from "./dom.js";

const KEY = "downloader.token";

/** Resolves to an Api whose token is right: from the URL's fragment, which it takes away, from what
    was kept, or from the user. */
export async function login() {
  const given = fromFragment();
  const kept = given ?? sessionStorage.getItem(KEY) ?? localStorage.getItem(KEY);
  if (kept) {
    const problem = await tried(kept);
    if (problem === null) return keep(kept, localStorage.getItem(KEY) === kept);
    return ask(problem);
  }
  return ask("");
}

/** Forget the token. */
export function forget() {
  sessionStorage.removeItem(KEY);
  localStorage.removeItem(KEY);
}

function fromFragment() {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (token !== null) history.replaceState(null, "", location.pathname + location.search);
  return token;
}

/** Resolves to what is wrong with `token`, or null. */
async function tried(token) {
  try {
    await new Api(token).ask("GET", "api/v1/stats");
    return null;
  } catch (error) {
    return error.status === 401 ? "That is not the token of this service." : error.message;
  }
}

function keep(token, remember) {
  forget();
  (remember ? localStorage : sessionStorage).setItem(KEY, token);
  byId("token").value = "";
  return new Api(token);
}

function ask(problem) {
  byId("login-problem").textContent = problem;
  byId("login").hidden = false;
  byId("token").focus();
  return new Promise((resolve) => {
    byId("login-form").onsubmit = async (event) => {
      event.preventDefault();
      const token = byId("token").value.trim();
      byId("login-problem").textContent = "";
      const wrong = await tried(token);
      if (wrong === null) {
        byId("login").hidden = true;
        resolve(keep(token, byId("remember").checked));
      } else {
        byId("login-problem").textContent = wrong;
        byId("token").select();
      }
    };
  });
}
