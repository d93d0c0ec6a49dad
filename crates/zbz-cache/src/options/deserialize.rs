//! Options from any self-describing serde format. No error shows a value.

use std::collections::btree_map::Entry;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{OptionValue, Options, built_in};

/// With its feature `arbitrary_precision`, which any crate of the program may enable, serde_json passes a
/// number that no native type holds exactly as a table with this one key and the number's text.
const NUMBER: &str = "$serde_json::private::Number";

const EXPECTED: &str = "a table of options: names, and for each a text, a number, true or false";

impl<'de> serde::Deserialize<'de> for Options {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TableVisitor)
    }
}

impl<'de> serde::Deserialize<'de> for OptionValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = deserializer.deserialize_any(ValueVisitor { name: None })?;
        value.ok_or_else(|| D::Error::custom("an option's value is null; leave the option out"))
    }
}

struct TableVisitor;

impl<'de> Visitor<'de> for TableVisitor {
    type Value = Options;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(EXPECTED)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut table: A) -> Result<Options, A::Error> {
        let mut options = Options::new();
        while let Some(name) = table.next_key_seed(NameSeed)? {
            if name == NUMBER {
                return Err(A::Error::custom(format!("got a number, expected {EXPECTED}")));
            }
            let value = table.next_value_seed(ValueVisitor { name: Some(&name) })?;
            // Null counts as left out.
            let Some(value) = value else { continue };
            match options.values.entry(name) {
                Entry::Vacant(entry) => entry.insert(value),
                Entry::Occupied(entry) => {
                    let name = entry.key();
                    return Err(A::Error::custom(format!("option {name:?} is given twice; give it once")));
                }
            };
        }
        Ok(options)
    }

    fn visit_unit<E: Error>(self) -> Result<Options, E> {
        Ok(Options::new())
    }

    fn visit_none<E: Error>(self) -> Result<Options, E> {
        Ok(Options::new())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Options, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Options, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Options, E> {
        Err(E::custom(format!("got a text, expected {EXPECTED}; a URL goes to new_provider_from_url")))
    }
}

/// The name of an option.
struct NameSeed;

impl<'de> DeserializeSeed<'de> for NameSeed {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_any(self)
    }
}

fn not_a_name<E: Error>(got: &str) -> E {
    E::custom(format!("an option's name is a text; got {got}"))
}

impl Visitor<'_> for NameSeed {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of an option, a text")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<String, E> {
        Ok(name.to_owned())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<String, E> {
        Err(not_a_name("true or false"))
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<String, E> {
        Err(not_a_name("a number"))
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<String, E> {
        Err(not_a_name("a number"))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<String, E> {
        Err(not_a_name("a number"))
    }

    fn visit_unit<E: Error>(self) -> Result<String, E> {
        Err(not_a_name("null"))
    }

    fn visit_bytes<E: Error>(self, _: &[u8]) -> Result<String, E> {
        Err(not_a_name("bytes"))
    }
}

/// The value of a number's text, as without `arbitrary_precision`. `None` if no 64-bit type comes near it.
fn parse_number(text: &str) -> Option<OptionValue> {
    let signed = text.parse().ok().map(OptionValue::Integer);
    let whole = signed.or_else(|| text.parse().ok().map(OptionValue::Unsigned));
    let float = || text.parse().ok().filter(|number: &f64| number.is_finite()).map(OptionValue::Float);
    whole.or_else(float)
}

/// The value of an option; `None` for null.
#[derive(Clone, Copy)]
struct ValueVisitor<'n> {
    name: Option<&'n str>,
}

impl ValueVisitor<'_> {
    fn refuse<E: Error>(self, got: &str, advice: &str) -> E {
        let option = self.name.map_or("an option".to_owned(), |name| format!("option {name:?}"));
        E::custom(format!("{option}: got {got}, takes a text, a number, true or false; {advice}"))
    }

    /// How to write an entry of a table as an option of its own, if there is such an option. Only known names
    /// are repeated: the supposed table may hold a secret.
    fn dotted(self, inner: Option<&str>) -> Option<String> {
        let name = self.name?;
        let own = inner.map(|inner| format!("{name}.{inner}")).filter(|full| built_in::is_option(full));
        let begins = |option: &&str| option.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'));
        let some = || built_in::ALL.iter().flat_map(|built_in| built_in.options).copied().find(begins);
        own.or_else(|| some().map(|option| option.replace('*', "address")))
    }
}

impl<'de> DeserializeSeed<'de> for ValueVisitor<'_> {
    type Value = Option<OptionValue>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValueVisitor<'_> {
    type Value = Option<OptionValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a number, true or false")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Some(OptionValue::Bool(value)))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Some(OptionValue::Integer(value)))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Some(i64::try_from(value).map_or(OptionValue::Unsigned(value), OptionValue::Integer)))
    }

    fn visit_i128<E: Error>(self, _: i128) -> Result<Self::Value, E> {
        Err(self.refuse("a number of more than 64 bits", "no option takes one"))
    }

    fn visit_u128<E: Error>(self, _: u128) -> Result<Self::Value, E> {
        Err(self.refuse("a number of more than 64 bits", "no option takes one"))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Some(OptionValue::Float(value)))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Self::Value, E> {
        Ok(Some(OptionValue::Text(value.to_owned())))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Self::Value, E> {
        Ok(Some(OptionValue::Text(value)))
    }

    fn visit_bytes<E: Error>(self, _: &[u8]) -> Result<Self::Value, E> {
        Err(self.refuse("bytes", "write them as a text"))
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_none<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        let advice = match self.name {
            Some("address" | "far.address") => "write several servers as one text, with commas",
            _ => "give one",
        };
        Err(self.refuse("a list", advice))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut table: A) -> Result<Self::Value, A::Error> {
        let inner = table.next_key_seed(NameSeed).ok().flatten();
        if inner.as_deref() == Some(NUMBER) {
            let number = table.next_value::<String>().ok().and_then(|text| parse_number(&text));
            return match number {
                Some(number) => Ok(Some(number)),
                None => Err(self.refuse("a number of more than 64 bits", "no option takes one")),
            };
        }
        Err(match self.dotted(inner.as_deref()) {
            Some(own) => {
                let advice = format!("write each entry of the table as an option, as in {own:?}");
                self.refuse("a table", &advice)
            }
            None => self.refuse("a table", "give one"),
        })
    }
}
