/** WebRTC: audio as media, events on a data channel. Used by realtime.js. */

import { RealtimeError, refusal } from "./realtime-error.js";

const RESTART_AFTER_MS = 3000;
const PLAYBACK = {
  "output_audio_buffer.started": "started",
  "output_audio_buffer.stopped": "stopped",
  "output_audio_buffer.cleared": "cut",
};

/** The ICE servers in a Link header (RFC 9725, 4.6). @param {string | null} header */
export function iceServersOf(header) {
  const links = (header ?? "").matchAll(/<([^>]+)>((?:[^",<]|"(?:[^"\\]|\\.)*")*)/g);
  return [...links].flatMap(([, urls, rest]) => {
    const said = {};
    for (const [, name, quoted, plain] of rest.matchAll(/([\w-]+)=(?:"((?:[^"\\]|\\.)*)"|([^";,\s]*))/g)) {
      said[name] = plain ?? quoted.replace(/\\(.)/g, "$1");
    }
    if (said.rel !== "ice-server") return [];
    return [said.credential ? { urls, username: said.username, credential: said.credential } : { urls }];
  });
}

export class PeerTransport {
  #peer = null;
  #channel = null;
  #resource = null;
  #sound = null;
  #waiting = null;
  silent = "no_media_path"; // what it means when nothing comes

  constructor(options, on) {
    this.options = options;
    this.on = on;
  }

  get maxBytes() {
    return this.#peer?.sctp?.maxMessageSize || 65536;
  }

  async open(token, stream, signal) {
    const peer = (this.#peer = new RTCPeerConnection());
    const channel = (this.#channel = peer.createDataChannel("oai-events"));
    channel.onmessage = ({ data }) => this.on.message(data);
    channel.onclose = () => this.on.lost(new RealtimeError("server_gone"));
    peer.onconnectionstatechange = () => this.#moved(peer, token);
    peer.ontrack = ({ track, streams }) => this.#hear(streams[0] ?? new MediaStream([track]));
    if (stream) peer.addTrack(stream.getAudioTracks()[0], stream);
    else peer.addTransceiver("audio", { direction: "recvonly" });
    // Posted before it is taken as the local description: gathering begins then, with the servers of the answer.
    const offer = await peer.createOffer();
    const query = this.options.model ? `?model=${encodeURIComponent(this.options.model)}` : "";
    const answer = await this.#post(`${this.options.url}/realtime/calls${query}`, "POST", offer.sdp, token, signal);
    const location = answer.headers.get("Location");
    this.#resource = location && new URL(location, answer.url).href;
    peer.setConfiguration({ iceServers: iceServersOf(answer.headers.get("Link")) });
    await peer.setLocalDescription(offer);
    await peer.setRemoteDescription({ type: "answer", sdp: await answer.text() });
  }

  async #post(url, method, sdp, token, signal) {
    const headers = { Authorization: `Bearer ${token}`, "Content-Type": "application/sdp" };
    const answer = await fetch(url, { method, headers, body: sdp, signal });
    if (!answer.ok) throw await refusal(answer);
    return answer;
  }

  #hear(stream) {
    this.#sound ??= new Audio();
    this.#sound.srcObject = stream;
    this.#sound.play().catch(() => {}); // closed meanwhile
    this.on.track(stream);
  }

  #moved(peer, token) {
    if (peer !== this.#peer) return;
    clearTimeout(this.#waiting);
    const state = peer.connectionState;
    if (state === "connected") this.on.stable(true);
    else if (state === "disconnected") {
      this.on.stable(false);
      this.#waiting = setTimeout(() => this.#restart(peer, token), RESTART_AFTER_MS);
    } else if (state === "failed") this.on.lost(new RealtimeError("no_media_path"));
  }

  /** Another network, perhaps: the same call over new paths. */
  async #restart(peer, token) {
    try {
      await peer.setLocalDescription(await peer.createOffer({ iceRestart: true }));
      const answer = await this.#post(this.#resource, "PATCH", peer.localDescription.sdp, token);
      await peer.setRemoteDescription({ type: "answer", sdp: await answer.text() });
    } catch (error) {
      if (peer === this.#peer) this.on.lost(new RealtimeError("server_gone", error.message));
    }
  }

  start() {}

  took(event) {
    const kind = PLAYBACK[event.type];
    if (kind) this.on.playback({ kind, responseId: event.response_id });
  }

  send(text) {
    if (this.#channel.readyState !== "open") throw new RealtimeError("server_gone"); // it is just closing
    this.#channel.send(text);
  }

  /** The server cuts, and says what was heard. */
  async cut() {
    return [];
  }

  async replace(stream) {
    const sender = this.#peer?.getSenders()[0];
    await sender?.replaceTrack(stream.getAudioTracks()[0]);
  }

  stats() {
    return this.#peer ? this.#peer.getStats() : Promise.resolve(new Map());
  }

  drop() {
    clearTimeout(this.#waiting);
    if (this.#channel) this.#channel.onclose = this.#channel.onmessage = null;
    if (this.#peer) this.#peer.onconnectionstatechange = this.#peer.ontrack = null;
    this.#peer?.close();
    this.#peer = this.#channel = null;
    if (this.#sound) this.#sound.srcObject = null;
  }

  /** The server notices at once: closing a peer connection says so to the other side. */
  close() {
    this.drop();
  }
}
