// openai/realtime/webrtc as its README has it: the page exchanges the descriptions, with a multipart form.
import { OpenAIRealtimeWebRTC } from 'openai/realtime/webrtc';

export async function start(api) {
  const { value } = await (await fetch('/token')).json();
  const connection = new OpenAIRealtimeWebRTC();
  const audio = document.createElement('audio');
  audio.autoplay = true;
  connection.peerConnection.ontrack = (event) => { audio.srcObject = event.streams[0]; };
  const microphone = await navigator.mediaDevices.getUserMedia({ audio: true });
  connection.peerConnection.addTrack(microphone.getTracks()[0], microphone);
  connection.onConnectionEvent((event) => {
    if (event.type === 'error') console.error(String(event.error));
  });
  await connection.connect({
    exchangeSdp: async (offer, { signal }) => {
      const form = new FormData();
      form.set('sdp', offer);
      form.set('session', JSON.stringify({
        type: 'realtime',
        model: 'gpt-realtime',
        audio: { input: { transcription: { model: 'gpt-4o-mini-transcribe' } } },
      }));
      const headers = { Authorization: `Bearer ${value}` };
      const answer = await fetch(`${api}/realtime/calls`, { method: 'POST', headers, body: form, signal });
      if (!answer.ok) throw new Error(await answer.text());
      return answer.text();
    },
  });
  return () => {
    connection.close();
    microphone.getTracks().forEach((track) => track.stop());
  };
}
