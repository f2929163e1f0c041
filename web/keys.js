/** Where the ephemeral keys for calls come from. An API key stays in this tab: in its memory and sessionStorage. */

import { RealtimeError } from "./realtime.js";
import { refusal } from "./realtime-error.js";

const PLACE = "voicebridge.key";
const TTL_S = 60;

export class Keys {
  #given = sessionStorage.getItem(PLACE) ?? "";

  /** The API key that the user gave, or nothing. */
  get given() {
    return this.#given;
  }

  set given(key) {
    this.#given = key;
    if (key) sessionStorage.setItem(PLACE, key);
    else sessionStorage.removeItem(PLACE);
  }

  /** Whether this server gives keys only to those who have one. */
  async needed() {
    try {
      const answer = await fetch("/console/access", { cache: "no-store" });
      return answer.ok && (await answer.json()).key_required;
    } catch {
      return false; // connecting will tell that it has gone
    }
  }

  /** A fresh ephemeral key. Throws a RealtimeError. @returns {Promise<string>} */
  async token() {
    const answer = this.#given ? await this.#minted() : await fetch("/console/token", { method: "POST" });
    if (!answer.ok) throw await this.#refused(answer);
    return (await answer.json()).value;
  }

  #minted() {
    const headers = { Authorization: `Bearer ${this.#given}`, "Content-Type": "application/json" };
    const body = JSON.stringify({ expires_after: { anchor: "created_at", seconds: TTL_S } });
    return fetch("/v1/realtime/client_secrets", { method: "POST", headers, body });
  }

  async #refused(answer) {
    const error = await refusal(answer);
    return answer.status === 403 && !this.#given ? new RealtimeError("key_needed", error.message) : error;
  }
}
