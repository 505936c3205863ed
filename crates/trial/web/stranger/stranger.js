// Somebody at the SFU who is nobody in Matrix: a LiveKit client with a token, and a tone for a microphone.

import { Room, RoomEvent, Track } from "livekit-client";

const RATE = 48000;
const AMPLITUDE = 0.3;          // RMS 0.21, as a person's microphone has it
const FRAMES_MAX = 20000;       // of all participants, some minutes; the oldest go

/** Encoded frames may be looked at. Chromium 156's `RTCRtpScriptTransform` passes none if it is set this late. */
const CONFIGURATION = { encodedInsertableStreams: true };

class Stranger {
    #room = new Room();
    #owners = new Map();        // receiver → a participant's identity; the SFU has several use it one after another
    #frames = [];

    /** Joins the room that `token` is for and publishes a tone, in clear. Resolves once the SFU has the track. */
    async join(url, token, hertz) {
        const context = new AudioContext({ sampleRate: RATE });
        const tone = new OscillatorNode(context, { frequency: hertz });
        const place = new MediaStreamAudioDestinationNode(context, { channelCount: 1 });
        tone.connect(new GainNode(context, { gain: AMPLITUDE })).connect(place);
        tone.start();
        await context.resume();
        // Chromium decodes only what an element plays.
        this.#room.on(RoomEvent.TrackSubscribed, (track, _publication, { identity }) => {
            document.body.append(track.attach());
            this.#keep(track.receiver, identity);
        });
        await this.#room.connect(url, token, { rtcConfig: CONFIGURATION });
        const [track] = place.stream.getAudioTracks();
        const as = { source: Track.Source.Microphone, dtx: false, red: false };
        const published = await this.#room.localParticipant.publishTrack(track, as);
        const { readable, writable } = published.track.sender.createEncodedStreams();
        readable.pipeTo(writable).catch(() => {});      // the connection has ended
    }

    /** Encoded frames of those whose identity begins with `who`, as the SFU forwards them: [{ at_ms, data in base64 }]. */
    frames(who) {
        const theirs = this.#frames.filter(({ of }) => of.startsWith(who));
        return theirs.map(({ at, data }) => ({ at_ms: at, data: btoa(String.fromCharCode(...new Uint8Array(data))) }));
    }

    #keep(receiver, identity) {
        const isNew = !this.#owners.has(receiver);
        this.#owners.set(receiver, identity);
        if (!isNew) return;
        const { readable, writable } = receiver.createEncodedStreams();
        const copy = new TransformStream({
            transform: (frame, onward) => {
                this.#frames.push({ of: this.#owners.get(receiver), at: Date.now(), data: frame.data.slice(0) });
                if (this.#frames.length > FRAMES_MAX) this.#frames.shift();
                onward.enqueue(frame);
            },
        });
        readable.pipeThrough(copy).pipeTo(writable).catch(() => {});    // the connection has ended
    }

    async leave() {
        await this.#room.disconnect();
    }
}

window.stranger = new Stranger();
