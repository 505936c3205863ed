//! Keys and secrets that live as long as a trial.

/// 32 random bytes as text: long enough for livekit-server, which wants 32 characters.
///
/// # Panics
///
/// Where the system has no random numbers, which no part of a trial could do without.
pub(crate) fn make() -> String {
    let mut bytes = [0_u8; 32];
    aws_lc_rs::rand::fill(&mut bytes).expect("the system has random numbers");
    hex::encode(bytes)
}
