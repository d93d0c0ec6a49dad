//! `get_or_load_each`: as `get_or_load_multi`, with one answer for each name in their order.

use std::future::Future;

use super::super::Cache;
use super::many::ManyLoads;
use crate::error::Result;
use crate::load::{LoadAnswers, LoadOptions, LoadOutcome};

impl<T: 'static> Cache<T> {
    /// One answer for each of `names`, in their order, as [`get_or_load`](Cache::get_or_load) would
    /// give it. `loader` is called once for all missing names that no other caller is loading, as in
    /// [`get_or_load_multi`](Cache::get_or_load_multi). An error of one name (an invalid key, a failed
    /// read, a failed load) is that name's answer alone. An error of the whole call is the answer of
    /// every name that has none yet.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> zbz_cache::Result<()> {
    /// use zbz_cache::{Contract, ErrorKind, Ttl, options};
    ///
    /// async fn from_database(ids: Vec<String>) -> std::io::Result<Vec<(String, u32)>> {
    ///     Ok(ids.into_iter().filter(|id| id != "9").map(|id| (id, 20)).collect())
    /// }
    ///
    /// let provider = zbz_cache::new_provider("memory", options! {})?;
    /// let ages = Contract::<u32>::new("ages", provider)?.cache();
    /// ages.set("1", &30, Ttl::Never).await?;
    /// let each = ages.get_or_load_each(["2", "1", "", "9"], from_database).await;
    /// assert_eq!(each[0].as_ref().ok(), Some(&Some(20)));
    /// assert_eq!(each[1].as_ref().ok(), Some(&Some(30)));
    /// assert_eq!(each[2].as_ref().unwrap_err().kind(), ErrorKind::InvalidKey);
    /// assert_eq!(each[3].as_ref().ok(), Some(&None));
    /// # Ok(()) }
    /// ```
    pub fn get_or_load_each<I, F, Fut>(
        &self,
        names: I,
        loader: F,
    ) -> impl Future<Output = Vec<Result<Option<T>>>> + Send
    where
        I: IntoIterator<Item: AsRef<str>>,
        F: FnMut(Vec<String>) -> Fut + Send,
        Fut: Future<Output: LoadAnswers<T>> + Send + 'static,
    {
        let shared = &self.shared;
        let mut loads = ManyLoads::new(shared, &shared.parts.terms, false, names);
        async move {
            let loaded = loads.load(loader).await;
            let mut each = values_of_each(loads.each(loaded));
            shared.name_each(&mut each, "get_or_load_each");
            each
        }
    }

    /// As [`get_or_load_each`](Cache::get_or_load_each), with options for this call; it also says where
    /// each value came from. If the options contradict those of the contract, every name's answer is an
    /// error of kind `Config`.
    pub fn get_or_load_each_opts<'a, I, F, Fut>(
        &'a self,
        names: I,
        options: &LoadOptions,
        loader: F,
    ) -> impl Future<Output = Vec<Result<LoadOutcome<T>>>> + Send + use<'a, T, I, F, Fut>
    where
        I: IntoIterator<Item: AsRef<str>>,
        F: FnMut(Vec<String>) -> Fut + Send,
        Fut: Future<Output: LoadAnswers<T>> + Send + 'static,
    {
        let (shared, terms) = (&self.shared, self.shared.terms(options));
        let names: Vec<String> = names.into_iter().map(|name| name.as_ref().to_owned()).collect();
        async move {
            let mut each = match &terms {
                Ok(terms) => {
                    let mut loads = ManyLoads::new(shared, terms, false, names);
                    let loaded = loads.load(loader).await;
                    loads.each(loaded)
                }
                Err(error) => names.iter().map(|_| Err(error.clone())).collect(),
            };
            shared.name_each(&mut each, "get_or_load_each");
            each
        }
    }

    pub(crate) fn get_or_load_each_blocking<I, R>(
        &self,
        names: I,
        options: Option<&LoadOptions>,
        mut loader: impl FnMut(Vec<String>) -> R,
    ) -> Vec<Result<LoadOutcome<T>>>
    where
        I: IntoIterator<Item: AsRef<str>>,
        R: LoadAnswers<T>,
    {
        let shared = &self.shared;
        let mut each = match options.map(|options| shared.terms(options)).transpose() {
            Ok(own) => {
                let terms = own.as_ref().unwrap_or(&shared.parts.terms);
                let mut loads = ManyLoads::new(shared, terms, true, names);
                let loaded = loads.load_blocking(&mut loader);
                loads.each(loaded)
            }
            Err(error) => names.into_iter().map(|_| Err(error.clone())).collect(),
        };
        shared.name_each(&mut each, "get_or_load_each");
        each
    }
}

/// The values alone.
pub(crate) fn values_of_each<T>(each: Vec<Result<LoadOutcome<T>>>) -> Vec<Result<Option<T>>> {
    each.into_iter().map(|outcome| outcome.map(|outcome| outcome.value)).collect()
}
