// Runs in every page before its own scripts. Records what the microphone gave and what the page made audible, on one
// clock, and passes on every event in both directions. The page notices nothing of it.
//
// - Left channel: every stream that getUserMedia gave. Right channel: every remote track, and all that reaches the
//   loudspeakers through WebAudio. MediaRecorder works off the main thread: a busy page loses nothing.
// - `at` of an event is its time in seconds within the recording.
(() => {
  if (window !== window.top) return;
  const NativeAudioContext = window.AudioContext;
  const rig = { peers: [], sockets: [], tracks: [], contexts: [], channels: [], kept: [] };
  Object.defineProperty(window, '__rig', { value: rig });

  // --- recording ---

  const context = new NativeAudioContext({ sampleRate: 48000 });
  const merger = new ChannelMergerNode(context, { numberOfInputs: 2 });
  const sink = new MediaStreamAudioDestinationNode(context, { channelCount: 2 });
  merger.connect(sink);
  const clock = new ConstantSourceNode(context, { offset: 0 });
  clock.connect(merger, 0, 0);
  clock.connect(merger, 0, 1);
  clock.start();
  let zero = 0;
  const pieces = [];
  const recorder = new MediaRecorder(sink.stream, { mimeType: 'audio/webm;codecs=pcm' });
  recorder.onstart = () => { zero = context.currentTime; };
  recorder.ondataavailable = (event) => pieces.push(event.data);
  recorder.start();

  const listen = (stream, channel) => {
    const source = new MediaStreamAudioSourceNode(context, { mediaStream: stream });
    source.connect(merger, 0, channel);
    rig.kept.push(source);
  };

  rig.now = () => context.currentTime - zero;
  rig.recording = async () => {
    await new Promise((resolve) => { recorder.onstop = resolve; recorder.stop(); });
    const reader = new FileReader();
    await new Promise((resolve) => { reader.onload = resolve; reader.readAsDataURL(new Blob(pieces)); });
    return reader.result.slice(reader.result.indexOf(',') + 1);
  };

  // --- microphone ---

  const devices = navigator.mediaDevices;
  if (devices) {
    const getUserMedia = devices.getUserMedia.bind(devices);
    devices.getUserMedia = async (wanted) => {
      const stream = await getUserMedia(wanted);
      rig.tracks.push(...stream.getTracks());
      listen(stream, 0);
      return stream;
    };
  }

  // --- what the page plays through WebAudio ---

  window.AudioContext = class AudioContext extends NativeAudioContext {
    constructor(...given) { super(...given); rig.contexts.push(this); }
  };
  const taps = new WeakMap();
  const tapOf = (destination) => {
    if (!taps.has(destination)) {
      const tap = new MediaStreamAudioDestinationNode(destination.context);
      listen(tap.stream, 1);
      taps.set(destination, tap);
    }
    return taps.get(destination);
  };
  const audible = (node) => node instanceof AudioDestinationNode;
  const { connect, disconnect } = AudioNode.prototype;
  AudioNode.prototype.connect = function (to, ...more) {
    if (audible(to)) connect.call(this, tapOf(to));
    return connect.call(this, to, ...more);
  };
  AudioNode.prototype.disconnect = function (...from) {
    if (audible(from[0]) && taps.has(from[0])) disconnect.call(this, taps.get(from[0]));
    return disconnect.apply(this, from);
  };

  // --- events ---

  const shortened = (name, value) =>
    (name === 'audio' || name === 'delta') && typeof value === 'string' && value.length > 400
      ? `(${value.length} characters)` : value;
  const pass = (way, data) => {
    if (typeof data !== 'string') return;
    let event;
    try { event = JSON.parse(data, shortened); } catch { event = { type: 'no JSON', data }; }
    window.__voicebridge_event({ way, at: rig.now(), bytes: data.length, event }).catch(() => {});
  };
  const overheard = (Sender) => {
    const { send } = Sender.prototype;
    Sender.prototype.send = function (data) { pass('out', data); return send.call(this, data); };
  };
  overheard(RTCDataChannel);
  overheard(WebSocket);

  const NativePeer = window.RTCPeerConnection;
  window.RTCPeerConnection = class RTCPeerConnection extends NativePeer {
    constructor(...given) {
      super(...given);
      rig.peers.push(this);
      this.addEventListener('track', ({ track }) => listen(new MediaStream([track]), 1));
    }
    createDataChannel(...given) {
      const channel = super.createDataChannel(...given);
      rig.channels.push(channel);
      channel.addEventListener('message', ({ data }) => pass('in', data));
      return channel;
    }
  };
  const NativeSocket = window.WebSocket;
  window.WebSocket = class WebSocket extends NativeSocket {
    constructor(...given) {
      super(...given);
      rig.sockets.push(this);
      this.addEventListener('message', ({ data }) => pass('in', data));
    }
  };

  // --- what is left, and how it went ---

  rig.left = () => [
    ...rig.tracks.filter((track) => track.readyState !== 'ended').map((track) => `a ${track.kind} track is live`),
    ...rig.peers.filter((peer) => peer.connectionState !== 'closed').map((peer) => `a peer is ${peer.connectionState}`),
    ...rig.sockets.filter((socket) => socket.readyState < 2).map((socket) => `a socket to ${socket.url} is open`),
  ];
  rig.stats = async () => {
    const reports = await Promise.all(rig.peers.map((peer) => peer.getStats()));
    return reports.map((report) => [...report.values()]);
  };
})();
