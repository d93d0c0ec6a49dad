use super::*;

fn matches(pattern: &str, name: &str) -> bool {
    Pattern::new(pattern).unwrap().matches(name)
}

#[test]
fn every_sign_means_what_redis_means() {
    let cases = [
        ("*", "", true),
        ("*", "any/thing:at all", true),
        ("1*", "1", true),
        ("1*", "21", false),
        ("*1", "1", true),
        ("a*b*c", "a--b--c", true),
        ("a*b*c", "acb", false),
        ("?", "", false),
        ("h?llo", "hallo", true),
        ("h?llo", "h\u{e9}llo", true),
        ("??", "\u{1f600}", false),
        ("[abc]x", "bx", true),
        ("[a-c]x", "dx", false),
        ("[c-a]x", "bx", true),
        ("[^a]", "a", false),
        ("[^a]", "b", true),
        ("[a-]", "-", true),
        ("[a\\-c]", "b", false),
        ("[\\]]", "]", true),
        ("[a^]", "^", true),
        ("\\*", "*", true),
        ("\\*", "x", false),
        ("]", "]", true),
        ("a\nb\0c", "a\nb\0c", true),
        ("", "", true),
        ("", "a", false),
        ("[\u{3b1}-\u{3c9}]", "\u{3bb}", true),
    ];
    for (pattern, name, expected) in cases {
        assert_eq!(matches(pattern, name), expected, "{pattern:?} against {name:?}");
    }
}

#[test]
fn a_malformed_pattern_is_refused_and_says_where() {
    for (pattern, at) in [("ab[c", "byte 2"), ("[]", "byte 0"), ("[^]", "byte 0"), ("x\\", "byte 1")] {
        let error = Pattern::new(pattern).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidPattern);
        assert!(error.to_string().contains(at), "{error}");
    }
    assert!(Pattern::new("[a-").is_err());
    assert!(Pattern::new("[\\").is_err());
    assert!(Pattern::new(&"x".repeat(MAX_PATTERN_BYTES)).is_ok());
    assert!(Pattern::new(&"x".repeat(MAX_PATTERN_BYTES + 1)).is_err());
}

#[test]
fn an_escaped_text_matches_itself_only() {
    for text in ["*", "[a-z]", "a\\b", "?", "plain", "\u{e9}*"] {
        let pattern = Pattern::new(&Pattern::escape(text)).unwrap();
        assert!(pattern.matches(text));
        assert!(!pattern.matches(&format!("{text}x")));
        assert_eq!(pattern.literal_prefix(), text);
    }
}

#[test]
fn the_literal_prefix_ends_at_the_first_sign() {
    for (pattern, prefix) in [("user:*", "user:"), ("*", ""), ("a\\*b?c", "a*b"), ("[ab]c", "")] {
        assert_eq!(Pattern::new(pattern).unwrap().literal_prefix(), prefix);
    }
}

#[test]
fn a_hostile_pattern_costs_pattern_times_name() {
    let pattern = Pattern::new(&"a*".repeat(512)).unwrap();
    let name = "a".repeat(32 * 1024 - 1) + "b";
    let start = std::time::Instant::now();
    assert!(pattern.matches(&name));
    assert!(!Pattern::new(&("a*".repeat(500) + "c")).unwrap().matches(&name));
    assert!(start.elapsed().as_secs() < 10);
}

/// The textbook definition, exponential but plain.
fn oracle(pattern: &[Part], name: &[char]) -> bool {
    match (pattern, name) {
        ([], []) => true,
        ([Part::Run, rest @ ..], _) => (0..=name.len()).any(|taken| oracle(rest, &name[taken..])),
        ([part, rest @ ..], [char, tail @ ..]) => part.matches(*char) && oracle(rest, tail),
        _ => false,
    }
}

#[test]
fn it_agrees_with_the_textbook_definition_on_all_short_inputs() {
    let signs = ["a", "b", "*", "?", "[ab]", "[^a]"];
    let words = |letters: &[&str], longest: usize| {
        let mut all = vec![String::new()];
        let mut last = all.clone();
        for _ in 0..longest {
            last = last.iter().flat_map(|word| letters.iter().map(move |l| format!("{word}{l}"))).collect();
            all.extend(last.iter().cloned());
        }
        all
    };
    let names = words(&["a", "b", "c"], 4);
    for text in words(&signs, 4) {
        let pattern = Pattern::new(&text).unwrap();
        for name in &names {
            let chars: Vec<char> = name.chars().collect();
            assert_eq!(pattern.matches(name), oracle(&pattern.parts, &chars), "{text} against {name}");
        }
    }
}
