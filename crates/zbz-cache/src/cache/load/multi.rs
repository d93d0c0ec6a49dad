//! `get_or_load_multi`: many names, and one call of the loader for those that are missing.

use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::Poll;

use super::super::{Cache, Shared};
use super::group::{Group, Party, Step};
use super::store::{Encoded, store_from};
use crate::error::{Error, Result};
use crate::flight::{Brought, Landed, Seen, Waiter, Work};
use crate::load::{LoadAnswers, LoadOptions, LoadOutcome, Loaded, Origin, Refresh, Terms};
use crate::provider::{Read, ReadBatch};
use crate::reply::block_on;

impl<T: 'static> Cache<T> {
    /// The values of `names`, by name: those that are missing from `loader`, in one call for all
    /// that nobody else loads. A name that it leaves out, or says is absent, is left out here.
    ///
    /// Each name is a load of its own to everyone else, as in [`get_or_load`](Cache::get_or_load):
    /// callers of single names and of other batches share it, and what is written or removed
    /// meanwhile is not stored. The loader is called again only for names that another caller was
    /// loading and gave up.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> zbz_cache::Result<()> {
    /// use zbz_cache::{Contract, Ttl, options};
    ///
    /// async fn from_database(ids: Vec<String>) -> std::io::Result<Vec<(String, u32)>> {
    ///     Ok(ids.into_iter().filter(|id| id != "9").map(|id| { let age = 10 * id.len() as u32; (id, age) }).collect())
    /// }
    ///
    /// let provider = zbz_cache::new_provider("memory", options! {})?;
    /// let ages = Contract::<u32>::new("ages", provider)?.cache();
    /// ages.set("1", &30, Ttl::Never).await?;
    /// let found = ages.get_or_load_multi(["1", "22", "9"], from_database).await?;
    /// assert_eq!((found["1"], found["22"], found.get("9")), (30, 20, None));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// If some names fail, for the reasons that `get_or_load` has:
    /// [`Error::batch_outcome`](crate::Error::batch_outcome) tells which. A name that is no valid
    /// key fails the call before anything is looked up. [`get_or_load_each`](Cache::get_or_load_each)
    /// answers the others all the same.
    pub fn get_or_load_multi<I, F, Fut>(
        &self,
        names: I,
        loader: F,
    ) -> impl Future<Output = Result<HashMap<String, T>>> + Send
    where
        I: IntoIterator<Item: AsRef<str>>,
        F: FnMut(Vec<String>) -> Fut + Send,
        Fut: Future<Output: LoadAnswers<T>> + Send + 'static,
    {
        let shared = &self.shared;
        let group = Group::new(shared, &shared.parts.terms, names);
        async move { values(by_name(shared, group, loader).await) }
    }

    /// As [`get_or_load_multi`](Cache::get_or_load_multi), with options for this call, and telling
    /// of each name where its value came from; names known to be absent are among them.
    ///
    /// # Errors
    ///
    /// As there; and `Config`: the options do not go together with those of the contract.
    pub fn get_or_load_multi_opts<'a, I, F, Fut>(
        &'a self,
        names: I,
        options: &LoadOptions,
        loader: F,
    ) -> impl Future<Output = Result<HashMap<String, LoadOutcome<T>>>> + Send + use<'a, T, I, F, Fut>
    where
        I: IntoIterator<Item: AsRef<str>>,
        F: FnMut(Vec<String>) -> Fut + Send,
        Fut: Future<Output: LoadAnswers<T>> + Send + 'static,
    {
        let (shared, terms) = (&self.shared, self.shared.terms(options));
        let names: Vec<String> = names.into_iter().map(|name| name.as_ref().to_owned()).collect();
        async move {
            let terms = terms.map_err(|error| shared.named(error, "get_or_load_multi"))?;
            by_name(shared, Group::new(shared, &terms, names), loader).await
        }
    }

    pub(crate) fn get_or_load_multi_blocking<I, R>(
        &self,
        names: I,
        options: Option<&LoadOptions>,
        mut loader: impl FnMut(Vec<String>) -> R,
    ) -> Result<HashMap<String, LoadOutcome<T>>>
    where
        I: IntoIterator<Item: AsRef<str>>,
        R: LoadAnswers<T>,
    {
        let shared = &self.shared;
        let own = options.map(|options| shared.terms(options)).transpose();
        let outcomes = own.and_then(|own| {
            let terms = own.as_ref().unwrap_or(&shared.parts.terms);
            let mut group = Group::new(shared, terms, names);
            group.check_names()?;
            group.load_blocking(&mut loader)?;
            group.by_name()
        });
        outcomes.map_err(|error| shared.named(error, "get_or_load_multi"))
    }
}

/// The values that there are.
pub(crate) fn values<T>(outcomes: Result<HashMap<String, LoadOutcome<T>>>) -> Result<HashMap<String, T>> {
    let pairs = outcomes?.into_iter();
    Ok(pairs.filter_map(|(name, outcome)| Some((name, outcome.value?))).collect())
}

async fn by_name<T, F, Fut>(
    shared: &Shared<T>,
    mut group: Group<'_, T>,
    loader: F,
) -> Result<HashMap<String, LoadOutcome<T>>>
where
    T: 'static,
    F: FnMut(Vec<String>) -> Fut + Send,
    Fut: Future<Output: LoadAnswers<T>> + Send + 'static,
{
    let loaded = match group.check_names() {
        Ok(()) => group.load(loader).await,
        Err(error) => Err(error),
    };
    loaded.and_then(|()| group.by_name()).map_err(|error| shared.named(error, "get_or_load_multi"))
}

impl<T: 'static> Group<'_, T> {
    /// Looks and loads until every name has its answer.
    ///
    /// # Errors
    ///
    /// What failed as a whole: names that have no answer yet stay open.
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
        let shared = self.shared;
        let mut seen = Seen::All(shared.flights().ended());
        loop {
            self.look().await?;
            let mut party = match self.step(&seen, false)? {
                Step::Done => break,
                Step::LookAgain(newer) => {
                    seen = newer;
                    continue;
                }
                Step::Load(party) => party,
            };
            let own = party.lead.take().map(|work| {
                let waiter = Waiter::lead(Arc::clone(&work));
                let names: Vec<String> = party.leads.iter().map(|&name| self.names[name].clone()).collect();
                work.launch(|| self.job(&work, names.clone(), loader(names)));
                waiter
            });
            let mut waits: Vec<Waiter> =
                party.joins.iter().map(|(_, work, _)| Waiter::join(Arc::clone(work))).collect();
            waits.extend(party.follows.drain(..).map(|(_, work)| Waiter::follow(work)));
            let own = if party.is_background { self.spawn(&party, own) } else { own };
            let (landed, all) = join(own, waits).await;
            self.arrive(&party, landed.as_ref().and_then(Option::as_ref), &all).await;
            seen = Seen::All(shared.flights().ended());
        }
        Ok(())
    }

    /// As [`load`](Group::load), on the caller's thread.
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
        let mut seen = Seen::All(self.shared.flights().ended());
        loop {
            block_on(self.look())?;
            let mut party = match self.step(&seen, true)? {
                Step::Done => break,
                Step::LookAgain(newer) => {
                    seen = newer;
                    continue;
                }
                Step::Load(party) => party,
            };
            // A blocking loader is not handed to a spawner: this call runs it.
            let landed = party.lead.take().map(|work| {
                let names: Vec<String> = party.leads.iter().map(|&name| self.names[name].clone()).collect();
                work.run(|| {
                    let encoded = self.shared.encode_answers(loader(names.clone()), &names, self.terms);
                    block_on(self.shared.store_loaded(&work, encoded))
                })
            });
            let mut all = Vec::with_capacity(party.joins.len());
            for (name, work, _) in &party.joins {
                all.push(self.wait(*name, work));
            }
            for (name, work) in party.follows.drain(..) {
                self.wait(name, &work);
            }
            block_on(self.arrive(&party, landed.as_ref(), &all));
            seen = Seen::All(self.shared.flights().ended());
        }
        Ok(())
    }

    /// Sleeps until a name's flight has ended; the name that may not be slept for has that answer.
    fn wait(&mut self, name: usize, work: &Work) -> Option<Landed> {
        work.wait().unwrap_or_else(|error| {
            self.settle(name, Err(error), Origin::Coalesced);
            None
        })
    }

    /// Looks at the names that are open.
    async fn look(&mut self) -> Result<()> {
        let open = self.open();
        if open.is_empty() {
            return Ok(());
        }
        let (provider, keys) = (&self.shared.provider, self.keys_of(&open));
        let reply = match self.terms.needs_time() {
            true => provider.get_multi(&keys, ReadBatch::default()),
            false => provider.get_values(&keys, ReadBatch::default()),
        };
        let batch = reply.await?;
        self.take_batch(&open, &batch);
        Ok(())
    }

    /// Leaves the stale names to the spawner, and serves them.
    fn spawn(&mut self, party: &Party, own: Option<Waiter>) -> Option<Waiter> {
        if let (Refresh::Spawned(spawner), Some(waiter)) = (&self.terms.refresh, own) {
            spawner.spawn(waiter);
        }
        for &name in &party.leads {
            self.serve_stale(name);
        }
        None
    }

    /// Takes what the loads of this round brought.
    async fn arrive(&mut self, party: &Party, landed: Option<&Landed>, all: &[Option<Landed>]) {
        for ((name, _, seat), landed) in party.joins.iter().zip(all) {
            self.take_join(*name, landed.as_ref(), *seat);
        }
        if party.is_background && landed.is_none() {
            return;
        }
        for name in self.take_lead(&party.leads, landed) {
            match self.shared.provider.get(&self.keys[name], Vec::new()).await {
                Ok(Read { buffer, found: Some(found) }) => self.take_stale(name, buffer, found.remaining),
                Ok(_) => {}
                Err(error) => self.settle(name, Err(error), Origin::Loaded),
            }
        }
    }

    fn job<Fut>(
        &self,
        work: &Arc<Work>,
        names: Vec<String>,
        loading: Fut,
    ) -> impl Future<Output = Vec<Result<Brought>>> + Send + use<T, Fut>
    where
        Fut: Future<Output: LoadAnswers<T>> + Send + 'static,
    {
        let (cache, work, terms) = (Arc::downgrade(self.shared), Arc::clone(work), self.terms.clone());
        async move {
            let encoded = encode_from(&cache, loading.await, &names, &terms);
            store_from(&cache, &work, encoded).await
        }
    }
}

fn encode_from<T: 'static>(
    cache: &Weak<Shared<T>>,
    answers: impl LoadAnswers<T>,
    names: &[String],
    terms: &Terms,
) -> Vec<Result<Encoded>> {
    match cache.upgrade() {
        Some(shared) => shared.encode_answers(answers, names, terms),
        None => names.iter().map(|_| Err(Error::closed())).collect(),
    }
}

impl<T: 'static> Shared<T> {
    /// What a loader learned about these names, in their order; who is left out is absent.
    fn encode_answers(
        &self,
        answers: impl LoadAnswers<T>,
        names: &[String],
        terms: &Terms,
    ) -> Vec<Result<Encoded>> {
        let places: HashMap<&str, usize> =
            names.iter().enumerate().map(|(place, name)| (name.as_str(), place)).collect();
        let mut encoded: Vec<Option<Result<Encoded>>> = names.iter().map(|_| None).collect();
        let read = answers.for_each(|name, loaded| {
            if let Some(&place) = places.get(name.as_str()) {
                encoded[place] = Some(self.encode_loaded(loaded, terms));
            }
        });
        let absent =
            |encoded: Option<_>| encoded.unwrap_or_else(|| self.encode_loaded(Loaded::absent(), terms));
        match read {
            Ok(()) => encoded.into_iter().map(absent).collect(),
            Err(error) => names.iter().map(|_| Err(error.clone())).collect(),
        }
    }
}

/// Awaits all of them together, so that each is driven whatever the others do.
async fn join(
    mut own: Option<Waiter>,
    mut others: Vec<Waiter>,
) -> (Option<Option<Landed>>, Vec<Option<Landed>>) {
    let mut landed = None;
    let mut all: Vec<Option<Option<Landed>>> = others.iter().map(|_| None).collect();
    poll_fn(|context| {
        let mut waits = false;
        let mut poll = |waiter: &mut Waiter, slot: &mut Option<Option<Landed>>| {
            if slot.is_none() {
                match Pin::new(waiter).poll(context) {
                    Poll::Ready(ended) => *slot = Some(ended),
                    Poll::Pending => waits = true,
                }
            }
        };
        if let Some(waiter) = &mut own {
            poll(waiter, &mut landed);
        }
        for (waiter, slot) in others.iter_mut().zip(&mut all) {
            poll(waiter, slot);
        }
        if waits { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    (landed, all.into_iter().map(Option::flatten).collect())
}
