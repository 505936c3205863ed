//! What people do in a chat beside talking, in an encrypted room.

use anyhow::Result;
use phonograph_trial::{
    person::Microphone,
    stack::Options,
    stage::{Stage, WITHIN},
};

use crate::room_of;

#[tokio::test(flavor = "multi_thread")]
async fn what_one_sends_the_other_answers_reacts_to_and_sees_change() -> Result<()> {
    let stage = Stage::set(Options::default()).await?;
    let browser = stage.browser(Microphone::Quiet).await?;
    let alice = stage.person("alice", &browser).await?;
    let bob = stage.person("bob", &browser).await?;
    let room = room_of(&alice, &bob).await?;
    let sound = tempfile::Builder::new().prefix("sound").suffix(".ogg").tempfile()?;
    std::fs::write(sound.path(), b"OggS and no more")?;

    let file = alice.send_file(&room, sound.path(), Some("listen")).await?;
    let seen = bob.wait_until_shown(&room, |message| message.event_id == file, WITHIN).await?;
    assert_eq!((seen.msgtype.as_str(), seen.body.as_str()), ("m.audio", "listen"));
    assert!(seen.encrypted);

    let answer = bob.reply(&room, &file, "what is it").await?;
    let seen = alice.wait_for_answer(&room, &file, WITHIN).await?;
    assert_eq!((&seen.event_id, seen.mentions), (&answer, vec![alice.user_id().to_owned()]));

    let reaction = alice.react(&room, &answer, "⏭").await?;
    let seen = bob.wait_until_shown(&room, |message| !message.reactions.is_empty(), WITHIN).await?;
    assert_eq!((&seen.event_id, seen.reactions[0].key.as_str()), (&answer, "⏭"));
    alice.redact(&room, &reaction).await?;
    bob.edit(&room, &answer, "what a tune").await?;
    let changed = alice
        .wait_until_shown(
            &room,
            |message| message.edits == 1 && message.reactions.is_empty(),
            WITHIN,
        )
        .await?;
    assert_eq!((&changed.event_id, changed.body.as_str()), (&answer, "what a tune"));
    assert_eq!(alice.messages(&room).await?.len(), 2, "an edit is no message of its own");
    Ok(())
}
