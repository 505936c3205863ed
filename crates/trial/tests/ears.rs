//! What listens in Element Call's page, held to sound that is known: a page plays tones to itself
//! over a real peer connection, and the ears say what came out of it.

use std::time::Duration;

use anyhow::Result;
use phonograph_trial::browser::{Browser, Options, Page, Web};
use phonograph_trial::install;
use phonograph_trial::person::{Heard, Sounds};
use serde_json::Value;

const WITHIN: Duration = Duration::from_secs(30);

/// Two peer connections in one page. `left` and `right` are the tones' levels, to be turned.
const PLAY: &str = "async (hertz) => {
    const script = document.createElement('script');
    script.src = 'ears/ears.js';
    await new Promise((loaded) => { script.onload = loaded; document.head.append(script); });

    const context = window.tones = new AudioContext({ sampleRate: 48000 });
    const both = new ChannelMergerNode(context, { numberOfInputs: 2 });
    window.levels = hertz.map((frequency, channel) => {
        const tone = new OscillatorNode(context, { frequency });
        const level = new GainNode(context, { gain: 0 });
        tone.connect(level).connect(both, 0, channel);
        tone.start();
        return level.gain;
    });
    const out = new MediaStreamAudioDestinationNode(context, { channelCount: 2 });
    both.connect(out);

    const [sender, receiver] = [new RTCPeerConnection(), new RTCPeerConnection()];
    for (const [from, to] of [[sender, receiver], [receiver, sender]]) {
        from.onicecandidate = ({ candidate }) => candidate && to.addIceCandidate(candidate);
    }
    receiver.ontrack = ({ streams: [stream] }) => {
        const player = document.createElement('audio');
        player.autoplay = true;
        player.srcObject = stream;
        document.body.append(player);
    };
    sender.addTrack(out.stream.getAudioTracks()[0], out.stream);
    const offer = await sender.createOffer();
    await sender.setLocalDescription(offer);
    await receiver.setRemoteDescription(offer);
    const { type, sdp } = await receiver.createAnswer();
    const answer = { type, sdp: sdp.replaceAll('useinbandfec=1', 'useinbandfec=1;stereo=1') };
    await receiver.setLocalDescription(answer);
    await sender.setRemoteDescription(answer);
}";

#[tokio::test(flavor = "multi_thread")]
async fn ears_tell_left_from_right_and_when_sound_begins_and_ends() -> Result<()> {
    let (_web, _browser, page) = open().await?;
    page.call::<Value>(PLAY, ([441.0, 613.0],), WITHIN).await?;
    assert_eq!(when(&page, "silence").await?, 0, "nothing has sounded yet");

    let turned_up = turn(&page, 0.25).await?;
    let began = when(&page, "sound").await?;
    assert!((turned_up..turned_up + 1000).contains(&began), "{turned_up}, heard {began}");

    let heard: Heard = page.evaluate("ears.hear(4000)", WITHIN).await?;
    let [stream] = &heard.streams[..] else { panic!("one stream, not {:?}", heard.streams.len()) };
    assert!(stream.played);
    assert!(stream.received.packets > 0);
    for (channel, [own, other]) in stream.channels.iter().zip([[441.0, 613.0], [613.0, 441.0]]) {
        assert!((channel.hertz() - own).abs() < 1.0, "{own} Hz came out as {}", channel.hertz());
        let (own, other) = (channel.rms_at(own), channel.rms_at(other));
        assert!((own / 0.1768 - 1.0).abs() < 0.1, "{own}");
        assert!(other < own / 100.0, "{other} of the other channel beside {own}");
    }

    let turned_down = turn(&page, 0.0).await?;
    let ended = when(&page, "silence").await?;
    assert!((turned_down..turned_down + 1000).contains(&ended), "{turned_down}, heard {ended}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn ears_tell_how_long_somebody_was_not_heard() -> Result<()> {
    let (_web, _browser, page) = open().await?;
    page.call::<Value>(PLAY, ([441.0, 613.0],), WITHIN).await?;
    turn(&page, 0.25).await?;
    let began = when(&page, "sound").await?;

    // By the clock of the sound itself, so that a slow machine pauses no longer.
    let pauses = "new Promise((done) => {
        const now = tones.currentTime;
        for (const level of levels) {
            for (const [from, to] of [[1, 1.06], [2, 2.3]]) {
                level.setValueAtTime(0, now + from);
                level.setValueAtTime(0.25, now + to);
            }
        }
        setTimeout(done, 4000);
    })";
    page.evaluate::<Value>(pauses, WITHIN).await?;

    let sounds: Sounds = page.evaluate("ears.sounds(null)", WITHIN).await?;
    let gaps = sounds.gaps(began, sounds.now_ms)?;
    let lengths = gaps.iter().map(|gap| gap.length_ms).collect::<Vec<_>>();
    // Opus and the jitter buffer blur their edges.
    assert!(lengths.iter().any(|length| (30..=90).contains(length)), "{gaps:?}");
    assert!((260..=340).contains(&sounds.longest_gap_ms(began, sounds.now_ms)?), "{gaps:?}");
    Ok(())
}

async fn open() -> Result<(Web, Browser, Page)> {
    let (chromium, modules) = tokio::try_join!(install::chromium(), install::web())?;
    let web = Web::start(&modules).await?;
    let browser = Browser::launch(&Options::new(chromium)).await?;
    let page = browser.open().await?;
    // Any page of this origin that plays nothing itself.
    page.go(&format!("{}/host.css", web.url())).await?;
    Ok((web, browser, page))
}

/// Turns both tones to this amplitude and tells when, by the page's clock.
async fn turn(page: &Page, amplitude: f64) -> Result<u64> {
    let turn = "(amplitude) => {
        for (const level of levels) level.value = amplitude;
        return Date.now();
    }";
    page.call(turn, (amplitude,), WITHIN).await
}

async fn when(page: &Page, what: &str) -> Result<u64> {
    page.evaluate(&format!("ears.{what}(null)"), WITHIN).await
}
