//! The blocking `get_or_load`, and the blocking driver: it does the steps of [`SingleLoad`] and
//! [`ManyLoads`] on the caller's thread.

use std::ops::ControlFlow;

use super::super::Cache;
use super::many::{self, ManyLoads};
use super::single::{SingleLoad, Step};
use super::store::{encode_answer, encode_answers, run};
use crate::error::Result;
use crate::flight::{Published, Work};
use crate::load::{LoadAnswer, LoadAnswers, LoadOptions, LoadOutcome, Origin};
use crate::provider::Read;
use crate::reply::block_on;

impl<T: 'static> Cache<T> {
    #[inline]
    pub(crate) fn get_or_load_blocking<R: LoadAnswer<T>>(
        &self,
        name: &str,
        loader: impl FnOnce() -> R,
    ) -> Result<Option<T>> {
        let shared = &self.shared;
        let ended = shared.flights().ended();
        let terms = &shared.parts.terms;
        let read = match shared.fresh(shared.look(name, terms).wait(), terms) {
            ControlFlow::Break(value) => return Ok(Some(value)),
            ControlFlow::Continue(read) => read,
        };
        let outcome = SingleLoad::new(shared, name, terms, true).load_blocking(loader, (ended, read));
        outcome.map(|outcome| outcome.value).map_err(|error| shared.named(error, "get_or_load"))
    }

    pub(crate) fn get_or_load_with_blocking<R: LoadAnswer<T>>(
        &self,
        name: &str,
        options: &LoadOptions,
        loader: impl FnOnce() -> R,
    ) -> Result<LoadOutcome<T>> {
        let shared = &self.shared;
        let outcome = shared.terms(options).and_then(|terms| {
            let ended = shared.flights().ended();
            let read = shared.look(name, &terms).wait();
            SingleLoad::new(shared, name, &terms, true).load_blocking(loader, (ended, read))
        });
        outcome.map_err(|error| shared.named(error, "get_or_load"))
    }
}

impl<T: 'static> SingleLoad<'_, T> {
    /// Does the steps until there is an answer.
    #[cold]
    fn load_blocking<R: LoadAnswer<T>>(
        mut self,
        loader: impl FnOnce() -> R,
        looked: (u64, Result<Read>),
    ) -> Result<LoadOutcome<T>> {
        if let ControlFlow::Break(answer) = self.begin(looked)? {
            return Ok(answer);
        }
        loop {
            let step = match self.next()? {
                ControlFlow::Break(answer) => return Ok(answer),
                ControlFlow::Continue(step) => step,
            };
            match step {
                Step::Look => {
                    let read = self.look().wait();
                    if let ControlFlow::Break(answer) = self.looked(read)? {
                        return Ok(answer);
                    }
                }
                Step::Join(work, at) => {
                    let published = work.wait()?;
                    if let Some(answer) = block_on(self.joined(published, at)) {
                        return answer;
                    }
                }
                Step::Follow(work) => drop(work.wait()?),
                // A blocking loader is not handed to a spawner: this call runs it.
                Step::Lead(work) => {
                    let encode = |cache: &_, answer| vec![encode_answer(cache, answer, self.terms)];
                    let published = run(self.shared, &work, loader, encode);
                    return block_on(self.led(Some(published)));
                }
            }
        }
    }
}

impl<T: 'static> ManyLoads<'_, T> {
    /// Does the steps until every name has its answer.
    ///
    /// # Errors
    ///
    /// An error of the whole call; names without an answer stay open.
    pub(super) fn load_blocking<R: LoadAnswers<T>>(
        &mut self,
        loader: &mut impl FnMut(Vec<String>) -> R,
    ) -> Result<()> {
        let loaded = self.load_all_blocking(loader);
        block_on(self.learn_ttls());
        loaded
    }

    fn load_all_blocking<R: LoadAnswers<T>>(
        &mut self,
        loader: &mut impl FnMut(Vec<String>) -> R,
    ) -> Result<()> {
        loop {
            let mut round = match self.next()? {
                many::Step::Done => return Ok(()),
                many::Step::Look => {
                    block_on(self.look())?;
                    continue;
                }
                many::Step::Load(round) => round,
            };
            // A blocking loader is not handed to a spawner: this call runs it.
            let led = round.lead.take().map(|work| {
                let names = self.names_of(&round.leads);
                let load = || loader(names.clone());
                let encode = |cache: &_, answers| encode_answers(cache, answers, &names, self.terms);
                run(self.shared, &work, load, encode)
            });
            let mut all = Vec::with_capacity(round.joins.len());
            for (name, work, _) in &round.joins {
                all.push(self.wait(*name, work));
            }
            for (name, work) in round.follows.drain(..) {
                self.wait(name, &work);
            }
            block_on(self.ended(&round, led, &all));
        }
    }

    /// Blocks until a name's flight has ended. If this thread must not block on it, that error is the
    /// name's answer.
    fn wait(&mut self, name: usize, work: &Work) -> Option<Published> {
        work.wait().unwrap_or_else(|error| {
            self.settle(name, Err(error), Origin::Coalesced);
            None
        })
    }
}
