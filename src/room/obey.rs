//! Carries commands out. Rights have been looked at before.

use std::time::Duration;

use phonograph_matrix::ReplyTo;

use super::{Room, ask::Asker};
use crate::{
    command::{
        Autoplay, Change, Command, Edit, Help, HistoryPage, Line, LoopMode, Now, Panel as Shown,
        QueuePage, Reply, Seek, Setting, State as ShownState, Title, VOLUME_MAX, Wanted, Which,
    },
    jukebox::{
        Want,
        queue::{MoveError, Place, Resumed, Selection, State, Undone, Vote, Why},
    },
};

impl Room {
    pub(super) async fn obey(&mut self, command: Command, asker: Asker) {
        let to = asker.to.clone();
        match command {
            Command::Play(Some(wanted)) | Command::Radio(wanted) => {
                self.want(wanted, Place::End, &asker);
            }
            Command::Play(None) | Command::Resume => self.resume(to).await,
            Command::PlayNext(wanted) => self.want(wanted, Place::Next, &asker),
            Command::PlayNow(wanted) => self.want(wanted, Place::Now, &asker),
            Command::Search(words) => self.look(Want::Search(words), Place::End, &asker),
            Command::Pick(number) => self.pick(number, &asker).await,
            Command::Album(name) => self.look(Want::Album(name), Place::End, &asker),
            Command::Podcast { feed, episode } => {
                self.look(Want::Podcast { feed, episode }, Place::End, &asker);
            }
            Command::Pause => self.pause(to),
            Command::Toggle if self.plays() => self.pause(to),
            Command::Toggle => self.resume(to).await,
            Command::Stop => self.stop(to),
            Command::Skip | Command::ForceSkip => self.skip(Some(to)),
            Command::Previous => self.previous(to).await,
            Command::Restart => self.restart(to),
            Command::Seek(seek) => self.jump(seek, to),
            Command::Volume(change) => self.volume(change, to),
            Command::Loop(mode) => self.set_loop(mode, to),
            Command::NowPlaying => self.now_playing(to),
            Command::Queue { page } => self.show_queue(page, to),
            Command::History { page } => self.show_history(page, to),
            Command::Remove(which) => self.remove(which, to),
            Command::Move { from, to: place } => self.shift(from, place, to),
            Command::Shuffle => self.shuffle(to),
            Command::Clear => self.clear(to),
            Command::Undo => self.undo(to),
            Command::Fair(fair) => self.set_fair(fair, to),
            Command::Autoplay(autoplay) => self.set_autoplay(autoplay, to),
            Command::List(command) => self.list(command, &asker).await,
            Command::Clip(name) => self.clip(name, to).await,
            Command::Say(text) => self.speak(text, to).await,
            Command::Set(command) => self.set(command, &asker),
            Command::Dj(command) => self.dj(command, to),
            Command::Block(who) => self.block(who, to),
            Command::Unblock(who) => self.unblock(who, to),
            Command::Panel => self.post_panel(),
            Command::Join => self.join_on_demand(to).await,
            Command::Leave => self.leave(to).await,
            Command::Ping => self.say(&Reply::Pong, Some(to)),
            Command::Help(word) => self.help(word, &asker),
        }
    }

    /// The part of a command that concerns what is the asker's own.
    pub(super) async fn obey_for_own(&mut self, command: Command, asker: Asker) {
        let sender = &asker.to.sender;
        match command {
            Command::Remove(Which::Mine) => self.obey(command, asker).await,
            Command::Remove(which) => {
                let selection = selection(which, &asker.to);
                let is_theirs = self.queue.select(&selection).is_ok_and(|entries| {
                    !entries.is_empty()
                        && entries.iter().all(|entry| entry.by.as_ref() == Some(sender))
                });
                if is_theirs {
                    self.take_out(&selection, asker.to);
                } else {
                    self.say(&Reply::NotYours, Some(asker.to));
                }
            }
            Command::Undo if self.changed_by.as_ref() == Some(sender) => self.undo(asker.to),
            _ => self.say(&Reply::NotYours, Some(asker.to)),
        }
    }

    /// Looks for what somebody wants to hear.
    fn want(&mut self, wanted: Wanted, place: Place, asker: &Asker) {
        let want = match wanted {
            Wanted::Name(name) => Want::Name(name),
            Wanted::Link(url) => Want::Link(url),
            Wanted::Upload => match (asker.upload.clone(), asker.answers.clone()) {
                (Some((name, upload)), _) => Want::Upload(name, upload),
                (None, Some(event)) => Want::Answered(event),
                (None, None) => return self.say(&Reply::NoUpload, Some(asker.to.clone())),
            },
        };
        self.look(want, place, asker);
    }

    /// The title of what plays or is paused.
    fn current_title(&self) -> Option<Title> {
        self.queue.current().map(|current| current.entry.item.title.clone())
    }

    async fn resume(&mut self, to: ReplyTo) {
        let resumed = self.queue.resume(&self.lists);
        let Some(title) = self.current_title() else {
            return self.say(&Reply::NothingPlays, Some(to));
        };
        match resumed {
            Resumed::Nothing => return self.say(&Reply::NothingPlays, Some(to)),
            Resumed::Plays if self.stage.is_busy() => {
                return self.say(&Reply::NotPaused, Some(to));
            }
            Resumed::GoesOn if self.stage.on.is_some() => self.player.resume(),
            Resumed::Plays | Resumed::GoesOn | Resumed::Begins => self.begin_current(),
        }
        self.unsaved.queue = true;
        self.panel.touch();
        self.join_if_out().await;
        self.confirm(&Reply::Resumed(title), to);
    }

    fn pause(&mut self, to: ReplyTo) {
        let Some(title) = self.current_title() else {
            return self.say(&Reply::NothingPlays, Some(to));
        };
        if !self.queue.pause() {
            return self.say(&Reply::AlreadyPaused, Some(to));
        }
        self.player.pause();
        self.unsaved.queue = true;
        self.panel.touch();
        self.confirm(&Reply::Paused(title), to);
    }

    fn stop(&mut self, to: ReplyTo) {
        let was_looking = self.stop_looking(Some(&to.sender));
        let was_playing = self.queue.current().is_some();
        self.stop_playing();
        self.forget_waiting();
        let reply = if was_playing || was_looking { Reply::Stopped } else { Reply::NothingPlays };
        self.say(&reply, Some(to));
    }

    /// Goes on to the next.
    pub(super) fn skip(&mut self, to: Option<ReplyTo>) {
        let Some(title) = self.current_title() else {
            return self.say(&Reply::NothingPlays, to);
        };
        self.queue.advance(Why::Skipped, &self.lists);
        self.unsaved.queue = true;
        if let Some(to) = &to {
            self.changed_by(&to.sender);
        }
        self.begin_current();
        let next = self.current_title();
        let reply = Reply::Skipped { title, next };
        match to {
            Some(to) => self.confirm(&reply, to),
            None => self.say(&reply, None),
        }
    }

    /// Counts a vote to skip.
    pub(super) fn vote(&mut self, asker: &Asker) {
        let Some(entry) = self.queue.current().map(|current| current.entry.id) else {
            return self.say(&Reply::NothingPlays, Some(asker.to.clone()));
        };
        let people = self.people();
        let who = &asker.to.sender;
        match self.votes.vote(entry, who, &people, self.kept.share()) {
            Vote::Skipped => self.skip(Some(asker.to.clone())),
            Vote::Counted { have, need } => {
                self.say(&Reply::Voted { have, need }, Some(asker.to.clone()));
            }
            Vote::AlreadyVoted { have, need } => {
                self.say(&Reply::AlreadyVoted { have, need }, Some(asker.to.clone()));
            }
            Vote::NotInCall => {
                let refusal = crate::command::Refusal::NotInCall;
                self.say(&Reply::Refused(refusal), Some(asker.to.clone()));
            }
        }
    }

    /// Whoever leaves the call may have been the one who kept the others from skipping.
    pub(super) fn count_votes_anew(&mut self) {
        if !self.votes.is_open() {
            return;
        }
        let Some(entry) = self.queue.current().map(|current| current.entry.id) else { return };
        let people = self.people();
        if !people.is_empty()
            && self.votes.recount(entry, &people, self.kept.share()) == Vote::Skipped
        {
            self.changed_by = None;
            self.skip(None);
        }
    }

    async fn previous(&mut self, to: ReplyTo) {
        if self.queue.previous().is_err() {
            return self.say(&Reply::NoPrevious, Some(to));
        }
        self.unsaved.queue = true;
        self.begin_current();
        self.join_if_out().await;
        if let Some(title) = self.current_title() {
            self.confirm(&Reply::Playing(title), to);
        }
    }

    fn restart(&mut self, to: ReplyTo) {
        if self.queue.restart().is_none() {
            return self.say(&Reply::NothingPlays, Some(to));
        }
        self.unsaved.queue = true;
        // What is on the desk may be a station, which has no beginning: it is opened anew.
        self.begin_current();
        if let Some(title) = self.current_title() {
            self.confirm(&Reply::Restarted(title), to);
        }
    }

    fn jump(&mut self, seek: Seek, to: ReplyTo) {
        let Some(current) = self.queue.current() else {
            return self.say(&Reply::NothingPlays, Some(to));
        };
        let place = match seek {
            Seek::To(place) => place,
            Seek::By { ms } => {
                let by = Duration::from_millis(ms.unsigned_abs());
                let from = self.place().unwrap_or_default();
                if ms < 0 { from.saturating_sub(by) } else { from.saturating_add(by) }
            }
        };
        match current.entry.item.duration {
            Some(duration) if place >= duration => {
                self.say(&Reply::BeyondEnd { duration }, Some(to));
            }
            _ if self.stage.on.is_none() => self.say(&Reply::NothingPlays, Some(to)),
            // The desk goes there once it plays again.
            _ if current.state == State::Paused => {
                let entry = current.entry.id;
                let ms = u64::try_from(place.as_millis()).unwrap_or(u64::MAX);
                self.queue.note_position(entry, ms);
                self.unsaved.queue = true;
                self.save_position();
                self.seek(place, None);
                self.confirm(&Reply::Sought(place), to);
            }
            _ => self.seek(place, Some(to)),
        }
    }

    fn volume(&mut self, change: Option<Change>, to: ReplyTo) {
        if let Some(change) = change {
            let volume = change.apply(self.kept.settings.volume, VOLUME_MAX);
            self.kept.settings.volume = volume;
            self.unsaved.settings = true;
            self.apply_settings();
        }
        let reply = Reply::Volume(self.kept.settings.volume);
        match change {
            Some(_) => self.confirm(&reply, to),
            None => self.say(&reply, Some(to)),
        }
    }

    fn set_loop(&mut self, mode: Option<LoopMode>, to: ReplyTo) {
        let mode = mode.unwrap_or_else(|| self.queue.repeat().next());
        self.queue.set_repeat(mode);
        self.changed(&to);
        self.confirm(&Reply::Loop(mode), to);
    }

    /// Notes that somebody changed the queue.
    pub(super) fn changed(&mut self, to: &ReplyTo) {
        self.changed_by(&to.sender);
        self.unsaved.queue = true;
        self.panel.touch();
    }

    fn now_playing(&self, to: ReplyTo) {
        let reply = match self.queue.current() {
            Some(_) => Reply::NowPlaying(self.shown()),
            None => Reply::NothingPlays,
        };
        self.say(&reply, Some(to));
    }

    /// What the panel shows.
    pub(super) fn shown(&self) -> Shown {
        let current = self.queue.current();
        let state = match current {
            None => ShownState::Idle,
            Some(current) if current.state == State::Paused => ShownState::Paused,
            Some(_) if self.stage.on.is_none() => ShownState::Loading,
            Some(_) => ShownState::Playing,
        };
        let now = current.map(|current| Now {
            title: current.entry.item.title.clone(),
            by: current.entry.by.clone(),
            position: Duration::from_millis(current.position_ms),
            duration: current.entry.item.duration,
        });
        let next = self.queue.upcoming().take(3).map(|entry| entry.item.title.clone()).collect();
        Shown {
            now,
            state,
            volume: self.kept.settings.volume,
            loop_mode: self.queue.repeat(),
            next,
            queued: self.queue.len(),
        }
    }

    fn show_queue(&self, page: usize, to: ReplyTo) {
        let shown = self.queue.page(page);
        let lines = shown.rows.iter().map(|row| Line {
            position: row.position,
            title: row.entry.item.title.clone(),
            duration: row.entry.item.duration,
            by: row.entry.by.clone(),
            starts_in: row.starts_in,
        });
        let total = self.queue.total();
        let page = QueuePage {
            now: self.current_title(),
            lines: lines.collect(),
            page: shown.number,
            pages: shown.pages,
            count: self.queue.len(),
            total: total.length,
            has_unknown: total.unknown > 0,
        };
        self.say(&Reply::Queue(page), Some(to));
    }

    fn show_history(&self, page: usize, to: ReplyTo) {
        let len = crate::command::PAGE_LEN;
        let pages = self.queue.history().len().div_ceil(len).max(1);
        let page = page.clamp(1, pages);
        let played = (1..).zip(self.queue.history()).skip((page - 1) * len).take(len);
        let lines = played.map(|(position, entry)| Line {
            position,
            title: entry.item.title.clone(),
            duration: entry.item.duration,
            by: entry.by.clone(),
            starts_in: None,
        });
        let page = HistoryPage { lines: lines.collect(), page, pages };
        self.say(&Reply::History(page), Some(to));
    }

    fn remove(&mut self, which: Which, to: ReplyTo) {
        let selection = selection(which, &to);
        self.take_out(&selection, to);
    }

    fn take_out(&mut self, selection: &Selection, to: ReplyTo) {
        let removed = match self.queue.remove(selection) {
            Ok(removed) => removed,
            Err(none) => {
                return self.say(&Reply::NoSuchPlace { last: none.waiting }, Some(to));
            }
        };
        let Some(first) = removed.first() else {
            let whom = match selection {
                Selection::By(person) => Title::new(person.as_str()),
                Selection::At(_) | Selection::Range(..) | Selection::All => Title::new(""),
            };
            return self.say(&Reply::NothingOf(whom), Some(to));
        };
        let reply = Reply::Removed { title: first.item.title.clone(), count: removed.len() };
        self.changed(&to);
        self.confirm(&reply, to);
    }

    fn shift(&mut self, from: usize, place: usize, to: ReplyTo) {
        match self.queue.shift(from, place) {
            Ok(id) => {
                let position = self.queue.position(id).unwrap_or(place);
                let entry = self.queue.at(position);
                let title = entry.map_or_else(|| Title::new(""), |entry| entry.item.title.clone());
                self.changed(&to);
                self.confirm(&Reply::Moved { title, position }, to);
            }
            Err(MoveError::NoSuchEntry(none)) => {
                self.say(&Reply::NoSuchPlace { last: none.waiting }, Some(to));
            }
            Err(MoveError::Turns) => self.say(&Reply::MoveAgainstTurns, Some(to)),
        }
    }

    fn shuffle(&mut self, to: ReplyTo) {
        let count = self.queue.shuffle();
        if count == 0 {
            return self.say(&Reply::QueueEmpty, Some(to));
        }
        self.changed(&to);
        self.confirm(&Reply::Shuffled(count), to);
    }

    fn clear(&mut self, to: ReplyTo) {
        let removed = self.queue.remove(&Selection::All).map_or(0, |removed| removed.len());
        if removed == 0 {
            return self.say(&Reply::QueueEmpty, Some(to));
        }
        self.changed(&to);
        self.confirm(&Reply::Cleared(removed), to);
    }

    fn undo(&mut self, to: ReplyTo) {
        let Some(undone) = self.queue.undo() else {
            return self.say(&Reply::NothingToUndo, Some(to));
        };
        let edit = match undone {
            Undone::Added { taken_out, .. } => Edit::Added(taken_out),
            Undone::Removed { back } => Edit::Removed(back),
            Undone::Reordered => Edit::Reordered,
            Undone::Skipped { back } => {
                let next = self.queue.at(1).filter(|next| Some(next.id) == back);
                Edit::Skipped(next.map(|next| next.item.title.clone()))
            }
            Undone::Repeat(repeat) => Edit::Loop(repeat),
            Undone::Autoplay(autoplay) => {
                self.kept.settings.autoplay = autoplay;
                self.unsaved.settings = true;
                Edit::Autoplay(self.kept.settings.autoplay.clone())
            }
            Undone::Fair(fair) => {
                self.kept.settings.fair = fair;
                self.unsaved.settings = true;
                Edit::Fair(fair)
            }
        };
        self.changed_by = None;
        self.unsaved.queue = true;
        self.panel.touch();
        self.confirm(&Reply::Undone(edit), to);
    }

    fn help(&self, word: Option<String>, asker: &Asker) {
        let help = match word {
            None => Ok(Help::for_person(&asker.person, &self.kept.settings.rules())),
            Some(word) => Help::for_word(&word),
        };
        let reply = help.map_or_else(Reply::Misunderstood, Reply::Help);
        self.say(&reply, Some(asker.to.clone()));
    }

    /// Whether playing goes on by itself when the queue is empty.
    fn set_autoplay(&mut self, autoplay: Option<Autoplay>, to: ReplyTo) {
        let Some(autoplay) = autoplay else {
            return self.say(&Reply::Autoplay(self.kept.settings.autoplay.clone()), Some(to));
        };
        self.change_setting(Setting::Autoplay, |settings| settings.autoplay = autoplay.clone());
        self.changed(&to);
        self.confirm(&Reply::Autoplay(autoplay), to);
    }

    fn set_fair(&mut self, fair: Option<bool>, to: ReplyTo) {
        let Some(fair) = fair else {
            return self.say(&Reply::Fair(self.kept.settings.fair), Some(to));
        };
        self.change_setting(Setting::Fair, |settings| settings.fair = fair);
        self.changed(&to);
        self.confirm(&Reply::Fair(fair), to);
    }
}

/// What somebody means to take out.
fn selection(which: Which, to: &ReplyTo) -> Selection {
    match which {
        Which::One(place) => Selection::At(place),
        Which::Range(first, last) => Selection::Range(first, last),
        Which::Person(person) => Selection::By(person),
        Which::Mine => Selection::By(to.sender.clone()),
    }
}
