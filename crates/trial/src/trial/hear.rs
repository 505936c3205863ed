//! The trial itself: a room, the bot, somebody who asks for music, and Element Call that plays it.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};
use phonograph_trial::{
    bot::{Bot, Settings},
    browser::{Account, Browser},
    homeserver::NewRoom,
    person::{Call, Microphone, Person},
    stack::Options,
    stage::{Stage, WITHIN},
};

use super::{
    program,
    verdict::{self, Verdict, Versions},
};

/// How long is listened to, to measure it.
const LISTEN: Duration = Duration::from_secs(2);
/// How long the browser's jitter buffer may take to settle.
const SETTLED_WITHIN: Duration = Duration::from_secs(20);
/// What is asked for while it is measured.
const TONES: &str = "!play tones.flac";

/// Servers, and the bot in a room with somebody. Fields end in this order.
pub(super) struct Trial {
    pub(super) call: Call,
    pub(super) person: Person,
    pub(super) room: String,
    /// Whoever follows the link.
    pub(super) guest: Account,
    pub(super) bot: Bot,
    _browser: Browser,
    pub(super) stage: Stage,
}

impl Trial {
    /// Brings everything up, and lets the person ask for music and then join the call. A guest is
    /// invited as well.
    pub(super) async fn run(encrypted: bool) -> Result<(Self, Verdict)> {
        let (stage, program) = tokio::join!(Stage::set(Options::default()), program::build());
        let (stage, program) = (stage?, program?);
        let homeserver = stage.stack.homeserver();
        let settings = Settings::new(&program, &program::library());
        let browser = stage.browser(Microphone::default()).await?;
        let (bot, person) = tokio::try_join!(
            Bot::start(homeserver, &settings),
            stage.person("listener", &browser)
        )?;
        let guest = stage.account("you").await?;
        let guest_id = format!("@{}:{}", guest.user, homeserver.server_name());
        let invite = [bot.user_id(), &guest_id];
        let room =
            NewRoom { name: "Listening room", encrypted, invite: &invite, ..NewRoom::default() };
        let room = person.create_room(&room).await?;
        person.wait_for_member(&room, bot.user_id(), WITHIN).await?;

        ask(&person, &room, TONES).await?;
        let call = person.join_call(&room).await?;
        call.wait_joined(WITHIN).await?;
        let joined_ms = now_ms();
        let trial = Self { call, person, room, guest, bot, _browser: browser, stage };
        let verdict = trial.judge(encrypted, joined_ms).await?;
        Ok((trial, verdict))
    }

    async fn judge(&self, encrypted: bool, joined_ms: u64) -> Result<Verdict> {
        let bot = Some(self.bot.user_id());
        let began_ms = self.call.wait_sound(bot, WITHIN).await?;
        let (hertz, rms, is_music) = self.listen().await?;

        self.ask("!stop").await?;
        self.call.wait_silence(bot, WITHIN).await?;
        let asked_ms = now_ms();
        self.person.say(&self.room, TONES).await?;
        let sound_ms = self.call.wait_sound(bot, WITHIN).await?;

        Ok(Verdict {
            heard: is_music,
            encrypted,
            hertz,
            rms,
            command_to_sound_ms: sound_ms.saturating_sub(asked_ms),
            join_to_sound_ms: began_ms.saturating_sub(joined_ms),
            versions: Versions::new(),
        })
    }

    /// Listens until the music is heard as it is. For the first seconds the browser stretches what it
    /// plays to fill its jitter buffer, and a tone comes out some hertz beside itself.
    async fn listen(&self) -> Result<([f64; 2], [f64; 2], bool)> {
        let began = Instant::now();
        loop {
            let heard = self.call.hears(LISTEN).await?;
            let stream = heard.of(self.bot.user_id()).context("nothing of the bot is heard")?;
            let is_music = verdict::is_music(stream);
            if is_music || began.elapsed() > SETTLED_WITHIN {
                return Ok((stream.hertz(), stream.rms(), is_music));
            }
        }
    }

    /// Says something to the bot and waits for its answer.
    pub(super) async fn ask(&self, text: &str) -> Result<()> {
        ask(&self.person, &self.room, text).await
    }
}

async fn ask(person: &Person, room: &str, text: &str) -> Result<()> {
    let said = person.say(room, text).await?;
    let answer = person.wait_for_answer(room, &said, WITHIN).await;
    let answer = answer.with_context(|| format!("the bot's answer to {text:?}"))?;
    ensure!(!answer.body.contains("(ref "), "{text:?} was answered: {}", answer.body);
    Ok(())
}

fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}
