//! How often one person is heard. Pure: time comes in as `now`.

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use phonograph_matrixrtc::UserId;

/// Commands of one person within [`FLOOD_WITHIN`]; the rest is left out. Nobody means more of them.
const FLOOD_MAX: usize = 10;
/// See [`FLOOD_MAX`].
const FLOOD_WITHIN: Duration = Duration::from_secs(5);
/// How often the person is told.
const TOLD_EVERY: Duration = Duration::from_secs(30);
/// People who are remembered at once. With more, whoever was heard longest ago is forgotten.
const PEOPLE_MAX: usize = 1000;

/// What is done with a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is carried out.
    Heed,
    /// It is left out, and the person is told that they are too fast.
    Tell,
    /// It is left out.
    Ignore,
}

/// Keeps one person from keeping everybody else waiting.
#[derive(Debug, Default)]
pub(crate) struct Flood {
    people: BTreeMap<UserId, Pace>,
}

#[derive(Debug, Default)]
struct Pace {
    /// When the last few were heeded, at most [`FLOOD_MAX`], the oldest first.
    heeded: VecDeque<Instant>,
    told: Option<Instant>,
}

impl Flood {
    /// Decides about a command of this person.
    pub(crate) fn command(&mut self, who: &UserId, now: Instant) -> Verdict {
        make_room(&mut self.people, who, |pace| pace.heeded.back().copied());
        let pace = self.people.entry(who.clone()).or_default();
        pace.heeded.retain(|at| now.duration_since(*at) < FLOOD_WITHIN);
        if pace.heeded.len() < FLOOD_MAX {
            pace.heeded.push_back(now);
            return Verdict::Heed;
        }
        if pace.told.is_some_and(|told| now.duration_since(told) < TOLD_EVERY) {
            return Verdict::Ignore;
        }
        pace.told = Some(now);
        Verdict::Tell
    }
}

/// Keeps people from asking for one thing after the other, where a room wants that.
#[derive(Debug, Default)]
pub(crate) struct Cooldown {
    asked: BTreeMap<UserId, Instant>,
}

impl Cooldown {
    /// Counts a request, unless the person's last one is less than `cooldown` ago.
    ///
    /// # Errors
    /// How long they have to wait.
    pub(crate) fn request(
        &mut self,
        who: &UserId,
        cooldown: Duration,
        now: Instant,
    ) -> Result<(), Duration> {
        let past = self.asked.get(who).map(|asked| now.duration_since(*asked));
        let left = past.and_then(|past| cooldown.checked_sub(past)).unwrap_or_default();
        if !left.is_zero() {
            return Err(left);
        }
        make_room(&mut self.asked, who, |asked| Some(*asked));
        self.asked.insert(who.clone(), now);
        Ok(())
    }
}

/// Forgets whoever was heard longest ago, if there is no room for one more.
fn make_room<T>(
    people: &mut BTreeMap<UserId, T>,
    who: &UserId,
    heard: impl Fn(&T) -> Option<Instant>,
) {
    if people.len() < PEOPLE_MAX || people.contains_key(who) {
        return;
    }
    let oldest = people.iter().min_by_key(|(_, entry)| heard(entry)).map(|(id, _)| id.clone());
    if let Some(oldest) = oldest {
        people.remove(&oldest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_flood_the_first_are_heeded_and_the_person_is_told_once() {
        let (mut flood, start) = (Flood::default(), Instant::now());
        let at = |ms: u64| start + Duration::from_millis(ms);
        let verdicts: Vec<_> = (0..1000).map(|ms| flood.command(&ann(), at(ms))).collect();
        assert!(verdicts[..FLOOD_MAX].iter().all(|v| *v == Verdict::Heed));
        assert_eq!(verdicts[FLOOD_MAX], Verdict::Tell);
        assert!(verdicts[FLOOD_MAX + 1..].iter().all(|v| *v == Verdict::Ignore));
    }

    #[test]
    fn others_are_heard_during_a_flood() {
        let (mut flood, now) = (Flood::default(), Instant::now());
        for _ in 0..100 {
            flood.command(&ann(), now);
        }
        assert_eq!(flood.command(&UserId::from("@bob:example.org"), now), Verdict::Heed);
    }

    #[test]
    fn who_slows_down_is_heard_again() {
        let (mut flood, start) = (Flood::default(), Instant::now());
        for _ in 0..100 {
            flood.command(&ann(), start);
        }
        assert_eq!(flood.command(&ann(), start + FLOOD_WITHIN), Verdict::Heed);
    }

    #[test]
    fn who_goes_on_is_told_again_after_a_while() {
        let (mut flood, start) = (Flood::default(), Instant::now());
        let ms = |ms| start + Duration::from_millis(ms);
        let told =
            (0..60_000).step_by(10).filter(|at| flood.command(&ann(), ms(*at)) == Verdict::Tell);
        assert_eq!(told.count(), 2);
    }

    #[test]
    fn ten_commands_in_five_seconds_are_nobodys_flood() {
        let (mut flood, start) = (Flood::default(), Instant::now());
        for number in 0..100 {
            let now = start + FLOOD_WITHIN / 10 * number;
            assert_eq!(flood.command(&ann(), now), Verdict::Heed);
        }
    }

    #[test]
    fn only_so_many_people_are_remembered() {
        let (mut flood, mut cooldown, now) =
            (Flood::default(), Cooldown::default(), Instant::now());
        for number in 0..2 * PEOPLE_MAX {
            let who = UserId::from(format!("@{number}:example.org"));
            flood.command(&who, now);
            cooldown.request(&who, Duration::from_secs(1), now).unwrap();
        }
        assert_eq!((flood.people.len(), cooldown.asked.len()), (PEOPLE_MAX, PEOPLE_MAX));
    }

    #[test]
    fn a_cooldown_says_how_long_is_left_and_does_not_begin_anew() {
        let (mut cooldown, start) = (Cooldown::default(), Instant::now());
        let wait = Duration::from_secs(10);
        let at = |s| start + Duration::from_secs(s);
        assert_eq!(cooldown.request(&ann(), wait, at(0)), Ok(()));
        assert_eq!(cooldown.request(&ann(), wait, at(3)), Err(Duration::from_secs(7)));
        assert_eq!(cooldown.request(&ann(), wait, at(10)), Ok(()));
    }

    #[test]
    fn without_a_cooldown_nobody_waits() {
        let (mut cooldown, now) = (Cooldown::default(), Instant::now());
        for _ in 0..3 {
            assert_eq!(cooldown.request(&ann(), Duration::ZERO, now), Ok(()));
        }
    }

    fn ann() -> UserId {
        UserId::from("@ann:example.org")
    }
}
