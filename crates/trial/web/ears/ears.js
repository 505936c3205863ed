// Runs in Element Call's page before its own scripts: hears, per remote track, what a person would hear.
//
// Every audio track that arrives on any peer connection goes through WebAudio into an `ear` (worklet.js), left and
// right apart. Whose it is stands in Element Call's log alone, so that is read along.

(() => {
    const RATE = 48000;
    const STREAMS_MAX = 64;     // and as many names; the oldest go
    const GAPS_MAX = 1000;      // per stream; later ones are counted only
    const SOUNDS_MAX = 2000;    // per stream; the oldest go
    const PAUSE_MS_MAX = 5000;  // up to here samples are counted; clocks of sound and machine part in the long run

    const context = new AudioContext({ sampleRate: RATE });
    const loaded = context.audioWorklet.addModule(new URL("worklet.js", document.currentScript.src));
    const muted = new GainNode(context, { gain: 0 });      // a node that leads nowhere would not run
    muted.connect(context.destination);
    const streams = [];
    const owners = new Map();   // track sid → participant identity
    let waiting = [];

    const wake = () => {
        for (const resolve of waiting.splice(0)) resolve();
    };
    const change = () => new Promise((resolve) => waiting.push(resolve));

    // --- tracks

    window.RTCPeerConnection = new Proxy(window.RTCPeerConnection, {
        construct(target, given, self) {
            const connection = Reflect.construct(target, given, self);
            connection.addEventListener("track", ({ track, streams: [stream], receiver }) => {
                if (track.kind === "audio" && stream) hear(track, stream, receiver);
            });
            return connection;
        },
    });

    // A stream is named `PARTICIPANT_SID|TRACK_SID`. A receiver's track is used again for a later stream: the former one
    // is over then.
    function hear(track, stream, receiver) {
        for (const former of streams) if (former.track === track) end(former);
        const heard = {
            sid: stream.id.split("|")[1] ?? stream.id, track, receiver, ended: false,
            sounding: false, since: null, gaps: [], gapCount: 0, sounds: [], recorded: () => {},
        };
        streams.push(heard);
        if (streams.length > STREAMS_MAX) end(streams.shift());
        stream.addEventListener("removetrack", (event) => {
            if (event.track === track) end(heard);
        });
        track.addEventListener("ended", () => end(heard));
        loaded.then(() => attach(heard));
        wake();
    }

    function attach(heard) {
        if (heard.ended) return;
        heard.ear = new AudioWorkletNode(context, "ear", { channelCount: 2, channelCountMode: "explicit" });
        heard.ear.port.onmessage = ({ data }) => {
            if (data.channels) heard.recorded(data);
            else if (data.gap !== undefined) {
                heard.gapCount++;
                ended(heard, data.at);
                began(heard, data.at + data.gap);
                if (heard.gaps.length < GAPS_MAX) heard.gaps.push({ at: data.at, ms: data.gap });
            } else {
                heard.sounding = data.sound;
                heard.since = data.at;
                if (!data.sound) ended(heard, data.at);
                else if (heard.sounds.length && data.quiet < PAUSE_MS_MAX) began(heard, heard.sounds.at(-1).to + data.quiet);
                else began(heard, data.at);
            }
            wake();
        };
        heard.source = context.createMediaStreamSource(new MediaStream([heard.track]));
        heard.source.connect(heard.ear).connect(muted);
    }

    // Stretches of sound, each until it has ended without a time of its end.
    function began(heard, at) {
        heard.sounds.push({ from: at, to: null });
        if (heard.sounds.length > SOUNDS_MAX) heard.sounds.shift();
    }

    function ended(heard, at) {
        const last = heard.sounds.at(-1);
        if (last && last.to === null) last.to = at;
    }

    function end(heard) {
        if (heard.ended) return;
        heard.ended = true;
        if (heard.sounding) heard.since = Date.now();
        ended(heard, Date.now());
        heard.sounding = false;
        heard.source?.disconnect();
        heard.ear?.disconnect();
        heard.ear?.port.postMessage({ end: true });
        heard.recorded({ channels: [], from: Date.now() });
        wake();
    }

    // --- whose they are: `Subscribed: audio microphone TR_… of IDENTITY encrypted=true muted=false`

    for (const level of ["debug", "info", "log", "warn", "error"]) {
        const original = console[level].bind(console);
        console[level] = (...words) => {
            const text = words.filter((word) => typeof word === "string").join(" ");
            const said = /\bSubscribed: .*?\b(TR_\w+) of (\S+)/.exec(text);
            if (said) {
                owners.set(said[1], said[2]);
                if (owners.size > STREAMS_MAX) owners.delete(owners.keys().next().value);
                wake();
            }
            original(...words);
        };
    }

    // --- what a test asks

    const of = (participant) => streams.filter(({ sid }) =>
        participant === null || owners.get(sid)?.startsWith(participant));

    /** Is it played to the person, too? Element Call's page has one `<audio>` per track. */
    const isPlayed = ({ track }) => [...document.querySelectorAll("audio, video")].some((element) => {
        const tracks = element.srcObject?.getAudioTracks() ?? [];
        return tracks.some(({ id }) => id === track.id) && !element.paused && !element.muted && element.volume > 0;
    });

    async function received({ receiver }) {
        const stats = [...(await receiver.getStats()).values()].find(({ type }) => type === "inbound-rtp");
        return {
            packets: stats?.packetsReceived ?? 0, packets_lost: stats?.packetsLost ?? 0,
            samples: stats?.totalSamplesReceived ?? 0, samples_concealed: stats?.concealedSamples ?? 0,
            samples_silent: stats?.silentConcealedSamples ?? 0,
        };
    }

    const described = async (heard) => ({
        sid: heard.sid, participant: owners.get(heard.sid) ?? null, played: isPlayed(heard), received: await received(heard),
    });

    const base64 = (samples) => new Promise((resolve) => {
        const reader = new FileReader();
        reader.onload = () => resolve(reader.result.split(",")[1]);
        reader.readAsDataURL(new Blob([samples]));
    });

    // One recording of a stream at a time, and when it began; no channels if the stream ends meanwhile.
    async function record(heard, ms) {
        const { channels, from } = await new Promise((resolve) => {
            heard.recorded = resolve;
            heard.ear.port.postMessage({ samples: Math.round(ms * RATE / 1000) });
        });
        return { channels: await Promise.all(channels.map(base64)), from };
    }

    window.ears = {
        /** Records every stream for `ms` from now, all at once: 32-bit floats, little-endian, in base64. */
        async hear(ms) {
            await loaded;
            await context.resume();
            return Promise.all(streams.filter(({ ended }) => !ended).map(async (heard) => ({
                ...await record(heard, ms),
                // Afterwards: a stream is there a little before Element Call has its name and an element for it.
                ...await described(heard), gaps: heard.gaps, gap_count: heard.gapCount,
            })));
        },

        /** What arrives, for the message of a test that waits for something else. */
        async arriving() {
            const told = await Promise.all(streams.map(async (heard) => ({
                ...await described(heard), ended: heard.ended, attached: heard.ear !== undefined, sounding: heard.sounding,
            })));
            return JSON.stringify({ context: context.state, streams: told });
        },

        /** When `participant` was heard: `{now, sounds: [{from, to}]}`, epoch milliseconds. */
        sounds(participant) {
            const now = Date.now();
            const sounds = of(participant).flatMap((heard) => heard.sounds);
            return { now, sounds: sounds.map(({ from, to }) => ({ from, to: Math.max(from, to ?? now) })) };
        },

        /** When the present sound of `participant` (the beginning of an identity, or null) began: epoch milliseconds. */
        async sound(participant) {
            for (;;) {
                const sounding = of(participant).filter((heard) => heard.sounding);
                if (sounding.length) return Math.min(...sounding.map(({ since }) => since));
                await change();
            }
        },

        /** The same for the present silence: after the last of its streams fell silent. */
        async silence(participant) {
            for (;;) {
                const all = of(participant);
                if (all.every((heard) => !heard.sounding)) return Math.max(0, ...all.map(({ since }) => since ?? 0));
                await change();
            }
        },
    };
})();
