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
use crate::policy::{self, Belady, Future};

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
                let future = OnceCell::new();
                (Belady::NAME, Box::new(move |capacity| clairvoyant(capacity, &future, input, survey)))
            }
        };
        Through { name: name.to_owned(), percent_of: self.percent_of(), build }
    }
}

fn simulated(name: &str, capacity: Capacity) -> Result<Box<dyn Target>, Unbuilt> {
    let target = Simulator::new(name, capacity).map_err(Unbuilt::Skipped)?;
    Ok(Box::new(target))
}

/// The policy that knows the future, which is read when it is first needed, once for all sizes.
fn clairvoyant(
    capacity: Capacity,
    future: &OnceCell<Rc<Future>>,
    input: &Input,
    survey: &Survey,
) -> Result<Box<dyn Target>, Unbuilt> {
    let Capacity::Keys(keys) = capacity else {
        let problem = "of a kind that belady does not take: give it a percentage or keys";
        return Err(Unbuilt::Skipped(problem.to_owned()));
    };
    let known = match future.get() {
        Some(known) => known,
        None => {
            let read = Rc::new(ahead::read(input, survey)?);
            future.get_or_init(|| read)
        }
    };
    Ok(Box::new(Simulator::clairvoyant(keys, Rc::clone(known))))
}
