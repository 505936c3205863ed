//! Turns: in which order entries play when each person has a turn before anybody has another.

use std::collections::BTreeMap;

use phonograph_matrixrtc::UserId;

use super::Entry;

/// The people whose turns are remembered; the longest served are forgotten beyond it, and count as
/// newcomers again.
pub(super) const SERVED_MAX: usize = 100;

/// The order in which entries play, as indices into them.
///
/// What was put next goes first, as it stands. Then come rounds: in each, everybody who has entries
/// left has one turn with their first one. Who has not had a turn yet goes before those who had,
/// `served` (the last one last), and otherwise who asked first.
pub(super) fn order(entries: &[Entry], served: &[UserId]) -> Vec<usize> {
    let (ahead, turns): (Vec<_>, Vec<_>) = (0..entries.len()).partition(|&i| entries[i].ahead);
    let mut taken = BTreeMap::<Option<&UserId>, usize>::new();
    let mut first = BTreeMap::<Option<&UserId>, usize>::new();
    let mut ranked: Vec<_> = turns
        .into_iter()
        .map(|i| {
            let by = entries[i].by.as_ref();
            let round = taken.entry(by).or_default();
            *round += 1;
            let served = by.and_then(|by| served.iter().position(|served| served == by));
            // None comes before all others.
            (*round, served, *first.entry(by).or_insert(i), i)
        })
        .collect();
    ranked.sort_unstable();
    ahead.into_iter().chain(ranked.into_iter().map(|(.., i)| i)).collect()
}

/// Notes that a person has a turn now.
pub(super) fn serve(served: &mut Vec<UserId>, by: &UserId) {
    served.retain(|other| other != by);
    served.push(by.clone());
    let surplus = served.len().saturating_sub(SERVED_MAX);
    served.drain(..surplus);
}

/// Gives a person the first turn among those who had one: what they asked for could not be played.
pub(super) fn make_good(served: &mut Vec<UserId>, by: &UserId) {
    served.retain(|other| other != by);
    served.insert(0, by.clone());
}
