//! What a room sets for itself: its settings, who controls, who and what is blocked, saved lists.

use phonograph_call::matrixrtc::UserId;
use phonograph_matrix::ReplyTo;

use super::{Room, ask::Asker, finding::Request};
use crate::{
    command::{
        Blocked, DjCommand, ListCommand, ListFull, ListOutcome, Reply, RoomSettings, SetCommand,
        Setting, Title,
    },
    jukebox::queue::ListError,
};

impl Room {
    pub(super) fn set(&mut self, command: SetCommand, asker: &Asker) {
        let to = asker.to.clone();
        let defaults = self.defaults();
        let shown = |settings: &RoomSettings, setting| (setting, settings.show(setting, &defaults));
        match command {
            SetCommand::ShowAll => {
                let all = Setting::all().map(|setting| shown(&self.kept.settings, setting));
                let all = all.collect();
                self.say(&Reply::Settings(all), Some(to));
            }
            SetCommand::Show(setting) => {
                let one = vec![shown(&self.kept.settings, setting)];
                self.say(&Reply::Settings(one), Some(to));
            }
            SetCommand::Change(setting, value) => {
                let set = self.kept.settings.set(setting, &value, asker.person.level);
                if let Err(error) = set {
                    return self.say(&Reply::SettingRefused(error), Some(to));
                }
                if matches!(setting, Setting::Fair | Setting::Autoplay) {
                    self.changed_by(&to.sender);
                }
                self.change_setting(setting, |_| {});
                let (_, value) = shown(&self.kept.settings, setting);
                self.confirm(&Reply::SettingChanged(setting, value), to);
            }
        }
    }

    /// Changes a setting, and whatever follows it.
    pub(super) fn change_setting(
        &mut self,
        setting: Setting,
        change: impl FnOnce(&mut RoomSettings),
    ) {
        change(&mut self.kept.settings);
        self.unsaved.settings = true;
        if setting == Setting::Autoplay {
            self.queue.set_autoplay(self.kept.settings.autoplay.clone());
        }
        self.unsaved.queue |= matches!(setting, Setting::Autoplay | Setting::Fair);
        if setting == Setting::LeaveWhenAlone {
            self.count_time_alone();
        }
        self.apply_settings();
    }

    pub(super) fn dj(&mut self, command: DjCommand, to: ReplyTo) {
        let reply = match command {
            DjCommand::Show => {
                return self
                    .say(&Reply::Djs(self.kept.settings.djs.iter().cloned().collect()), Some(to));
            }
            DjCommand::Add(who) => {
                if let Err(ListFull { max }) = self.kept.settings.add_dj(who.clone()) {
                    return self.say(&Reply::ListFull(max), Some(to));
                }
                Reply::DjAdded(who)
            }
            DjCommand::Remove(who) if self.kept.settings.djs.remove(&who) => Reply::DjRemoved(who),
            DjCommand::Remove(who) => Reply::NoDj(who),
        };
        self.unsaved.settings = true;
        self.say(&reply, Some(to));
    }

    pub(super) fn block(&mut self, who: Option<Blocked>, to: ReplyTo) {
        let Some(who) = who else {
            let all = self.kept.settings.blocked.iter().cloned().collect();
            return self.say(&Reply::BlockedList(all), Some(to));
        };
        if let Err(ListFull { max }) = self.kept.settings.block(who.clone()) {
            return self.say(&Reply::ListFull(max), Some(to));
        }
        // It may be of a host that is blocked now.
        self.forget_prepared();
        self.unsaved.settings = true;
        self.say(&Reply::Blocked(who), Some(to));
    }

    pub(super) fn unblock(&mut self, who: Blocked, to: ReplyTo) {
        let reply = if self.kept.settings.blocked.remove(&who) {
            Reply::Unblocked(who)
        } else {
            Reply::NotBlocked(who)
        };
        self.unsaved.settings = true;
        self.say(&reply, Some(to));
    }

    pub(super) async fn list(&mut self, command: ListCommand, asker: &Asker) {
        let to = asker.to.clone();
        let (name, outcome) = match command {
            ListCommand::Show => {
                let lists = self.lists.iter();
                let lists = lists.map(|list| (list.name.clone(), list.items.len())).collect();
                return self.say(&Reply::Lists(lists), Some(to));
            }
            ListCommand::Load(name) => {
                let Some(list) = self.lists.get(&name) else {
                    let outcome = ListOutcome::Missing;
                    let reply = Reply::List { name: Title::new(&name), outcome };
                    return self.say(&reply, Some(to));
                };
                let (items, name) = (list.items.clone(), list.name.clone());
                return self.add(items, None, Request { of: Some(name), ..Request::of(to) }).await;
            }
            ListCommand::Save(name) => {
                let saved = self.lists.save(&name, self.queue.items());
                let outcome = saved.map(|saved| ListOutcome::Saved {
                    count: saved.items,
                    left_out: saved.left_out,
                });
                (name, outcome)
            }
            ListCommand::Delete(name) => {
                let deleted = self.lists.delete(&name);
                (name, deleted.map(|_| ListOutcome::Deleted))
            }
            ListCommand::Rename { from, to } => {
                let renamed = self.lists.rename(&from, &to);
                if renamed.is_ok() {
                    self.queue.note_renamed(&from, &to);
                    self.kept.settings.autoplay = self.queue.autoplay().clone();
                    self.unsaved.settings = true;
                }
                let outcome = renamed.map(|()| ListOutcome::Renamed(Title::new(&to)));
                (from, outcome)
            }
        };
        self.unsaved.queue = true;
        let outcome = outcome.unwrap_or_else(|error| list_outcome(&error));
        self.say(&Reply::List { name: Title::new(&name), outcome }, Some(to));
    }

    /// Notes who changed the queue last: they may take it back.
    pub(super) fn changed_by(&mut self, who: &UserId) {
        self.changed_by = Some(who.clone());
    }
}

fn list_outcome(error: &ListError) -> ListOutcome {
    match error {
        ListError::NoName => ListOutcome::NoName,
        ListError::NameTooLong { max } => ListOutcome::NameTooLong(*max),
        ListError::NoSuchList { .. } => ListOutcome::Missing,
        ListError::Taken { .. } => ListOutcome::Taken,
        ListError::Empty => ListOutcome::Nothing,
        ListError::TooMany { max } => ListOutcome::TooMany(*max),
    }
}
