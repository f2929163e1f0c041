// A text turn and a spoken turn with openai's realtime classes. Prints every event of the server, one JSON text a line.
// Environment: OPENAI_BASE_URL, OPENAI_API_KEY (both read by the SDK); arguments: surface (ga|beta),
// class (OpenAIRealtimeWS|OpenAIRealtimeWebSocket), file of PCM16 at 24 kHz.
import { readFileSync } from 'node:fs';
import OpenAI from 'openai';

const [surface, name, file] = process.argv.slice(2);
const directory = surface === 'beta' ? 'openai/beta/realtime' : 'openai/realtime';
const module = name === 'OpenAIRealtimeWS' ? 'ws' : 'websocket';
const { [name]: Realtime } = await import(`${directory}/${module}`);

const rt = new Realtime({ model: 'gpt-realtime', dangerouslyAllowBrowser: true }, new OpenAI());
const opened = (listener) =>
  rt.socket.on ? rt.socket.on('open', listener) : rt.socket.addEventListener('open', listener);
const closed = (listener) =>
  rt.socket.on ? rt.socket.on('close', listener) : rt.socket.addEventListener('close', (event) => listener(event.code));

let answers = 0;
rt.on('event', (event) => console.log(JSON.stringify(event)));
rt.on('error', (error) => {
  console.error(error);
  process.exitCode = 1;
  rt.close();
});
opened(() => {
  const heard = { model: 'whisper-1' };
  rt.send({
    type: 'session.update',
    session:
      surface === 'beta'
        ? { input_audio_transcription: heard }
        : { type: 'realtime', audio: { input: { transcription: heard } } },
  });
  rt.send({
    type: 'conversation.item.create',
    item: { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'Hello from Node' }] },
  });
  rt.send({ type: 'response.create' });
});
rt.on('rate_limits.updated', () => {
  answers += 1;
  if (answers === 2) {
    rt.close();
    return;
  }
  const pcm = readFileSync(file);
  for (let at = 0; at < pcm.length; at += 4800) {
    rt.send({ type: 'input_audio_buffer.append', audio: pcm.subarray(at, at + 4800).toString('base64') });
  }
});
closed((code) => {
  if (answers !== 2) {
    console.error(`closed with ${code}`);
    process.exitCode = 1;
  }
  process.stdout.write('', () => process.exit()); // what is written to a pipe is lost by an earlier exit
});
