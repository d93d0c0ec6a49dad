//! The provider that the schedules run on.

use std::collections::HashMap;
use std::time::Duration;

use shuttle::sync::Mutex;

use crate::flight::lock;
use crate::provider::{
    Capabilities, Condition, Cursor, Found, Lookups, Page, Provider, Read, SetOptions, SetOutcome,
};
use crate::{Reply, Stats, Ttl, TtlState};

/// A provider over a map, whose lock is a step of the schedule. The remaining TTL of an entry never
/// changes. If it cannot check tokens, the flights do.
pub(super) struct Model {
    pub(super) entries: Mutex<HashMap<Vec<u8>, Vec<u8>>>,
    pub(super) judges_tokens: bool,
}

const LEFT: Duration = Duration::from_secs(10);

impl Model {
    fn remove(&self, is_due: impl Fn(&[u8]) -> bool) -> bool {
        let mut entries = lock(&self.entries);
        let before = entries.len();
        entries.retain(|key, _| !is_due(key));
        entries.len() < before
    }
}

impl Provider for Model {
    fn name(&self) -> &str {
        "model"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { tokens: self.judges_tokens, ..Capabilities::default() }
    }

    fn get<'a>(&'a self, key: &[u8], buffer: Vec<u8>) -> Reply<'a, Read> {
        let found = Found::new(Some(LEFT), None);
        Reply::ready(Ok(match lock(&self.entries).get(key) {
            Some(value) => Read::hit(buffer, value, found),
            None => Read::miss(buffer),
        }))
    }

    fn set<'a>(&'a self, key: &[u8], value: &[u8], options: SetOptions) -> Reply<'a, SetOutcome> {
        let mut entries = lock(&self.entries);
        if let Condition::Token(token) = &options.condition
            && !token.is_valid()
        {
            return Reply::ready(Ok(SetOutcome::ConditionFailed));
        }
        entries.insert(key.into(), value.into());
        Reply::ready(Ok(SetOutcome::Stored))
    }

    fn delete<'a>(&'a self, key: &[u8]) -> Reply<'a, bool> {
        Reply::ready(Ok(self.remove(|other| other == key)))
    }

    fn ttl<'a>(&'a self, _key: &[u8]) -> Reply<'a, TtlState> {
        Reply::ready(Ok(TtlState::Remaining(LEFT)))
    }

    fn expire<'a>(&'a self, _key: &[u8], _ttl: Ttl) -> Reply<'a, bool> {
        Reply::ready(Ok(false))
    }

    fn scan<'a>(&'a self, _prefix: &[u8], _cursor: Option<&Cursor>) -> Reply<'a, Page> {
        Reply::ready(Ok(Page::default()))
    }

    fn clear<'a>(&'a self, prefix: &[u8]) -> Reply<'a, ()> {
        self.remove(|key| key.starts_with(prefix));
        Reply::ready(Ok(()))
    }

    fn stats(&self) -> Reply<'_, Stats> {
        Reply::ready(Ok(Stats::default()))
    }

    fn record_lookups(&self, _lookups: Lookups) {}

    fn close(&self) -> Reply<'_, ()> {
        Reply::ready(Ok(()))
    }
}
