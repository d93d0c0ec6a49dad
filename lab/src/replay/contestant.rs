//! [`Contestant`]: the cache or a policy, as people name it.

use std::cell::OnceCell;
use std::rc::Rc;

use zbz_cache_cli::failure::Failure;
use zbz_cache_cli::replay::engine::Engine;
use zbz_cache_cli::replay::input::Input;
use zbz_cache_cli::replay::size::{Capacity, PercentOf};
use zbz_cache_cli::replay::survey::Survey;
use zbz_cache_cli::replay::target::Target;
use zbz_cache_cli::replay::through::{Build, Through, Unbuilt};

use super::ahead;
use super::simulator::Simulator;
use crate::policy::{self, Belady};

/// Who takes part in a replay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contestant {
    /// The cache itself.
    Engine,
    /// The simulated policy of that name.
    Policy(String),
    /// The simulated policy that knows the future.
    Belady,
}

impl Contestant {
    /// What a name stands for.
    ///
    /// # Errors
    ///
    /// Nothing is named so.
    pub fn named(name: &str) -> Result<Contestant, Failure> {
        let name = &policy::spelled(name);
        match &name[..] {
            "" => Err(Failure::Input(
                "an empty name in --policy; write names with commas and no spaces, as lru,sieve".to_owned(),
            )),
            Engine::NAME => Ok(Contestant::Engine),
            Belady::NAME => Ok(Contestant::Belady),
            // Any capacity tells whether the name is known.
            _ => match policy::by_name(name, policy::Capacity::Entries(1024)) {
                Ok(_) => Ok(Contestant::Policy(name.to_owned())),
                Err(problem) => Err(Failure::Input(problem)),
            },
        }
    }

    /// What a plain percentage is a share of.
    pub fn percent_of(&self) -> PercentOf {
        match self {
            Contestant::Engine => PercentOf::Bytes,
            Contestant::Policy(_) | Contestant::Belady => PercentOf::Keys,
        }
    }

    /// Its part in the replay of one trace.
    pub fn through<'a>(&'a self, input: &'a Input, survey: &'a Survey) -> Through<'a> {
        let (name, build): (&str, Build<'a>) = match self {
            Contestant::Engine => return Engine::through(),
            Contestant::Policy(name) => (name, Box::new(|capacity| simulated(name, capacity))),
            Contestant::Belady => {
                // Read once for all sizes, and not before it is needed.
                let future = OnceCell::new();
                let build = move |capacity| {
                    let Capacity::Keys(keys) = capacity else {
                        let problem = "of a kind that belady does not take: give it a percentage or keys";
                        return Err(Unbuilt::Skipped(problem.to_owned()));
                    };
                    if future.get().is_none() {
                        let _ = future.set(Rc::new(ahead::read(input, survey)?));
                    }
                    let known = future.get().map(Rc::clone).unwrap_or_default();
                    Ok(Box::new(Simulator::clairvoyant(keys, known)) as Box<dyn Target>)
                };
                (Belady::NAME, Box::new(build))
            }
        };
        Through { name: name.to_owned(), percent_of: self.percent_of(), build }
    }
}

fn simulated(name: &str, capacity: Capacity) -> Result<Box<dyn Target>, Unbuilt> {
    let target = Simulator::new(name, capacity).map_err(Unbuilt::Skipped)?;
    Ok(Box::new(target))
}
