//! Several rooms at once.

use anyhow::Result;

use super::{
    hall::{self, ALPHA_HZ, BRAVO_HZ, CHARLIE_HZ},
    tones::hears_tone,
};
use crate::support::journey_alone;

#[test]
fn three_rooms_at_once_hear_each_its_own() -> Result<()> {
    journey_alone(async |shared| {
        let (a, b, c) = tokio::try_join!(
            hall::scene(shared, true),
            hall::scene(shared, true),
            hall::scene(shared, false)
        )?;
        let (in_a, in_b, in_c) = tokio::try_join!(a.enter(), b.enter(), c.enter())?;
        tokio::try_join!(
            a.expect("!play tone alpha", "Now playing"),
            b.expect("!play tone bravo", "Now playing"),
            c.expect("!play tone charlie", "Now playing")
        )?;

        hears_tone(&a, &in_a, ALPHA_HZ).await?;
        hears_tone(&b, &in_b, BRAVO_HZ).await?;
        hears_tone(&c, &in_c, CHARLIE_HZ).await?;
        // What one does, the others do not hear.
        b.expect("!playnow tone alpha", "Now playing").await?;
        hears_tone(&b, &in_b, ALPHA_HZ).await?;
        c.expect("!volume 50", "50 %").await?;
        hears_tone(&a, &in_a, ALPHA_HZ).await
    })
}
