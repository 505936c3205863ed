//! The jumps in what plays that are under way, and who asked for them. Pure.

use std::{collections::VecDeque, time::Duration};

use phonograph_matrix::ReplyTo;

use crate::jukebox::JumpId;

/// Jumps under way at once. A further one takes the place of the last, and whoever asked for it is
/// not told.
const JUMPS_MAX: usize = 16;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Jumps(VecDeque<Jump>);

#[derive(Debug)]
struct Jump {
    id: JumpId,
    to: Duration,
    asked: Option<ReplyTo>,
}

/// Where a jump ended.
#[derive(Debug)]
pub(super) struct Landing {
    pub(super) to: Duration,
    /// Who asked for it, or for one that it overtook.
    pub(super) asked: Vec<ReplyTo>,
}

impl Jumps {
    /// One more begins. Their numbers rise.
    pub(super) fn begin(&mut self, id: JumpId, to: Duration, asked: Option<ReplyTo>) {
        let is_full = self.0.len() == JUMPS_MAX;
        match self.0.back_mut() {
            Some(last) if is_full => (last.id, last.to) = (id, to),
            _ => self.0.push_back(Jump { id, to, asked }),
        }
    }

    /// Where what plays will be when all are done.
    pub(super) fn last(&self) -> Option<Duration> {
        self.0.back().map(|jump| jump.to)
    }

    /// This one is done, and with it all before it. `None` if it was given up.
    pub(super) fn end(&mut self, id: JumpId) -> Option<Landing> {
        let done = self.0.partition_point(|jump| jump.id <= id);
        let to = self.0.get(done.checked_sub(1)?)?.to;
        let asked = self.0.drain(..done).filter_map(|jump| jump.asked).collect();
        Some(Landing { to, asked })
    }

    /// What was to be jumped in plays no longer: who asked for a jump.
    pub(super) fn give_up(&mut self) -> Vec<ReplyTo> {
        self.0.drain(..).filter_map(|jump| jump.asked).collect()
    }
}

#[cfg(test)]
mod tests {
    use phonograph_call::matrixrtc::{EventId, UserId};

    use super::*;

    const ONE: Duration = Duration::from_secs(1);
    const TWO: Duration = Duration::from_secs(2);

    #[test]
    fn each_is_told_where_their_own_jump_ended() {
        let mut jumps = Jumps::default();
        jumps.begin(JumpId(1), ONE, Some(asked("$one")));
        jumps.begin(JumpId(2), TWO, Some(asked("$two")));
        assert_eq!(told(jumps.end(JumpId(1))), Some((ONE, vec!["$one".to_owned()])));
        assert_eq!(jumps.last(), Some(TWO), "one is under way");
        assert_eq!(told(jumps.end(JumpId(2))), Some((TWO, vec!["$two".to_owned()])));
        assert_eq!(jumps.last(), None);
    }

    #[test]
    fn whoever_was_overtaken_is_told_where_the_last_one_ended() {
        let mut jumps = Jumps::default();
        jumps.begin(JumpId(1), ONE, Some(asked("$one")));
        jumps.begin(JumpId(2), TWO, Some(asked("$two")));
        let both = vec!["$one".to_owned(), "$two".to_owned()];
        assert_eq!(told(jumps.end(JumpId(2))), Some((TWO, both)));
    }

    #[test]
    fn a_jump_that_was_given_up_ends_nowhere() {
        let mut jumps = Jumps::default();
        jumps.begin(JumpId(1), ONE, Some(asked("$one")));
        assert_eq!(jumps.give_up().len(), 1);
        jumps.begin(JumpId(2), TWO, None);
        assert_eq!(told(jumps.end(JumpId(1))), None);
        assert_eq!(jumps.last(), Some(TWO));
    }

    #[test]
    fn of_too_many_the_last_counts() {
        let mut jumps = Jumps::default();
        for number in 1..=100 {
            jumps.begin(JumpId(number), Duration::from_secs(number), Some(asked("$x")));
        }
        assert_eq!(jumps.last(), Some(Duration::from_secs(100)));
        let (to, asked) = told(jumps.end(JumpId(100))).expect("the end of the last");
        assert_eq!((to, asked.len()), (Duration::from_secs(100), JUMPS_MAX));
    }

    fn asked(event: &str) -> ReplyTo {
        ReplyTo { event: EventId::from(event), sender: UserId::from("@ann:x"), thread: None }
    }

    fn told(landing: Option<Landing>) -> Option<(Duration, Vec<String>)> {
        let Landing { to, asked } = landing?;
        Some((to, asked.iter().map(|asked| asked.event.as_str().to_owned()).collect()))
    }
}
