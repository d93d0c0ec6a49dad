//! [`EntryView`]: an entry as the holder of its bucket's lock sees it, whole or chunked.
//!
//! Everything that has to tell the two apart under the lock asks here.

use crate::base::ttl::NEVER;
use crate::entries::entry::{EntryInfo, Extent};
use crate::index::LockedBucket;
use crate::index::slot::Slot;
use crate::log::Log;
use crate::log::chunked::ChunkHeader;
use crate::log::item::Item;

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct EntryView<'a> {
    log: &'a Log,
    bucket: &'a LockedBucket<'a>,
    slot: Slot,
    item: Item<'a>,
    /// Of a chunked entry.
    header: Option<ChunkHeader<'a>>,
}

impl<'a> EntryView<'a> {
    /// The entry that a slot of this bucket names.
    #[inline(always)]
    pub(crate) fn new(log: &'a Log, bucket: &'a LockedBucket<'a>, slot: Slot) -> EntryView<'a> {
        let item = log.read_locked(bucket, slot);
        let header = if item.is_chunk_header() { ChunkHeader::parse(item.value()) } else { None };
        EntryView { log, bucket, slot, item, header }
    }

    /// The item that the slot names: the whole entry, or its chunk header.
    pub(crate) fn item(&self) -> &Item<'a> {
        &self.item
    }

    pub(crate) fn header(&self) -> Option<ChunkHeader<'a>> {
        self.header
    }

    /// `NEVER` for none.
    pub(crate) fn deadline(&self) -> u64 {
        self.item.deadline().unwrap_or(NEVER)
    }

    #[inline]
    pub(crate) fn info(&self) -> EntryInfo {
        let whole = EntryInfo::whole(self.slot, &self.item);
        match self.header {
            None => whole,
            Some(header) => self.chunked_info(whole, header),
        }
    }

    #[cold]
    fn chunked_info(&self, whole: EntryInfo, header: ChunkHeader<'_>) -> EntryInfo {
        let payload = (self.item.key().len() + header.key_len + header.value_len) as u64;
        let extent = |location| Extent { location, len: self.log.chunk_len_locked(self.bucket, location) };
        EntryInfo { payload, chunks: header.chunks().map(extent).collect(), ..whole }
    }

    pub(crate) fn has_key(&self, key: &[u8]) -> bool {
        match self.header {
            None => self.item.has_key(key),
            Some(header) => {
                let rest = key.strip_prefix(self.item.key());
                rest.is_some_and(|rest| rest.len() == header.key_len && self.rest_begins_with(rest))
            }
        }
    }

    pub(crate) fn key_begins_with(&self, prefix: &[u8]) -> bool {
        let begin = self.item.key();
        begin.starts_with(prefix)
            || (self.header.is_some() && prefix.starts_with(begin) && self.key().starts_with(prefix))
    }

    pub(crate) fn key(&self) -> Vec<u8> {
        let mut key = self.item.key().to_vec();
        let mut missing = self.header.map_or(0, |header| header.key_len);
        for chunk in self.chunks() {
            let part = &chunk[..chunk.len().min(missing)];
            key.extend_from_slice(part);
            missing -= part.len();
        }
        key
    }

    /// Puts what stands behind the item's own key into `rest`: the end of a chunked key, then the
    /// value. Answers where the value begins.
    pub(crate) fn copy_rest(&self, rest: &mut Vec<u8>) -> usize {
        rest.clear();
        match self.header {
            None => rest.extend_from_slice(self.item.value()),
            Some(_) => self.chunks().for_each(|chunk| rest.extend_from_slice(chunk)),
        }
        self.header.map_or(0, |header| header.key_len.min(rest.len()))
    }

    /// The contents of the chunks, in order; empty for a whole entry.
    fn chunks(&self) -> impl Iterator<Item = &'a [u8]> {
        let locations = self.header.into_iter().flat_map(ChunkHeader::chunks);
        locations.map(|location| self.log.read_chunk_locked(self.bucket, location))
    }

    /// Whether the chunks, one after the other, begin with these bytes.
    fn rest_begins_with(&self, mut bytes: &[u8]) -> bool {
        for chunk in self.chunks() {
            let len = chunk.len().min(bytes.len());
            if chunk[..len] != bytes[..len] {
                return false;
            }
            bytes = &bytes[len..];
            if bytes.is_empty() {
                return true;
            }
        }
        bytes.is_empty()
    }
}
