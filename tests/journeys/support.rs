//! What every journey needs: the servers, one browser and one bot that they share, and a room of
//! their own.

use std::{
    path::{Path, PathBuf},
    sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use phonograph_trial::{
    bot::{Bot, Settings},
    browser::Browser,
    homeserver::NewRoom,
    person::{Call, Message, Microphone, Person, Stream},
    stack::Options,
    stage::{Stage, WITHIN},
};
use tokio::{
    runtime::Runtime,
    sync::{OnceCell, Semaphore},
};

/// The tones in the files of `assets/trial`, left and right, in hertz.
pub(crate) const TONES: [f64; 2] = [441.0, 613.0];
/// Their level: an amplitude of a quarter.
pub(crate) const LEVEL: f64 = 0.25 * std::f64::consts::FRAC_1_SQRT_2;
/// Of what is promised within a time, the best of so many tries counts: a machine that does something
/// else meanwhile says nothing about the bot.
pub(crate) const TRIES: usize = 3;
/// How long the browser's jitter buffer may take to settle.
const SETTLED_WITHIN: Duration = Duration::from_secs(20);
/// One decibel, as a factor.
const ONE_DB: f64 = 1.122;

/// Journeys under way at once; more than the cores would make the browser stumble.
const TURNS_MAX: u32 = 2;
static TURNS: Semaphore = Semaphore::const_new(TURNS_MAX as usize);
static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Runtime::new().expect("a runtime for the journeys"));
static SHARED: OnceCell<Shared> = OnceCell::const_new();
static NAMES: AtomicU32 = AtomicU32::new(1);

/// What journeys share. It lives until the process ends, and the guard then ends the servers.
struct Shared {
    stage: Stage,
    bot: OnceCell<Bot>,
}

/// One journey's surroundings. The browser is its own and ends with it: pages that stay open would go
/// on listening, and take the machine away from those who come later.
pub(crate) struct Journey {
    pub(crate) stage: &'static Stage,
    browser: Browser,
    shared: &'static Shared,
}

/// Runs one journey on the runtime that all share.
pub(crate) fn journey(story: impl AsyncFnOnce(&Journey) -> Result<()>) -> Result<()> {
    take_turns(1, story)
}

/// Runs one journey while no other is under way: one that promises something within a time.
pub(crate) fn journey_alone(story: impl AsyncFnOnce(&Journey) -> Result<()>) -> Result<()> {
    take_turns(TURNS_MAX, story)
}

/// Runs a journey that sets a stage of its own, while no other is under way.
pub(crate) fn journey_apart(story: impl AsyncFnOnce() -> Result<()>) -> Result<()> {
    RUNTIME.block_on(async {
        let _turns = TURNS.acquire_many(TURNS_MAX).await?;
        story().await
    })
}

fn take_turns(turns: u32, story: impl AsyncFnOnce(&Journey) -> Result<()>) -> Result<()> {
    RUNTIME.block_on(async {
        let _turns = TURNS.acquire_many(turns).await?;
        let shared = SHARED.get_or_try_init(Shared::set).await?;
        let browser = shared.stage.browser(Microphone::default()).await?;
        story(&Journey { stage: &shared.stage, browser, shared }).await
    })
}

impl Shared {
    async fn set() -> Result<Self> {
        Ok(Self { stage: Stage::set(Options::default()).await?, bot: OnceCell::new() })
    }
}

impl Journey {
    /// The browser, whose microphone is quiet.
    pub(crate) fn browser(&self) -> &Browser {
        &self.browser
    }

    /// The bot that journeys share which do nothing to it.
    pub(crate) async fn bot(&self) -> Result<&'static Bot> {
        let settings = settings();
        let homeserver = self.stage.stack.homeserver();
        self.shared.bot.get_or_try_init(|| Bot::start(homeserver, &settings)).await
    }

    /// Somebody new.
    pub(crate) async fn person(&self, name: &str) -> Result<Person> {
        self.stage.person(&unique(name), &self.browser).await
    }

    /// Somebody new, in a new room with the shared bot.
    pub(crate) async fn scene(&self, encrypted: bool) -> Result<Scene> {
        let (person, bot) = tokio::try_join!(self.person("alice"), self.bot())?;
        Scene::set(person, &[bot.user_id()], encrypted).await
    }

    /// A bot for this journey alone, with somebody new in a new room.
    pub(crate) async fn own_bot(
        &self,
        settings: Settings,
        encrypted: bool,
    ) -> Result<(Bot, Scene)> {
        let homeserver = self.stage.stack.homeserver();
        let (person, bot) =
            tokio::try_join!(self.person("alice"), Bot::start(homeserver, &settings))?;
        let scene = Scene::set(person, &[bot.user_id()], encrypted).await?;
        Ok((bot, scene))
    }
}

impl Journey {
    /// The devices in the call of a room, by its state.
    pub(crate) async fn members(&self, scene: &Scene) -> Result<Vec<String>> {
        let homeserver = self.stage.stack.homeserver();
        let account = scene.person.account();
        let login = homeserver.login(&account.user, &account.password).await?;
        let members = homeserver.call_members(&login, &scene.room).await?;
        let devices = members.iter().filter_map(|content| content["device_id"].as_str());
        let mut devices: Vec<String> = devices.map(str::to_owned).collect();
        devices.sort();
        Ok(devices)
    }
}

/// A person in a room with a bot.
pub(crate) struct Scene {
    pub(crate) person: Person,
    pub(crate) room: String,
    pub(crate) bot: String,
}

impl Scene {
    /// The first of those who are invited is the bot.
    pub(crate) async fn set(person: Person, invite: &[&str], encrypted: bool) -> Result<Self> {
        let bot = *invite.first().context("a bot to be invited")?;
        let room = NewRoom { encrypted, invite, ..NewRoom::default() };
        let room = person.create_room(&room).await?;
        person.wait_for_member(&room, bot, WITHIN).await.context("the bot accepts its invite")?;
        Ok(Self { person, room, bot: bot.to_owned() })
    }

    /// Says something and waits for the bot's answer to it.
    pub(crate) async fn ask(&self, text: &str) -> Result<Message> {
        let said = self.person.say(&self.room, text).await?;
        let answer = self.person.wait_for_answer(&self.room, &said, WITHIN).await;
        answer.with_context(|| format!("an answer to {text:?}"))
    }

    /// Opens Element Call and waits until it is in the call.
    pub(crate) async fn enter(&self) -> Result<Call> {
        let call = self.person.join_call(&self.room).await?;
        call.wait_joined(WITHIN).await?;
        Ok(call)
    }

    /// Waits until the tones of the test files are heard for two seconds as they should be.
    ///
    /// For the first seconds, and again when this machine was busy, the browser stretches what it
    /// plays to fill its jitter buffer, and a tone comes out some hertz beside itself.
    pub(crate) async fn hears_tones(&self, call: &Call) -> Result<()> {
        call.wait_sound(Some(&self.bot), WITHIN).await?;
        let began = Instant::now();
        loop {
            let heard = call.hears(Duration::from_secs(2)).await?;
            let judged = heard.of(&self.bot).context("the bot's sound").and_then(is_tones);
            if judged.is_ok() || began.elapsed() > SETTLED_WITHIN {
                return judged;
            }
        }
    }
}

/// The two tones, each in its own channel, at its own pitch and level.
pub(crate) fn is_tones(stream: &Stream) -> Result<()> {
    ensure!(stream.played, "Element Call does not play it");
    let [hertz, rms] = [stream.hertz(), stream.rms()];
    for (index, tone) in TONES.into_iter().enumerate() {
        ensure!((hertz[index] - tone).abs() < 1.0, "{tone} Hz came as {hertz:?}");
        let factor = rms[index] / LEVEL;
        ensure!((1.0 / ONE_DB..ONE_DB).contains(&factor), "a level of {LEVEL:.3} came as {rms:?}");
        let other = stream.channels[index].rms_at(TONES[1 - index]);
        ensure!(other < LEVEL / 100.0, "the channels are mixed: {other} of the other tone");
    }
    Ok(())
}

/// The settings of a bot whose library are our test files.
pub(crate) fn settings() -> Settings {
    let library = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/trial");
    let mut settings = Settings::new(Path::new(env!("CARGO_BIN_EXE_phonograph")), &library);
    settings.user = unique("jukebox");
    settings
}

/// The time as messages and measurements carry it: milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |now| now.as_millis() as u64)
}

/// A folder of this journey's own.
pub(crate) fn folder() -> Result<tempfile::TempDir> {
    Ok(tempfile::tempdir()?)
}

/// A test file.
pub(crate) fn asset(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/trial").join(name)
}

/// A name that nobody else has.
pub(crate) fn unique(name: &str) -> String {
    format!("{name}-{}", NAMES.fetch_add(1, Ordering::Relaxed))
}

/// A web server of this journey's own, which answers every path by one function.
pub(crate) struct Site {
    pub(crate) url: String,
    task: tokio::task::JoinHandle<()>,
}

impl Site {
    pub(crate) async fn serve(router: axum::Router) -> Result<Self> {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let task = tokio::spawn(async move {
            // It ends with the journey.
            drop(axum::serve(listener, router).await);
        });
        Ok(Self { url, task })
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.task.abort();
    }
}
