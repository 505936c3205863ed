//! Commands that a client has already taken apart (MSC4391), and what clients need to know to do so.
//!
//! The parts are put together again in the order of the [table](WORDS) and read like a line that
//! somebody wrote, so both ways mean the same.

use base64::{Engine, prelude::BASE64_STANDARD};
use phonograph_matrixrtc::UserId;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    Addressing, Heard,
    parse::read,
    words::{Kind, Parameter, WORDS, Word},
};

/// The type of the state events that describe commands; stable `m.bot.command_description`.
pub(crate) const DESCRIPTION_TYPE: &str = "org.matrix.msc4391.command_description";
/// The longest text that the parts are put together to, in bytes: as for a line that was written.
const TEXT_LEN_MAX: usize = 4096;

/// A state event that describes a command to clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Description {
    /// Its state key, which the MSC derives from the command and the sender.
    pub(crate) state_key: String,
    /// Its content.
    pub(crate) content: Value,
}

/// One for each word; `me` is the sender.
pub(crate) fn descriptions(me: &UserId) -> Vec<Description> {
    WORDS.iter().map(|word| description(word, me)).collect()
}

/// Reads the part of a message's content that holds a command (`org.matrix.msc4391.command`).
///
/// `None` if it is no such thing, or not for us: then the text decides.
pub(crate) fn structured(command: &Value, how: &Addressing<'_>) -> Option<Heard> {
    // Another bot may have a command of the same name; clients mention the one that is meant.
    if !how.mentions_us && !how.direct {
        return None;
    }
    let written = command.get("command")?.as_str()?;
    let name = written.split_whitespace().next()?.to_lowercase();
    let arguments = command.get("arguments").unwrap_or(&Value::Null);
    let mut text = written.to_owned();
    if let Some(word) = Word::named(&name) {
        for argument in word.parameters.iter().filter_map(|p| arguments.get(p.key)) {
            add(&mut text, argument);
        }
    }
    // One line, as if it was written.
    let text = text.replace(char::is_control, " ");
    Some(match read(text.trim(), false, how) {
        Ok(command) => Heard::Command(command),
        Err(why) => Heard::Misunderstood(why),
    })
}

/// Writes an argument behind the others; what is none of the MSC's simple types is left out.
fn add(text: &mut String, argument: &Value) {
    let written = match argument {
        Value::String(written) => written.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(on) => if *on { "on" } else { "off" }.to_owned(),
        Value::Array(items) => {
            return items.iter().filter(|item| !item.is_array()).for_each(|item| add(text, item));
        }
        Value::Object(_) | Value::Null => return,
    };
    if text.len() + written.len() < TEXT_LEN_MAX {
        text.push(' ');
        text.push_str(&written);
    }
}

fn description(word: &Word, me: &UserId) -> Description {
    let digest = Sha256::new().chain_update(word.name).chain_update(me.as_str()).finalize();
    let helps: Vec<_> = word.forms.iter().map(|form| form.help).collect();
    let content = json!({
        "command": word.name,
        "description": text_block(&helps.join("; ")),
        "parameters": word.parameters.iter().map(parameter).collect::<Vec<_>>(),
    });
    Description { state_key: BASE64_STANDARD.encode(digest), content }
}

fn parameter(parameter: &Parameter) -> Value {
    let mut content = json!({
        "key": parameter.key,
        "schema": schema(parameter.kind),
        "description": text_block(parameter.help),
    });
    if parameter.optional {
        content["optional"] = Value::Bool(true);
    }
    content
}

fn schema(kind: Kind) -> Value {
    let primitive = |name: &str| json!({ "schema_type": "primitive", "type": name });
    match kind {
        Kind::Text => primitive("string"),
        Kind::Number => primitive("integer"),
        Kind::Person => primitive("user_id"),
        Kind::OneOf(words) => {
            let literal = |word: &&str| json!({ "schema_type": "literal", "literal_type": "string", "value": word });
            let variants: Vec<_> = words.iter().map(literal).collect();
            json!({ "schema_type": "union", "variants": variants })
        }
    }
}

/// Text as MSC1767 has it.
fn text_block(text: &str) -> Value {
    json!({ "m.text": [{ "body": text }] })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::command::{Change, Command, DjCommand, Misunderstood, Prefix, Wanted};

    #[test]
    fn what_a_client_took_apart_means_what_was_written() {
        let cases = [
            (json!({ "command": "skip" }), Command::Skip),
            (
                json!({ "command": "play", "arguments": { "what": "two\nlines" } }),
                Command::Play(Some(Wanted::Name("two lines".to_owned()))),
            ),
            (
                json!({ "command": "move", "arguments": { "to": 1, "from": 5 } }),
                Command::Move { from: 5, to: 1 },
            ),
            (
                json!({ "command": "volume", "arguments": { "to": "+10", "unknown": {} } }),
                Command::Volume(Some(Change::By(10))),
            ),
            (json!({ "command": "fair", "arguments": { "on": true } }), Command::Fair(Some(true))),
            (
                json!({
                    "command": "dj",
                    "arguments": { "do": "add", "person": "@ann:example.org" },
                }),
                Command::Dj(DjCommand::Add(UserId::from("@ann:example.org"))),
            ),
            (
                json!({ "command": "dj remove", "arguments": { "person": "@ann:example.org" } }),
                Command::Dj(DjCommand::Remove(UserId::from("@ann:example.org"))),
            ),
        ];
        for (content, expected) in cases {
            assert_eq!(heard(&content, true), Some(Heard::Command(expected)), "{content}");
        }
    }

    #[test]
    fn what_lacks_an_argument_is_answered_with_how_it_is_written() {
        let usage = Misunderstood::Usage { word: "seek" };
        assert_eq!(heard(&json!({ "command": "seek" }), true), Some(Heard::Misunderstood(usage)));
    }

    #[test]
    fn what_does_not_name_us_may_be_for_another_bot() {
        assert_eq!(heard(&json!({ "command": "skip" }), false), None);
    }

    #[test]
    fn what_is_no_command_leaves_it_to_the_text() {
        for content in [json!(null), json!([]), json!({ "command": 3 }), json!({ "command": " " })]
        {
            assert_eq!(heard(&content, true), None, "{content}");
        }
    }

    #[test]
    fn arguments_of_any_length_are_bounded() {
        let long = "x".repeat(TEXT_LEN_MAX);
        let content = json!({ "command": "say", "arguments": { "text": long } });
        let usage = Misunderstood::Usage { word: "say" };
        assert_eq!(heard(&content, true), Some(Heard::Misunderstood(usage)));
    }

    /// `printf 'play@music:example.org' | openssl dgst -sha256 -binary | base64`
    #[test]
    fn the_state_key_is_the_digest_of_command_and_sender() {
        let all = descriptions(&UserId::from("@music:example.org"));
        let play = all.iter().find(|d| d.content["command"] == "play").unwrap();
        assert_eq!(play.state_key, "Z9aM1Bj9cANT88ncimhhGnQXWLBnyEF6x0agSWjoP6Q=");
    }

    #[test]
    fn a_description_has_the_form_of_the_msc() {
        let all = descriptions(&UserId::from("@music:example.org"));
        let of = |name: &str| &all.iter().find(|d| d.content["command"] == name).unwrap().content;
        assert_eq!(
            of("move")["parameters"],
            json!([
                {
                    "key": "from",
                    "schema": { "schema_type": "primitive", "type": "integer" },
                    "description": { "m.text": [{ "body": "its place now" }] },
                },
                {
                    "key": "to",
                    "schema": { "schema_type": "primitive", "type": "integer" },
                    "description": { "m.text": [{ "body": "its place then" }] },
                },
            ])
        );
        let mode = &of("loop")["parameters"][0];
        assert_eq!(mode["optional"], true);
        assert_eq!(mode["schema"]["schema_type"], "union");
        assert_eq!(
            mode["schema"]["variants"][0],
            json!({ "schema_type": "literal", "literal_type": "string", "value": "one" })
        );
    }

    proptest! {
        #[test]
        fn any_argument_is_read_without_panic(
            name in "[a-z]{0,9}|play|set|move|dj", key in "[a-z]{0,5}", value: String, number: i64,
        ) {
            let arguments = json!({ key: value, "to": number, "what": [value, [value]], "do": {} });
            heard(&json!({ "command": name, "arguments": arguments }), true);
        }
    }

    fn heard(command: &Value, mentions_us: bool) -> Option<Heard> {
        let prefix = Prefix::default();
        let how = Addressing {
            prefix: &prefix,
            me: "@music:example.org",
            display_name: None,
            mentions_us,
            direct: false,
            answers_us: false,
            attached: false,
            mentioned: &[],
        };
        structured(command, &how)
    }
}
