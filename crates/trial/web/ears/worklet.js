// Listens to one stream in WebAudio's own thread: when sound begins and ends, and the samples when they are asked for.

const BLOCK = 480;              // 10 ms at 48 kHz: how finely beginnings and ends are told apart
const SOUND_RMS = 0.01;         // -40 dBFS; a decoder's noise and a quiet microphone are below
const SILENCE_BLOCKS = 10;      // 100 ms below it is silence, less is a gap
const GAP_BLOCKS = 2;           // one quiet block may be a zero crossing of a low tone
const BLOCK_MS = 10;

class Ear extends AudioWorkletProcessor {
    #filled = 0;
    #energy = [0, 0];
    #quiet = SILENCE_BLOCKS;    // quiet blocks in a row; it starts silent
    #recording = null;
    #ended = false;

    constructor() {
        super();
        this.port.onmessage = ({ data }) => {
            if (data.end) this.#ended = true;
            else this.#recording = { filled: 0, channels: [0, 1].map(() => new Float32Array(data.samples)) };
        };
    }

    process([[left, right = left]]) {
        if (left) {
            this.#record([left, right]);
            for (let i = 0; i < left.length; i++) {
                this.#energy[0] += left[i] * left[i];
                this.#energy[1] += right[i] * right[i];
                if (++this.#filled === BLOCK) this.#judge();
            }
        }
        return !this.#ended;
    }

    #judge() {
        const loud = Math.sqrt(Math.max(...this.#energy) / BLOCK) > SOUND_RMS;
        const start = Date.now() - BLOCK_MS;
        if (loud) {
            const quiet = this.#quiet;
            const quietMs = quiet * BLOCK_MS;
            if (quiet >= SILENCE_BLOCKS) this.port.postMessage({ sound: true, at: start, quiet: quietMs });
            else if (quiet >= GAP_BLOCKS) this.port.postMessage({ gap: quietMs, at: start - quietMs });
            this.#quiet = 0;
        } else if (++this.#quiet === SILENCE_BLOCKS) {
            this.port.postMessage({ sound: false, at: start - (SILENCE_BLOCKS - 1) * BLOCK_MS });
        }
        this.#filled = 0;
        this.#energy = [0, 0];
    }

    #record(input) {
        const wanted = this.#recording;
        if (!wanted) return;
        const { channels } = wanted;
        if (wanted.filled === 0) wanted.from = Date.now();
        const count = Math.min(input[0].length, channels[0].length - wanted.filled);
        for (const [i, samples] of channels.entries()) samples.set(input[i].subarray(0, count), wanted.filled);
        wanted.filled += count;
        if (wanted.filled < channels[0].length) return;
        this.#recording = null;
        this.port.postMessage({ channels, from: wanted.from }, channels.map(({ buffer }) => buffer));
    }
}

registerProcessor("ear", Ear);
