// Somebody at the SFU who is nobody in Matrix: a LiveKit client with a token, and a tone for a microphone.

import { Room, RoomEvent, Track } from "livekit-client";

const RATE = 48000;
const AMPLITUDE = 0.3;          // RMS 0.21, as a person's microphone has it

class Stranger {
    #room = new Room();

    /** Joins the room that `token` is for and publishes a tone, in clear. Resolves once the SFU has the track. */
    async join(url, token, hertz) {
        const context = new AudioContext({ sampleRate: RATE });
        const tone = new OscillatorNode(context, { frequency: hertz });
        const place = new MediaStreamAudioDestinationNode(context, { channelCount: 1 });
        tone.connect(new GainNode(context, { gain: AMPLITUDE })).connect(place);
        tone.start();
        await context.resume();
        // Chromium decodes only what an element plays.
        this.#room.on(RoomEvent.TrackSubscribed, (track) => document.body.append(track.attach()));
        await this.#room.connect(url, token);
        const [track] = place.stream.getAudioTracks();
        await this.#room.localParticipant.publishTrack(track, { source: Track.Source.Microphone, dtx: false, red: false });
    }

    async leave() {
        await this.#room.disconnect();
    }
}

window.stranger = new Stranger();
