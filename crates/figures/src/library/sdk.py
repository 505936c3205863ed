"""Publishes encrypted stereo tracks with LiveKit's own SDK: library/publisher.rs says how it is told."""

import asyncio
import json
import sys

import numpy as np
from livekit import rtc
from livekit.rtc._proto import e2ee_pb2, room_pb2

RATE_HZ = 48_000


def chord(block):
    """Two seconds of three tones a side, as in sound.rs, in blocks of so many samples."""
    n = np.arange(2 * RATE_HZ)
    sines = lambda tones: sum(0.1 * np.sin(2 * np.pi * tone * n / RATE_HZ) for tone in tones)
    sides = [sines([220, 554, 1318]), sines([277, 659, 1760])]
    pcm = (np.stack(sides, axis=1) * 32767).astype(np.int16)
    return [pcm[at : at + block].tobytes() for at in range(0, len(pcm), block)]


async def publish(url, token):
    keys = rtc.KeyProviderOptions(
        shared_key=b"sixteen bytes or",
        key_derivation_function=e2ee_pb2.KeyDerivationFunction.HKDF,
    )
    encryption = rtc.E2EEOptions(key_provider_options=keys)
    room = rtc.Room()
    await room.connect(url, token, rtc.RoomOptions(auto_subscribe=False, encryption=encryption))
    source = rtc.AudioSource(RATE_HZ, 2)
    track = rtc.LocalAudioTrack.create_audio_track("music", source)
    options = rtc.TrackPublishOptions(
        source=rtc.TrackSource.SOURCE_MICROPHONE,
        audio_encoding=room_pb2.AudioEncoding(max_bitrate=128_000),
        dtx=False,
        red=False,
    )
    publication = await room.local_participant.publish_track(track, options)
    if publication.encryption_type != e2ee_pb2.EncryptionType.GCM:
        raise RuntimeError("the track is not encrypted")
    return room, source


async def play(source, blocks, samples):
    number = 0
    while True:
        # Waits while a second of sound is queued.
        block = rtc.AudioFrame(blocks[number % len(blocks)], RATE_HZ, 2, samples)
        await source.capture_frame(block)
        number += 1


async def main():
    told = asyncio.get_running_loop()
    read = lambda: told.run_in_executor(None, sys.stdin.readline)
    order = json.loads(await read())
    samples = RATE_HZ * order["block_ms"] // 1000
    blocks, rooms, playing = chord(samples), [], []
    while line := await read():
        while len(rooms) < int(line):
            room, source = await publish(order["url"], order["tokens"][len(rooms)])
            rooms.append(room)
            playing.append(asyncio.create_task(play(source, blocks, samples)))
        print(len(rooms), flush=True)
    for task in playing:
        task.cancel()
    for room in rooms:
        await room.disconnect()


asyncio.run(main())
