//! Members who come and go: each newcomer is heard at once, nobody who stays misses anything, and
//! whoever has left can read nothing more.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use phonograph_call::Undecryptable;
use phonograph_trial::{
    browser::Browser,
    homeserver::NewRoom,
    person::{Call, Guise, Microphone, Person, Stranger},
    stage::WITHIN,
    token_service,
};

use crate::{
    both_ways::hears_bot,
    keychain::Opener,
    participant::{Inside, Participant},
    support::{Journey, TRIES, journey_alone, now_ms, unique},
};

const THEIRS: u32 = 880;
const OURS: u32 = 523;
/// How soon a newcomer is heard, from when its key and its track are both there.
const HEARD_WITHIN: Duration = Duration::from_millis(500);
/// How soon after a leave was seen no frame is sealed any more with a key that the leaver has: a change
/// of keys may be under way, another follows, each takes a second (matrix-js-sdk 43) and some time to send.
const ROTATED_WITHIN_MS: u64 = 3_000;
/// What a listener may miss.
const GAP_MS_MAX: u64 = 200;
/// Frames of 20 ms in a second, as many as are worth a try.
const A_SECOND: usize = 50;

#[test]
fn members_come_and_go_and_each_is_heard() -> Result<()> {
    come_and_go(3, 2)
}

#[test]
#[ignore = "takes some minutes: cargo soak"]
fn members_come_and_go_and_each_is_heard_long() -> Result<()> {
    come_and_go(10, 4)
}

/// First participants of ours come and go, then Element Calls. The SFU puts each newcomer where somebody
/// was before, and the keys change each time.
fn come_and_go(ours: usize, element_calls: usize) -> Result<()> {
    journey_alone(async |journey| {
        let browser = journey.stage.browser(Microphone::Tone { hertz: THEIRS }).await?;
        let scene = Scene::set(journey, &browser).await?;
        let mut leavers = Vec::new();
        for time in 0..ours {
            let hertz = 300 + 100 * u32::try_from(time)?;
            let leaver = scene.undisturbed(async || scene.visit(hertz).await).await;
            leavers.push(leaver.with_context(|| format!("the visit at {hertz} Hz"))?);
        }
        for time in 0..element_calls {
            let visit = scene.undisturbed(async || scene.visit_by_element_call().await).await;
            visit.with_context(|| format!("Element Call, {time}"))?;
        }
        // What is sent to a device in no call waits there for the next.
        scene.comes.gather_keys(&scene.room).await?;
        let last = leavers.last_mut().context("somebody came and left")?;
        last.keys = scene.comes.keychain.of(&scene.stays.user_id);

        let changes = scene.key_indices().len();
        ensure!(changes > ours + element_calls, "the key has changed {changes} times only");
        scene.nothing_was_undecryptable()?;
        scene.is_read_by_no_leaver(&leavers).await
    })
}

/// A call of one Element Call and a participant of ours, a stranger on the SFU, and those who will come.
struct Scene {
    // Before its participant, who waits at its end until no call is left.
    inside: Inside,
    stays: Participant,
    listening: Call,
    comes: Participant,
    carol: Person,
    stranger: Stranger,
    room: String,
    _alice: Person,
}

/// Somebody who was in the call.
struct Leaver {
    /// When it was seen to have left.
    left_ms: u64,
    /// All that it was ever sent.
    keys: Opener,
}

impl Scene {
    async fn set(journey: &Journey, theirs: &Browser) -> Result<Self> {
        let alice = journey.person("alice").await?;
        let carol = journey.stage.person(&unique("carol"), theirs).await?;
        let stays = Participant::new(journey, "bot").await?;
        let comes = Participant::new(journey, "bot").await?;
        let invite = [carol.user_id(), &stays.user_id, &comes.user_id];
        let room = NewRoom { encrypted: true, invite: &invite, ..NewRoom::default() };
        let room = alice.create_room(&room).await?;
        carol.join_room(&room).await?;
        stays.accept(&room).await?;
        comes.accept(&room).await?;
        let listening = alice.join_call(&room).await?;
        listening.wait_joined(WITHIN).await?;
        let alias = token_service::alias(&room);
        let guise = Guise { alias: &alias, identity: "somebody who listens in", hertz: 1_200 };
        let stage = journey.stage;
        let sfu = stage.stack.sfu_address();
        let stranger = Stranger::join(journey.browser(), &stage.web, sfu, guise).await?;
        let inside = stays.enter(&room).await?;
        inside.play(OURS);
        hears_bot(&listening, &stays.user_id, f64::from(OURS)).await?;
        Ok(Self { inside, stays, listening, comes, carol, stranger, room, _alice: alice })
    }

    /// A participant of ours comes, plays a tone, and goes.
    async fn visit(&self, hertz: u32) -> Result<(Leaver, Duration)> {
        let since = Instant::now();
        let visitor = self.comes.enter(&self.room).await?;
        visitor.play(hertz);
        self.inside.hears(&self.comes.user_id, hertz, WITHIN).await?;
        visitor.hears(&self.stays.user_id, OURS, WITHIN).await?;
        let heard = self.heard_after(&self.comes.user_id, since)?;
        visitor.leave().await?;
        self.inside.wait("the visitor's end", WITHIN, |seen| seen.others == 1).await?;
        let keys = self.comes.keychain.of(&self.stays.user_id);
        Ok((Leaver { left_ms: now_ms(), keys }, heard))
    }

    /// An Element Call comes and goes.
    async fn visit_by_element_call(&self) -> Result<((), Duration)> {
        let since = Instant::now();
        let call = self.carol.join_call(&self.room).await?;
        call.wait_joined(WITHIN).await?;
        self.inside.hears(self.carol.user_id(), THEIRS, WITHIN).await?;
        hears_bot(&call, &self.stays.user_id, f64::from(OURS)).await?;
        let heard = self.heard_after(self.carol.user_id(), since)?;
        call.hang_up().await?;
        self.inside.wait("Carol's end", WITHIN, |seen| seen.others == 1).await?;
        Ok(((), heard))
    }

    /// How long after key and track were both there the first frame was heard of whoever came since then.
    fn heard_after(&self, user: &str, since: Instant) -> Result<Duration> {
        let key = self.stays.keychain.first_of(user, since).context("no key came")?;
        let seen = self.inside.seen();
        let new = seen.ears.values().filter(|ear| ear.user == user && ear.published >= since);
        let ear = new.min_by_key(|ear| ear.published).context("no track came")?;
        let heard = ear.first_heard.context("nothing was heard")?;
        Ok(heard.saturating_duration_since(key.max(ear.published)))
    }

    /// The indices of the keys that we had.
    fn key_indices(&self) -> BTreeSet<u8> {
        self.inside.seen().saved.iter().filter_map(|saved| saved.last_key_index).collect()
    }

    /// A visit of somebody who is heard at once, and during which whoever stays misses nothing of us: the
    /// best of some, as a machine that does something else meanwhile makes all of them stumble.
    async fn undisturbed<T>(&self, visit: impl AsyncFn() -> Result<(T, Duration)>) -> Result<T> {
        let mut disturbed = Vec::new();
        loop {
            let since_ms = now_ms();
            let (visited, heard) = visit().await?;
            let sounds = self.listening.sounds(&self.stays.user_id).await?;
            let gap = sounds.longest_gap_ms(since_ms, sounds.now_ms.saturating_sub(200))?;
            if heard <= HEARD_WITHIN && gap <= GAP_MS_MAX {
                return Ok(visited);
            }
            disturbed.push(format!("heard after {heard:?}, and we were missed for {gap} ms"));
            ensure!(disturbed.len() < TRIES, "{disturbed:?}");
        }
    }

    /// We could decrypt all of theirs, but for keys that Element Call sent late.
    fn nothing_was_undecryptable(&self) -> Result<()> {
        let seen = self.inside.seen();
        let of_ours =
            |track| seen.ears.get(track).is_some_and(|ear| ear.user == self.comes.user_id);
        let strange = seen.undecryptable.iter().filter(|(track, why)| match why {
            None => false,
            Some(Undecryptable::MissingKey) => of_ours(track),
            Some(_) => true,
        });
        ensure!(strange.count() == 0, "{:?}", seen.undecryptable);
        Ok(())
    }

    /// What the SFU forwarded of us opens with our own keys, and with a leaver's only while it was in.
    async fn is_read_by_no_leaver(&self, leavers: &[Leaver]) -> Result<()> {
        let frames = self.stranger.frames(&self.stays.user_id).await?;
        let ours = self.stays.keychain.of(&self.stays.user_id);
        let strange = frames.iter().filter(|frame| !ours.opens(&frame.data)).count();
        ensure!(strange == 0, "{strange} of {} frames do not open with our keys", frames.len());
        for Leaver { left_ms, keys } in leavers {
            let (before, after): (Vec<_>, Vec<_>) =
                frames.iter().partition(|frame| frame.at_ms <= *left_ms);
            let read = before.iter().filter(|frame| keys.opens(&frame.data)).count();
            ensure!(read >= A_SECOND, "while in the call, {read} frames could be read");
            let late = after.iter().filter(|frame| frame.at_ms > left_ms + ROTATED_WITHIN_MS);
            let late: Vec<_> = late.collect();
            ensure!(late.len() >= A_SECOND, "{} frames to try the keys on", late.len());
            let read = late.iter().filter(|frame| keys.opens(&frame.data)).count();
            ensure!(read == 0, "{read} of {} frames could be read after leaving", late.len());
        }
        Ok(())
    }
}
