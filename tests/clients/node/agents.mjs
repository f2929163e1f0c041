// A typed and a spoken turn with @openai/agents-realtime over WebSocket; the spoken one calls a function.
// Arguments: full WebSocket URL, key, file of PCM16 at 24 kHz. Prints one JSON text a line: {event} of the server,
// and at the end {calls, history, errors}.
import { readFileSync } from 'node:fs';
import { OpenAIRealtimeWebSocket, RealtimeAgent, RealtimeSession, tool } from '@openai/agents-realtime';
import { z } from 'zod';

const [url, apiKey, file] = process.argv.slice(2);
const calls = [];
const errors = [];
const weather = tool({
  name: 'get_weather',
  description: 'Get the current weather in a city',
  parameters: z.object({ city: z.string().describe('Name of the city') }),
  execute: async ({ city }) => {
    calls.push({ city });
    return JSON.stringify({ city, temperature: 21, condition: 'sunny' });
  },
});
const agent = new RealtimeAgent({ name: 'Guide', instructions: 'Be brief.', tools: [weather] });
const session = new RealtimeSession(agent, {
  transport: new OpenAIRealtimeWebSocket({ url }),
  model: 'gpt-realtime',
  config: { audio: { input: { turnDetection: { type: 'server_vad' } } } },
});

let answers = 0;
session.transport.on('*', (event) => console.log(JSON.stringify({ event })));
session.on('error', (error) => errors.push(String(error?.error?.message ?? error?.error ?? error)));

const finish = () => {
  console.log(JSON.stringify({ calls, errors, history: session.history, audio: answers }));
  session.close();
  process.stdout.write('', () => process.exit(0));
};
session.transport.on('*', (event) => {
  if (event.type !== 'response.done') return;
  answers += 1;
  if (answers === 1) {
    const pcm = readFileSync(file);
    for (let at = 0; at < pcm.length; at += 4800) {
      session.sendAudio(new Uint8Array(pcm.subarray(at, at + 4800)).buffer);
    }
  } else if (event.response.output.every((item) => item.type === 'message')) {
    setTimeout(finish, 500); // the items asked for by the SDK are on their way
  }
});
await session.connect({ apiKey });
session.sendMessage('Hello, my name is Ada.');
