//! An entry that is written ([`Entry`]), and what is known of one that is stored ([`EntryInfo`]).

use crate::base::call_time::CallTime;
use crate::base::counters::Count;
use crate::base::ttl::NEVER;
use crate::entries::key::HashedKey;
use crate::index::slot::{Location, Slot};
use crate::log::item::{Content, Item};

/// Which kind of write stores an entry: it decides what the write is counted as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WriteKind {
    Set,
    Increment,
}

impl WriteKind {
    #[inline(always)]
    pub(crate) fn count(self) -> Count {
        match self {
            WriteKind::Set => Count::Sets,
            WriteKind::Increment => Count::Adds,
        }
    }
}

/// The contents of a write.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry<'a> {
    pub(crate) key: HashedKey<'a>,
    pub(crate) value: &'a [u8],
    /// `NEVER` for none.
    pub(crate) deadline: u64,
    pub(crate) kind: WriteKind,
}

impl Entry<'_> {
    /// The bytes of its key and its value.
    pub(crate) fn payload(&self) -> u64 {
        (self.key.bytes.len() + self.value.len()) as u64
    }

    /// The contents of its item, if it is a single item.
    #[inline(always)]
    pub(crate) fn content(&self) -> Content<'_> {
        let deadline = (self.deadline != NEVER).then_some(self.deadline);
        Content { key: self.key.bytes, value: self.value, deadline, is_chunk_header: false }
    }
}

/// Bytes of the log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Extent {
    pub(crate) location: Location,
    pub(crate) len: usize,
}

/// The properties of a stored entry.
#[derive(Debug)]
pub(crate) struct EntryInfo {
    pub(crate) slot: Slot,
    /// The bytes of its item in the log.
    pub(crate) len: usize,
    /// The bytes of its key and its value.
    pub(crate) payload: u64,
    /// `NEVER` for none.
    pub(crate) deadline: u64,
    /// Those of a chunked entry.
    pub(crate) chunks: Vec<Extent>,
}

impl EntryInfo {
    /// Of an item that is no chunk header.
    #[inline(always)]
    pub(crate) fn whole(slot: Slot, item: &Item<'_>) -> EntryInfo {
        let payload = (item.key().len() + item.value().len()) as u64;
        let deadline = item.deadline().unwrap_or(NEVER);
        EntryInfo { slot, len: item.bytes().len(), payload, deadline, chunks: Vec::new() }
    }

    #[inline]
    pub(crate) fn is_live(&self, now: &CallTime<'_>) -> bool {
        self.deadline == NEVER || now.get() < self.deadline
    }

    /// Its item in the log.
    #[inline(always)]
    pub(crate) fn item(&self) -> Extent {
        Extent { location: self.slot.location(), len: self.len }
    }

    /// The bytes of the log that it takes, chunks included.
    pub(crate) fn log_bytes(&self) -> u64 {
        self.len as u64 + self.chunks.iter().map(|chunk| chunk.len as u64).sum::<u64>()
    }
}
