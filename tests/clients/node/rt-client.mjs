// Microsoft's rt-client, which speaks the first preview (api-version 2024-10-01-preview) and dies of anything newer.
// Arguments: origin (ws://host:port), key, file of PCM16 at 24 kHz. Prints one JSON text: {typed, spoken, heard}.
import { readFileSync } from 'node:fs';
import { RTClient } from 'rt-client';

const [origin, key, file] = process.argv.slice(2);
const client = new RTClient(new URL(origin), { key }, { deployment: 'gpt-4o-realtime-preview' });

async function answer(response) {
  let text = '';
  let bytes = 0;
  for await (const item of response) {
    if (item.type !== 'message') continue;
    for await (const part of item) {
      if (part.type === 'text') {
        for await (const chunk of part.textChunks()) text += chunk;
      } else {
        const audio = async () => {
          for await (const chunk of part.audioChunks()) bytes += chunk.length;
        };
        const transcript = async () => {
          for await (const chunk of part.transcriptChunks()) text += chunk;
        };
        await Promise.all([audio(), transcript()]);
      }
    }
  }
  return { text, bytes, status: response.status };
}

await client.configure({
  instructions: 'Be brief.',
  modalities: ['audio', 'text'],
  input_audio_transcription: { model: 'whisper-1' },
  turn_detection: { type: 'server_vad' },
});
await client.sendItem({ type: 'message', role: 'user', content: [{ type: 'input_text', text: 'Hello from Node' }] });
const typed = await answer(await client.generateResponse());

const pcm = readFileSync(file);
for (let at = 0; at < pcm.length; at += 4800) await client.sendAudio(pcm.subarray(at, at + 4800));
let heard;
let spoken;
for await (const event of client.events()) {
  if (event.type === 'input_audio') {
    await event.waitForCompletion();
    heard = event.transcription;
  } else if (event.type === 'response') {
    spoken = await answer(event);
  }
  if (heard !== undefined && spoken !== undefined) break;
}
console.log(JSON.stringify({ typed, spoken, heard }));
await client.close();
