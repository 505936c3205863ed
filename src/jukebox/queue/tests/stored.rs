use super::*;

/// A queue as the first version has stored it.
const FIRST: &str = r#"{
    "next_id": 7, "seed": 42,
    "current": {
        "entry": {
            "id": 3, "by": "@ann:x",
            "item": {"title": "a", "origin": {"file": "/music/a.flac"},
                "duration": {"secs": 60, "nanos": 0}}
        },
        "state": "paused", "position_ms": 12345
    },
    "waiting": [
        {"id": 4, "by": "@bob:x", "asked_at_ms": 1790000000000, "resume_ms": 5000, "ahead": true,
            "item": {"title": "station", "origin": {"link": "https://radio.example/live"},
                "duration": null}},
        {"id": 6, "by": null,
            "item": {"title": "ours", "duration": null, "origin": {"upload":
                {"content": {"msgtype": "m.audio", "url": "mxc://x/y"}, "size": 1000}}}}
    ],
    "history": [
        {"id": 2, "by": "@ann:x", "ended_in": 1,
            "item": {"title": "old", "origin": {"file": "/music/old.flac"}, "duration": null}}
    ],
    "repeat": "all", "fair": true, "served": ["@ann:x"], "autoplay": {"list": "evening"},
    "changes": [
        {"added": {"ids": [4], "skipped": {"id": 2, "at_ms": 7}}},
        {"reordered": {"before": [[4, true]]}},
        {"skipped": {"id": 2, "at_ms": 7}},
        {"repeat": "one"}, {"fair": false}, {"autoplay": "history"}
    ]
}"#;

#[test]
fn a_queue_that_the_first_version_stored_is_read() {
    let mut queue: Queue = serde_json::from_str(FIRST).unwrap();
    let Current { entry, state, position_ms } = queue.current().unwrap();
    assert_eq!((entry.id, *state, *position_ms), (EntryId(3), State::Paused, 12_345));
    assert_eq!(entry.item, item("a"));
    assert_eq!(shown(&queue), "a | station ours");
    let upload = Upload {
        content: serde_json::json!({"msgtype": "m.audio", "url": "mxc://x/y"}),
        size: Some(1_000),
    };
    assert_eq!(queue.at(2).unwrap().item.origin, Origin::Upload(upload));
    assert_eq!((queue.repeat(), queue.is_fair()), (LoopMode::All, true));
    assert_eq!(*queue.autoplay(), Autoplay::List("evening".to_owned()));
    assert_eq!(add(&mut queue, "eve", Place::End, "b").ids, [EntryId(7)]);
    assert_eq!(std::iter::from_fn(|| queue.undo()).count(), 7);
}

#[test]
fn a_queue_with_nothing_stored_is_empty() {
    assert_eq!(serde_json::from_str::<Queue>("{}").unwrap(), Queue::new(0));
    let limits: Limits = serde_json::from_str(r#"{"per_person_max": 3}"#).unwrap();
    assert_eq!(limits, Limits { per_person_max: 3, ..Limits::default() });
}

#[test]
fn what_a_newer_version_stores_besides_is_passed_over() {
    let queue: Queue = serde_json::from_str(r#"{"next_id": 3, "mood": "blue"}"#).unwrap();
    assert_eq!(queue, Queue { next_id: 3, ..Queue::default() });
}

#[test]
fn everything_of_a_queue_survives_being_stored() {
    let mut queue = turns("ann:a bob:b ann:c bob:d ann:e");
    queue.set_repeat(LoopMode::All);
    queue.set_autoplay(Autoplay::List("x".to_owned()));
    queue.shuffle();
    advance(&mut queue, Why::Skipped);
    queue.remove(&Selection::At(1)).unwrap();
    queue.set_repeat(LoopMode::Off);
    advance(&mut queue, Why::Ended);
    advance(&mut queue, Why::Failed);
    queue.pause();
    let stored = serde_json::to_string(&queue).unwrap();
    assert_eq!(serde_json::from_str::<Queue>(&stored).unwrap(), queue);
}
