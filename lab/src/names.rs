//! The name that was probably meant.

/// How alike two names have to be, from 0 to 1, for one to be offered for the other.
const ALIKE: f64 = 0.7;

/// `; did you mean "sieve"?` for the name that is most like this one, or nothing.
pub fn hint<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(name, known).map_or_else(String::new, |best| format!("; did you mean \"{best}\"?"))
}

/// The name that is most like this one, if one is like it.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_ascii_lowercase();
    let likeness = |known: &str| strsim::normalized_damerau_levenshtein(&name, &known.to_ascii_lowercase());
    let best = known.into_iter().max_by(|one, other| likeness(one).total_cmp(&likeness(other)));
    best.filter(|best| likeness(best) >= ALIKE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_offered_if_it_is_near() {
        let known = ["lru", "fifo", "sieve", "s3-fifo", "tide", "tide-log"];
        assert_eq!(hint("Seive", known), "; did you mean \"sieve\"?");
        assert_eq!(hint("tide-lgo", known), "; did you mean \"tide-log\"?");
        assert_eq!(nearest("LOPP", ["loopzipf", "loop"]), Some("loop"));
        assert_eq!(hint("lruu", known), "; did you mean \"lru\"?");
        assert_eq!((hint("best", known), hint("", known)), (String::new(), String::new()));
    }
}
