// An agent with a tool, over the transport named in the page's address; both transports as published.
import {
  OpenAIRealtimeWebRTC, OpenAIRealtimeWebSocket, RealtimeAgent, RealtimeSession, tool,
} from '@openai/agents-realtime';
import { z } from 'zod';

const MODEL = 'gpt-realtime';
const REPORT = 'It is twenty-one degrees in Paris. The sky is blue, and a light wind is coming from the west. '
  + 'In the afternoon there will be a few clouds over the river. Towards the evening it will rain a little. '
  + 'The night will be clear and cold. Tomorrow will be just as fine as today.';

export async function start(api, kind) {
  const talk = { calls: [], interruptions: 0 };
  const weather = tool({
    name: 'get_weather',
    description: 'Get the current weather in a city',
    parameters: z.object({ city: z.string().describe('Name of the city') }),
    execute: async ({ city }) => {
      talk.calls.push({ city });
      return REPORT;
    },
  });
  const agent = new RealtimeAgent({ name: 'Guide', instructions: 'You are a guide.', tools: [weather] });
  const transport = kind === 'websocket'
    ? new OpenAIRealtimeWebSocket({ url: `${api.replace('http', 'ws')}/realtime?model=${MODEL}` })
    : new OpenAIRealtimeWebRTC({ baseUrl: `${api}/realtime/calls` });
  const session = new RealtimeSession(agent, {
    transport,
    model: MODEL,
    config: { audio: { input: { turnDetection: { type: 'server_vad', interruptResponse: true } } } },
  });
  session.on('error', ({ error }) => console.error('session error', JSON.stringify(error?.error ?? String(error))));
  session.on('audio_interrupted', () => { talk.interruptions += 1; });

  const { value } = await (await fetch('/token')).json();
  await session.connect({ apiKey: value });
  const sound = kind === 'websocket' ? await soundOf(session) : { stop: () => {} };
  talk.callId = transport.callId;
  talk.history = () => session.history;
  talk.interrupt = () => session.interrupt();
  talk.send = (text) => session.sendMessage(text);
  talk.hangUp = () => { session.close(); sound.stop(); };
  return talk;
}

// The WebSocket transport leaves microphone and loudspeaker to the page.
async function soundOf(session) {
  const context = new AudioContext({ sampleRate: 24000 });
  const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
  await context.audioWorklet.addModule('microphone.js');
  const microphone = new AudioWorkletNode(context, 'microphone');
  microphone.port.onmessage = ({ data }) => session.sendAudio(data);
  context.createMediaStreamSource(stream).connect(microphone);

  let next = 0;
  const playing = new Set();
  session.on('audio', ({ data }) => {
    const samples = Float32Array.from(new Int16Array(data), (sample) => sample / 32768);
    const buffer = context.createBuffer(1, samples.length, 24000);
    buffer.copyToChannel(samples, 0);
    const source = new AudioBufferSourceNode(context, { buffer });
    source.connect(context.destination);
    next = Math.max(next, context.currentTime + 0.02);
    source.start(next);
    next += buffer.duration;
    playing.add(source);
    source.onended = () => playing.delete(source);
  });
  session.on('audio_interrupted', () => {
    playing.forEach((source) => source.stop());
    next = 0;
  });
  return {
    stop: () => {
      stream.getTracks().forEach((track) => track.stop());
      context.close();
    },
  };
}
