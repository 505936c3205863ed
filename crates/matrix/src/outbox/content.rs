//! The content of the events that we send.
//!
//! `m.mentions` is always there (Matrix 1.7), and a thread is kept.

use phonograph_call::matrixrtc::EventId;
use serde_json::{Value, json};

use super::{Edit, Notice, Picture};

/// A notice, or a picture with its caption.
pub(super) fn notice(notice: &Notice) -> Value {
    let mut content = message(&notice.text, notice.html.as_deref(), notice.picture.as_ref());
    if let Some(reply) = &notice.reply_to {
        content["m.mentions"] = json!({ "user_ids": [reply.sender.as_str()] });
        content["m.relates_to"] = json!({ "m.in_reply_to": { "event_id": reply.event.as_str() } });
        if let Some(root) = &reply.thread {
            content["m.relates_to"]["rel_type"] = "m.thread".into();
            content["m.relates_to"]["event_id"] = root.as_str().into();
            content["m.relates_to"]["is_falling_back"] = false.into();
        }
    }
    content
}

/// An edit. Clients that know none show the text with an asterisk (Matrix 1.4, event replacements).
pub(super) fn edit(edit: &Edit) -> Value {
    let new = message(&edit.text, edit.html.as_deref(), edit.picture.as_ref());
    let mut content = new.clone();
    content["body"] = format!("* {}", edit.text).into();
    if let Some(html) = &edit.html {
        content["formatted_body"] = format!("* {html}").into();
    }
    content["m.new_content"] = new;
    content["m.relates_to"] = json!({ "rel_type": "m.replace", "event_id": edit.event.as_str() });
    content
}

/// A reaction.
pub(super) fn reaction(event: &EventId, key: &str) -> Value {
    json!({
        "m.relates_to": { "rel_type": "m.annotation", "event_id": event.as_str(), "key": key },
    })
}

/// A picture's `body` is its caption since its file has a name of its own (Matrix 1.10).
fn message(text: &str, html: Option<&str>, picture: Option<&Picture>) -> Value {
    let mut content = picture.map_or_else(|| json!({ "msgtype": "m.notice" }), Picture::content);
    content["body"] = text.into();
    content["m.mentions"] = json!({});
    if let Some(html) = html {
        content["format"] = "org.matrix.custom.html".into();
        content["formatted_body"] = html.into();
    }
    content
}

#[cfg(test)]
mod tests {
    use super::{super::ReplyTo, *};
    use crate::ids;

    fn made(reply_to: Option<ReplyTo>) -> Notice {
        Notice {
            room: ids::room("!r:x"),
            text: "pong".to_owned(),
            html: None,
            picture: None,
            reply_to,
        }
    }

    fn reply(thread: Option<&str>) -> ReplyTo {
        ReplyTo {
            event: ids::event("$1"),
            sender: ids::user("@ann:x"),
            thread: thread.map(ids::event),
        }
    }

    fn made_edit() -> Edit {
        Edit {
            room: ids::room("!r:x"),
            event: ids::event("$panel"),
            text: "0:42".to_owned(),
            html: Some("<b>0:42</b>".to_owned()),
            picture: None,
        }
    }

    #[test]
    fn a_notice_states_that_it_mentions_nobody() {
        let content = notice(&made(None));
        assert_eq!(content["msgtype"], "m.notice");
        assert_eq!(content["m.mentions"], json!({}));
        assert_eq!(content.get("format"), None);
    }

    #[test]
    fn a_notice_with_html_keeps_its_plain_text() {
        let html = Some("<b>pong</b>".to_owned());
        let content = notice(&Notice { html, ..made(None) });
        assert_eq!(content["body"], "pong");
        assert_eq!(content["format"], "org.matrix.custom.html");
        assert_eq!(content["formatted_body"], "<b>pong</b>");
    }

    #[test]
    fn an_answer_mentions_only_who_asked() {
        let content = notice(&made(Some(reply(None))));
        assert_eq!(content["m.mentions"]["user_ids"], json!(["@ann:x"]));
        assert_eq!(content["m.relates_to"]["m.in_reply_to"]["event_id"], "$1");
        assert_eq!(content["m.relates_to"].get("rel_type"), None);
    }

    #[test]
    fn an_answer_stays_in_the_thread() {
        let content = notice(&made(Some(reply(Some("$root")))));
        assert_eq!(content["m.relates_to"]["rel_type"], "m.thread");
        assert_eq!(content["m.relates_to"]["event_id"], "$root");
    }

    #[test]
    fn an_edit_replaces_the_whole_content() {
        let content = edit(&made_edit());
        assert_eq!(content["m.relates_to"]["rel_type"], "m.replace");
        assert_eq!(content["m.relates_to"]["event_id"], "$panel");
        let new = &content["m.new_content"];
        assert_eq!((&new["body"], &new["msgtype"]), (&json!("0:42"), &json!("m.notice")));
        assert_eq!(new["formatted_body"], "<b>0:42</b>");
        assert_eq!(new.get("m.relates_to"), None);
    }

    #[test]
    fn an_edit_is_marked_for_clients_that_know_none_and_mentions_nobody() {
        let content = edit(&made_edit());
        assert_eq!(content["body"], "* 0:42");
        assert_eq!(content["formatted_body"], "* <b>0:42</b>");
        assert_eq!(content["m.mentions"], json!({}));
        assert_eq!(content["m.new_content"]["m.mentions"], json!({}));
    }

    #[test]
    fn a_reaction_is_an_annotation() {
        let content = reaction(&ids::event("$panel"), "⏭");
        let relation = json!({ "rel_type": "m.annotation", "event_id": "$panel", "key": "⏭" });
        assert_eq!(content, json!({ "m.relates_to": relation }));
    }

    #[test]
    fn the_text_beside_a_picture_is_its_caption() {
        let picture = Some(Picture::for_test(json!({ "url": "mxc://x/1" })));
        let content = notice(&Notice { picture, ..made(None) });
        assert_eq!((&content["msgtype"], &content["body"]), (&json!("m.image"), &json!("pong")));
        assert_eq!(content["url"], "mxc://x/1");
        assert_eq!(content["m.mentions"], json!({}));
        assert_ne!(content["filename"], content["body"]);
    }
}
