//! Who asks for something, how they did, and whether they may.

use phonograph_call::matrixrtc::{EventId, UserId};
use phonograph_matrix::{Attachment, Message, Reaction, ReplyTo};
use tokio::time::Instant;
use tracing::debug;

use super::Room;
use crate::command::{
    Addressing, Command, Decision, Heard, ListCommand, Person, Reply, Verdict, button, decide,
    digit, parse, structured,
};
use crate::jukebox::Upload;

/// Messages that are remembered as obeyed: an edit is handed on for ten seconds only.
const OBEYED_MAX: usize = 64;

/// Somebody who asks for something.
#[derive(Debug, Clone)]
pub(super) struct Asker {
    /// Where the answer goes.
    pub(super) to: ReplyTo,
    /// As far as their rights go.
    pub(super) person: Person,
    /// The file that came with the message.
    pub(super) upload: Option<(String, Upload)>,
    /// The message that it answers, which may bring a file.
    pub(super) answers: Option<EventId>,
}

impl Room {
    /// Somebody wrote.
    pub(super) async fn hear(&mut self, message: &Message) {
        let sender = &message.sender;
        if !self.heeds(sender) {
            return;
        }
        if message.edited && self.obeyed.contains(&message.event) {
            return;
        }
        let prefix = self.prefix();
        let how = Addressing {
            prefix: &prefix,
            me: self.shared.me.as_str(),
            display_name: self.shared.config.homeserver.display_name.as_deref(),
            mentions_us: message.mentions_us,
            direct: message.direct,
            answers_us: message.reply_to.as_ref().is_some_and(|event| self.is_ours(event)),
            attached: message.attachment.is_some() || message.reply_to.is_some(),
            mentioned: &message.mentions,
        };
        let command = message.content_command.as_ref();
        let heard = command.and_then(|command| structured(command, &how));
        let heard = heard.unwrap_or_else(|| parse(&message.body, &how));
        let to = ReplyTo {
            event: message.event.clone(),
            sender: sender.clone(),
            thread: message.thread.clone(),
        };
        if heard == Heard::Nothing || !self.keeps_pace(&to) {
            return;
        }
        match heard {
            Heard::Nothing => {}
            Heard::Command(command) => {
                let person = self.person(sender).await;
                let upload = message.attachment.clone().map(upload);
                let answers = message.reply_to.clone();
                self.decide(command, Asker { to, person, upload, answers }).await;
                self.remember_obeyed(&message.event);
            }
            Heard::Misunderstood(why) => self.say(&Reply::Misunderstood(why), Some(to)),
        }
        self.shared.outbox.read(&self.id, message.event.clone());
        self.describe_commands();
    }

    /// Whether somebody is heard here.
    fn heeds(&self, who: &UserId) -> bool {
        let heard = self.shared.config.hears(who.as_str(), self.id.as_str());
        heard && !self.kept.settings.blocks_person(who)
    }

    /// Somebody reacted: on the panel that is a button, on a list of picks a choice.
    pub(super) async fn see(&mut self, reaction: &Reaction) {
        let sender = &reaction.sender;
        if !self.heeds(sender) {
            return;
        }
        let is_on_panel = self.panel.event() == Some(&reaction.target);
        let picks =
            self.picking.as_ref().filter(|picking| picking.is_for(&reaction.target, sender));
        let command = if is_on_panel {
            button(&reaction.key)
        } else if picks.is_some() {
            digit(&reaction.key).map(Command::Pick)
        } else {
            None
        };
        let Some(command) = command else { return };
        let to = ReplyTo { event: reaction.target.clone(), sender: sender.clone(), thread: None };
        if !self.keeps_pace(&to) {
            return;
        }
        let person = self.person(sender).await;
        self.decide(command, Asker { to, person, upload: None, answers: None }).await;
        if is_on_panel {
            self.take_back(reaction).await;
        }
    }

    /// Takes a button that was pressed out again, where our power level allows it.
    async fn take_back(&mut self, reaction: &Reaction) {
        if self.shared.rooms.may_redact(&self.id, &self.shared.me).await
            && let Err(error) = self.shared.outbox.redact(&self.id, reaction.event.clone(), None)
        {
            debug!(%error, "a reaction stays");
        }
    }

    /// Whether somebody sends no faster than a person means it; told once if not.
    fn keeps_pace(&mut self, to: &ReplyTo) -> bool {
        match self.flood.command(&to.sender, Instant::now().into_std()) {
            Verdict::Heed => true,
            Verdict::Tell => {
                self.say(&Reply::TooFast, Some(to.clone()));
                false
            }
            Verdict::Ignore => false,
        }
    }

    async fn person(&self, sender: &UserId) -> Person {
        let is_joined = self.call.as_ref().is_some_and(super::call::Ongoing::is_joined);
        let people = if is_joined {
            self.people()
        } else {
            // They may be in the call without us.
            self.shared.calls.others(&self.id).await
        };
        let in_call = people.contains(sender);
        let owner = self.queue.current().and_then(|current| current.entry.by.as_ref());
        Person {
            level: self.shared.rooms.power(&self.id, sender).await,
            is_dj: self.kept.settings.djs.contains(sender),
            owns_current: owner == Some(sender),
            alone_with_bot: in_call && people.len() == 1,
            in_call,
        }
    }

    /// Carries a command out, as far as the person may.
    async fn decide(&mut self, command: Command, asker: Asker) {
        let rules = self.kept.settings.rules();
        match decide(&asker.person, &command, &rules) {
            Decision::Yes => {
                if !self.must_wait(&command, &asker) {
                    self.obey(command, asker).await;
                }
            }
            Decision::OwnOnly => self.obey_for_own(command, asker).await,
            Decision::Vote => self.vote(&asker),
            Decision::No(refusal) => self.say(&Reply::Refused(refusal), Some(asker.to)),
        }
    }

    /// Whether the room's cooldown holds somebody up, who is then told.
    fn must_wait(&mut self, command: &Command, asker: &Asker) -> bool {
        let cooldown = self.kept.settings.cooldown;
        let asks_for_music = matches!(
            command,
            Command::Play(Some(_))
                | Command::Album(_)
                | Command::Radio(_)
                | Command::Podcast { .. }
                | Command::Pick(_)
                | Command::List(ListCommand::Load(_))
        );
        if !asks_for_music {
            return false;
        }
        let sender = &asker.to.sender;
        match self.cooldown.request(sender, cooldown, Instant::now().into_std()) {
            Ok(()) => false,
            Err(left) => {
                self.say(&Reply::Cooldown { left }, Some(asker.to.clone()));
                true
            }
        }
    }

    /// Remembers a message, so that an edit of it is not obeyed again.
    fn remember_obeyed(&mut self, event: &EventId) {
        if self.obeyed.len() == OBEYED_MAX {
            self.obeyed.pop_front();
        }
        self.obeyed.push_back(event.clone());
    }

    fn is_ours(&self, event: &EventId) -> bool {
        let picks = self.picking.as_ref().is_some_and(|picking| picking.event() == Some(event));
        picks || self.panel.event() == Some(event)
    }
}

/// The file of a message, and its name.
pub(super) fn upload(attachment: Attachment) -> (String, Upload) {
    let Attachment { content, name, size, .. } = attachment;
    (name, Upload { content: essence(&content), size })
}

/// What is needed to fetch a file: queues keep it, and messages can hold anything beside it.
fn essence(content: &serde_json::Value) -> serde_json::Value {
    let kept = ["url", "file"];
    let kept = kept.iter().filter_map(|key| Some(((*key).to_owned(), content.get(*key)?.clone())));
    serde_json::Value::Object(kept.collect())
}
