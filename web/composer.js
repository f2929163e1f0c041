/** Messages that are typed, with an image or without. */

import { byId, setText } from "./dom.js";
import { smallImage } from "./image.js";
import { toast } from "./notices.js";
import { t } from "./strings.js";

const AROUND_BYTES = 2048; // of the event, beside its image

export class Composer {
  #on;
  #image = null;

  /** @param {{send: (content: object[]) => Promise<boolean>, room: () => number}} on `room`: bytes of the biggest event */
  constructor(on) {
    this.#on = on;
    byId("composer").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send();
    });
    byId("text").addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.#send();
    });
    byId("attach").addEventListener("click", () => byId("image-file").click());
    byId("detach").addEventListener("click", () => this.#attach(null));
    byId("image-file").addEventListener("change", ({ target }) => this.#read(target));
  }

  enable(ready) {
    for (const id of ["text", "send", "attach"]) byId(id).disabled = !ready;
  }

  async #send() {
    const text = byId("text").value.trim();
    const content = [];
    if (this.#image) content.push({ type: "input_image", image_url: this.#image });
    if (text) content.push({ type: "input_text", text });
    if (!content.length || !(await this.#on.send(content))) return;
    byId("text").value = "";
    this.#attach(null);
  }

  async #read(input) {
    const [file] = input.files;
    if (!file) return;
    const room = this.#on.room() - AROUND_BYTES;
    try {
      this.#attach(await smallImage(file, room));
    } catch (error) {
      toast(error instanceof RangeError ? t("imageTooBig", { kb: Math.floor(room / 1024) }) : t("imageUnreadable"));
    }
    input.value = "";
  }

  #attach(url) {
    this.#image = url;
    byId("attached").hidden = !url;
    if (url) byId("attached-image").src = url;
    setText(byId("attached-size"), url ? `${Math.ceil(url.length / 1024)} kB` : "");
  }
}
