use super::*;
use crate::jukebox::queue::lists::{LIST_ITEMS_MAX, LISTS_MAX, NAME_LEN_MAX, Saved};

#[test]
fn a_list_is_saved_found_and_loaded_into_the_queue() {
    let mut lists = Lists::default();
    let saved = lists.save("Friday evening", queue("a b").items()).unwrap();
    assert_eq!(saved, Saved { replaced: false, items: 2, left_out: 0 });
    let list: &List = lists.get("  friday  EVENING ").unwrap();
    assert_eq!(list.name, Title::new("Friday evening"));
    let mut queue = queue("x");
    queue.add(list.items.clone(), &asked("bob", Place::End), &Limits::default()).unwrap();
    assert_eq!(shown(&queue), "x | a b");
    assert!(lists.get("saturday").is_none());
}

#[test]
fn names_are_one_whatever_the_case_and_however_accents_are_written() {
    let mut lists = Lists::default();
    lists.save("Caf\u{e9}", items("a")).unwrap();
    let saved = lists.save("cafe\u{301}", items("b c")).unwrap();
    assert!(saved.replaced);
    assert_eq!(lists.iter().len(), 1);
    assert_eq!(lists.get("CAFÉ").unwrap().items, items("b c"));
}

#[test]
fn names_are_clean() {
    let mut lists = Lists::default();
    lists.save("a\u{202e}b\n\u{7}c", items("a")).unwrap();
    assert_eq!(lists.get("ab c").unwrap().name, Title::new("ab c"));
    for name in ["", " \n", "\u{202e}", "!?"] {
        assert_eq!(lists.save(name, items("a")), Err(ListError::NoName), "{name:?}");
    }
    let max = NAME_LEN_MAX;
    assert!(lists.save(&"ä".repeat(max), items("a")).is_ok());
    for name in ["ä".repeat(max + 1), "ä".repeat(10_000)] {
        assert_eq!(lists.save(&name, items("a")), Err(ListError::NameTooLong { max }));
    }
}

#[test]
fn nothing_is_not_saved() {
    assert_eq!(Lists::default().save("x", Vec::new()), Err(ListError::Empty));
}

#[test]
fn a_room_has_fifty_lists_and_can_still_replace_one() {
    let mut lists = Lists::default();
    for n in 0..LISTS_MAX {
        lists.save(&n.to_string(), items("a")).unwrap();
    }
    assert_eq!(lists.save("one more", items("a")), Err(ListError::TooMany { max: LISTS_MAX }));
    assert!(lists.save("0", items("b")).unwrap().replaced);
    lists.delete("1").unwrap();
    lists.save("one more", items("a")).unwrap();
    assert_eq!(lists.iter().len(), LISTS_MAX);
}

#[test]
fn a_list_holds_five_hundred_and_says_what_it_left_out() {
    let mut lists = Lists::default();
    let saved = lists.save("x", vec![item("a"); LIST_ITEMS_MAX + 2]).unwrap();
    assert_eq!(saved, Saved { replaced: false, items: LIST_ITEMS_MAX, left_out: 2 });
    assert_eq!(lists.get("x").unwrap().items.len(), LIST_ITEMS_MAX);
}

#[test]
fn a_list_is_renamed_and_deleted() {
    let mut lists = Lists::default();
    lists.save("a", items("a")).unwrap();
    lists.save("b", items("b")).unwrap();
    let taken = ListError::Taken { name: Title::new("b") };
    assert_eq!(lists.rename("a", "B"), Err(taken));
    let unknown = |name| ListError::NoSuchList { name: Title::new(name) };
    assert_eq!(lists.rename("x", "y"), Err(unknown("x")));
    assert_eq!(lists.rename("a", ""), Err(ListError::NoName));
    lists.rename("a", "A").unwrap();
    lists.rename("A", "Late").unwrap();
    assert_eq!(lists.iter().map(|list| list.name.to_string()).collect::<Vec<_>>(), ["b", "Late"]);
    assert_eq!(lists.delete("late").unwrap().items, items("a"));
    assert_eq!(lists.delete("late"), Err(unknown("late")));
}

#[test]
fn lists_survive_being_stored() {
    let mut lists = Lists::default();
    lists.save("Café", items("a b")).unwrap();
    let stored = serde_json::to_string(&lists).unwrap();
    assert_eq!(serde_json::from_str::<Lists>(&stored).unwrap(), lists);
    let old = r#"{"evening":{"name":"Evening","items":[{"title":"a",
        "origin":{"file":"/music/a.flac"},"duration":{"secs":60,"nanos":0}}]}}"#;
    let lists: Lists = serde_json::from_str(old).unwrap();
    assert_eq!(lists.get("EVENING").unwrap().items, items("a"));
}
