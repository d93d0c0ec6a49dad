//! [`Product`]: the record of the first run, made from its number alone, so that every answer of the cache can be checked.

use serde::{Deserialize, Serialize};

use crate::dice::Dice;

const CATEGORIES: [&str; 8] = ["boots", "chairs", "clocks", "coats", "desks", "kettles", "lamps", "tents"];
const ADJECTIVES: [&str; 8] = ["Alpine", "Bright", "Classic", "Folding", "Light", "Quiet", "Solid", "Velvet"];
const MODELS: [&str; 8] = ["Aster", "Birch", "Comet", "Dune", "Ember", "Fjord", "Grove", "Harbor"];
const TAGS: [&str; 8] =
    ["new", "sale", "outdoor", "gift", "handmade", "recycled", "waterproof", "bestseller"];
const SENTENCES: [&str; 8] = [
    "Made to last, and to be repaired when it does not.",
    "The material is sourced within two hundred kilometres of the workshop.",
    "Ships in a flat box without any plastic.",
    "Customers praise how little care it needs.",
    "Comes with a warranty of five years.",
    "Also available in three other colours on request.",
    "Fits most of last year's accessories.",
    "Tested for forty thousand cycles by an independent laboratory.",
];

/// The contents of a product page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Product {
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) price_cents: u32,
    pub(super) in_stock: bool,
    pub(super) tags: Vec<String>,
    pub(super) description: String,
}

impl Product {
    /// The answer of the shop's database for this number.
    pub(super) fn load(id: u64) -> Product {
        let mut dice = Dice::of(id);
        let (adjective, model) = (pick(&mut dice, &ADJECTIVES), pick(&mut dice, &MODELS));
        let sentences: Vec<&str> = (0..3 + dice.below(4)).map(|_| pick(&mut dice, &SENTENCES)).collect();
        Product {
            id,
            name: format!("{adjective} {} {model} {}", category(id).trim_end_matches('s'), id % 1000),
            price_cents: 499 + 50 * dice.below(2000) as u32,
            in_stock: dice.below(10) > 0,
            tags: (0..1 + dice.below(3)).map(|_| pick(&mut dice, &TAGS).to_owned()).collect(),
            description: sentences.join(" "),
        }
    }

    /// The name under which the product of this number is cached: `lamps:1234`.
    pub(super) fn cache_name(id: u64) -> String {
        format!("{}:{id}", category(id))
    }
}

fn pick(dice: &mut Dice, words: &[&'static str]) -> &'static str {
    words[dice.below(words.len() as u64) as usize]
}

fn category(id: u64) -> &'static str {
    pick(&mut Dice::of(id ^ u64::MAX), &CATEGORIES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_always_gives_the_same_product_and_another_number_another() {
        assert_eq!(Product::load(7), Product::load(7));
        assert_ne!(Product::load(7), Product::load(8));
        assert!(Product::cache_name(7).ends_with(":7"));
    }
}
