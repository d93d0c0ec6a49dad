//! The driver that awaits: it does the steps of [`SingleLoad`] and [`ManyLoads`] for the async verbs.

use std::future::{Future, poll_fn};
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use super::many::{self, ManyLoads, Round};
use super::single::{SingleLoad, Step};
use super::store::{encode_answer, encode_answers, job};
use crate::error::Result;
use crate::flight::{Published, Waiter};
use crate::load::{LoadAnswer, LoadAnswers, LoadOutcome, Refresh};
use crate::provider::Read;

impl<T: 'static> SingleLoad<'_, T> {
    /// Does the steps until there is an answer.
    pub(super) async fn load<F, Fut>(
        mut self,
        loader: F,
        looked: (u64, Result<Read>),
    ) -> Result<LoadOutcome<T>>
    where
        F: FnOnce() -> Fut + Send,
        Fut: Future<Output: LoadAnswer<T>> + Send + 'static,
    {
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
                    let read = self.look().await;
                    if let ControlFlow::Break(answer) = self.looked(read)? {
                        return Ok(answer);
                    }
                }
                Step::Join(work, at) => {
                    let published = Waiter::join(work).await;
                    if let Some(answer) = self.joined(published, at).await {
                        return answer;
                    }
                }
                Step::Follow(work) => drop(Waiter::follow(work).await),
                Step::Lead(work) => {
                    // From here on, whatever happens, the waiter's drop ends the flight.
                    let waiter = Waiter::lead(Arc::clone(&work));
                    let (shared, terms) = (self.shared, self.terms.clone());
                    work.launch(|| {
                        job(shared, &work, loader(), move |cache, answer| {
                            vec![encode_answer(cache, answer, &terms)]
                        })
                    });
                    if let Some((spawner, served)) = self.serve_in_background() {
                        spawner.spawn(waiter);
                        return Ok(served);
                    }
                    let published = waiter.await;
                    return self.led(published).await;
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
    pub(super) async fn load<F, Fut>(&mut self, loader: F) -> Result<()>
    where
        F: FnMut(Vec<String>) -> Fut + Send,
        Fut: Future<Output: LoadAnswers<T>> + Send + 'static,
    {
        let loaded = self.load_all(loader).await;
        self.learn_ttls().await;
        loaded
    }

    async fn load_all<F, Fut>(&mut self, mut loader: F) -> Result<()>
    where
        F: FnMut(Vec<String>) -> Fut + Send,
        Fut: Future<Output: LoadAnswers<T>> + Send + 'static,
    {
        loop {
            let mut round = match self.next()? {
                many::Step::Done => return Ok(()),
                many::Step::Look => {
                    self.look().await?;
                    continue;
                }
                many::Step::Load(round) => round,
            };
            let own = round.lead.take().map(|work| {
                let waiter = Waiter::lead(Arc::clone(&work));
                let (names, terms) = (self.names_of(&round.leads), self.terms.clone());
                work.launch(|| {
                    job(self.shared, &work, loader(names.clone()), move |cache, answers| {
                        encode_answers(cache, answers, &names, &terms)
                    })
                });
                waiter
            });
            let mut waits: Vec<Waiter> =
                round.joins.iter().map(|(_, work, _)| Waiter::join(Arc::clone(work))).collect();
            waits.extend(round.follows.drain(..).map(|(_, work)| Waiter::follow(work)));
            let own = if round.is_background { self.spawn(&round, own) } else { own };
            let (published, all) = wait_for_all(own, waits).await;
            self.ended(&round, published.flatten(), &all).await;
        }
    }

    /// Leaves the stale names to the spawner, and serves them.
    fn spawn(&mut self, round: &Round, own: Option<Waiter>) -> Option<Waiter> {
        if let (Refresh::Spawned(spawner), Some(waiter)) = (&self.terms.refresh, own) {
            spawner.spawn(waiter);
        }
        for &name in &round.leads {
            self.serve_stale(name);
        }
        None
    }
}

/// Awaits all flights together, so that each is polled whatever the others do. The first answer is
/// `None` if this call leads no flight.
async fn wait_for_all(
    mut own: Option<Waiter>,
    mut others: Vec<Waiter>,
) -> (Option<Option<Published>>, Vec<Option<Published>>) {
    let mut led = None;
    let mut all: Vec<Option<Option<Published>>> = others.iter().map(|_| None).collect();
    poll_fn(|context| {
        let mut waits = false;
        let mut poll = |waiter: &mut Waiter, ended: &mut Option<Option<Published>>| {
            if ended.is_none() {
                match Pin::new(waiter).poll(context) {
                    Poll::Ready(published) => *ended = Some(published),
                    Poll::Pending => waits = true,
                }
            }
        };
        if let Some(waiter) = &mut own {
            poll(waiter, &mut led);
        }
        for (waiter, ended) in others.iter_mut().zip(&mut all) {
            poll(waiter, ended);
        }
        if waits { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    (led, all.into_iter().map(Option::flatten).collect())
}
