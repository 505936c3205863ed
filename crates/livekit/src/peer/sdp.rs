//! What str0m's answers need before livekit-server sees them.

/// Turns an answer to a subscriber offer into what libwebrtc clients send: we receive only.
///
/// livekit-server offers `sendrecv` lines in this mode, and str0m answers in kind, with streams of
/// its own that would never carry anything.
pub(super) fn receive_only(answer: &str) -> String {
    let lines = answer.lines().filter(|line| {
        !["a=ssrc:", "a=ssrc-group:", "a=msid:"].iter().any(|own| line.starts_with(own))
    });
    let mut text = String::with_capacity(answer.len());
    for line in lines {
        text.push_str(match line {
            "a=sendrecv" => "a=recvonly",
            "a=sendonly" => "a=inactive",
            other => other,
        });
        text.push_str("\r\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_promises_to_send_nothing() {
        let answer =
            "v=0\r\na=sendrecv\r\na=ssrc:1 cname:x\r\na=msid:a b\r\na=mid:1\r\na=sendonly\r\n";
        assert_eq!(receive_only(answer), "v=0\r\na=recvonly\r\na=mid:1\r\na=inactive\r\n");
    }
}
