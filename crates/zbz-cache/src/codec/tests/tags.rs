//! Nested tags, and the fields beside them.

use super::*;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "a rather long name of a type")]
enum Outermost {
    Outer(Outer),
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
enum Outer {
    Event(Inner),
    Leaf(Leaf),
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind")]
enum Inner {
    Custom(BTreeMap<String, u8>),
    Leaf(Leaf),
    Other(Other),
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Leaf {
    id: u8,
    kind: u8,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Other {
    id: u8,
}

fn custom(key: &str) -> Outer {
    Outer::Event(Inner::Custom(BTreeMap::from([("id".into(), 1), (key.into(), 2), ("zone".into(), 3)])))
}

fn is_taken<T: Serialize + DeserializeOwned>(value: &T) -> bool {
    let taken = MessagePack.encode(value, &mut Vec::new());
    #[cfg(feature = "json")]
    assert_eq!(taken.is_ok(), Json.encode(value, &mut Vec::new()).is_ok());
    taken.inspect_err(|error| assert!(error.to_string().contains("one key twice"), "{error}")).is_ok()
}

#[test]
fn the_name_of_any_of_them_as_a_key_or_a_field_is_refused_as_it_is_written() {
    for key in ["kind", "type"] {
        assert!(!is_taken(&custom(key)), "{key}");
        assert!(!is_taken(&Outermost::Outer(custom(key))), "{key}");
    }
    assert!(!is_taken(&Outermost::Outer(custom("a rather long name of a type"))));
    assert!(!is_taken(&Outer::Event(Inner::Leaf(Leaf { id: 1, kind: 2 }))));
    assert!(!is_taken(&Outermost::Outer(Outer::Event(Inner::Leaf(Leaf { id: 1, kind: 2 })))));
}

#[test]
fn other_keys_and_fields_are_taken() {
    for key in ["kinds", "tind", "", "a", "a rather long tail of a type", "b rather long name of a type"] {
        assert!(is_taken(&custom(key)), "{key}");
        assert!(is_taken(&Outermost::Outer(custom(key))), "{key}");
    }
    assert!(is_taken(&Outer::Leaf(Leaf { id: 1, kind: 2 })));
    assert!(is_taken(&Outermost::Outer(Outer::Event(Inner::Other(Other { id: 1 })))));
}
