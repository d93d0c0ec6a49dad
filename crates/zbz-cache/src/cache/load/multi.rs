//! `get_or_load_multi`: many names, and one call of the loader for those that are missing.

use std::collections::HashMap;
use std::future::Future;

use super::super::{Cache, Shared};
use super::many::ManyLoads;
use crate::error::Result;
use crate::load::{LoadAnswers, LoadOptions, LoadOutcome};

impl<T: 'static> Cache<T> {
    /// The values of `names`, by name. `loader` is called once for all missing names that no other
    /// caller is loading. A name that it leaves out or says is absent is left out of the answer.
    ///
    /// Towards other callers each name is a load of its own, as in [`get_or_load`](Cache::get_or_load):
    /// callers of single names and of other batches share it, and a name that is written or removed
    /// meanwhile is not stored. The loader is called again only for names whose load another caller
    /// gave up.
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
    /// If some names fail, with the errors of `get_or_load`:
    /// [`Error::batch_outcome`](crate::Error::batch_outcome) has each name's. An invalid key fails the
    /// call before anything is looked up; with [`get_or_load_each`](Cache::get_or_load_each) it fails
    /// alone.
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
        let loads = ManyLoads::new(shared, &shared.parts.terms, false, names);
        async move { values(by_name(shared, loads, loader).await) }
    }

    /// As [`get_or_load_multi`](Cache::get_or_load_multi), with options for this call. The answer says
    /// where each value came from, and includes the names known to be absent.
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
            by_name(shared, ManyLoads::new(shared, &terms, false, names), loader).await
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
            let mut loads = ManyLoads::new(shared, terms, true, names);
            loads.check_names()?;
            loads.load_blocking(&mut loader)?;
            loads.by_name()
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
    mut loads: ManyLoads<'_, T>,
    loader: F,
) -> Result<HashMap<String, LoadOutcome<T>>>
where
    T: 'static,
    F: FnMut(Vec<String>) -> Fut + Send,
    Fut: Future<Output: LoadAnswers<T>> + Send + 'static,
{
    let loaded = match loads.check_names() {
        Ok(()) => loads.load(loader).await,
        Err(error) => Err(error),
    };
    loaded.and_then(|()| loads.by_name()).map_err(|error| shared.named(error, "get_or_load_multi"))
}
