use super::*;

fn shard(keys: &[&str]) -> Shard {
    let mut shard = Shard::new(RandomState::default());
    for key in keys {
        put(&mut shard, key, NEVER);
    }
    shard
}

fn put(shard: &mut Shard, key: &str, deadline: u64) {
    let entry = Entry { value: Arc::from(key.as_bytes()), deadline, version: 0 };
    shard.put(key.as_bytes(), entry);
}

fn victim(shard: &mut Shard, spared: Option<&str>) -> Option<String> {
    let removed = shard.remove_victim(0, spared.map(str::as_bytes))?;
    Some(String::from_utf8(removed.entry.value.to_vec()).unwrap())
}

#[test]
fn the_oldest_goes_first_and_a_read_one_gets_a_second_chance() {
    let mut shard = shard(&["a", "b", "c"]);
    shard.read(b"a");
    assert_eq!(victim(&mut shard, None).as_deref(), Some("b"));
    assert_eq!(victim(&mut shard, None).as_deref(), Some("c"));
    assert_eq!(victim(&mut shard, None).as_deref(), Some("a"));
    assert_eq!(victim(&mut shard, None), None);
}

#[test]
fn a_spared_key_is_never_the_victim() {
    let mut shard = shard(&["a", "b"]);
    shard.read(b"b");
    assert_eq!(victim(&mut shard, Some("a")).as_deref(), Some("b"));
    assert_eq!(victim(&mut shard, Some("a")), None);
    assert_eq!(victim(&mut shard, Some("x")).as_deref(), Some("a"));
}

#[test]
fn a_search_for_a_victim_ends_when_everything_was_read() {
    let keys: Vec<String> = (0..500).map(|n| n.to_string()).collect();
    let mut shard = shard(&keys.iter().map(String::as_str).collect::<Vec<_>>());
    for key in &keys {
        shard.read(key.as_bytes());
    }
    assert_eq!(victim(&mut shard, None).as_deref(), Some("64"));
}

#[test]
fn an_overwritten_key_keeps_its_place() {
    let mut shard = shard(&["a", "b", "c"]);
    let first = shard.stretch(0, 2, b"", 0);
    assert_eq!(first.keys.len(), 2);
    put(&mut shard, "a", NEVER);
    let rest = shard.stretch(first.next.unwrap(), 9, b"", 0);
    assert_eq!(rest.keys, [Arc::from(*b"c")]);
    assert_eq!(rest.next, None);
}

#[test]
fn only_what_has_expired_is_swept() {
    let mut shard = shard(&["never"]);
    put(&mut shard, "at ten", 10);
    put(&mut shard, "at twenty", 20);
    assert!(shard.remove_expired(9).is_empty());
    assert_eq!(shard.remove_expired(10).len(), 1);
    assert_eq!(shard.earliest_deadline, 20);
    shard.set_deadline(b"never", 15);
    assert_eq!(shard.remove_expired(30).len(), 2);
    assert_eq!(shard.earliest_deadline, NEVER);
}
