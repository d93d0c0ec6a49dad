//! The provider "tiered" over a far side in this process, whose pushes, link and answers go as a test
//! says. Over Redis: `tests/redis`.

#![allow(clippy::unwrap_used, reason = "in a test an unwrap is an assertion")]

mod far;
mod fills;
mod made;
mod reads;
mod speed;
mod suite;
mod tier;
mod windows;
mod writes;
