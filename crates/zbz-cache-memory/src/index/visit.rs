//! Going through all keys page by page, in an order that growing and shrinking keep.
//!
//! The *point* of a key is its mark with the bits reversed. A group has the keys whose points share
//! their first bits, so the groups follow one another in the order of points, and doubling their
//! number cuts each one's range in two. A page is a group, visited under its buckets' locks.
//!
//! - *One place a key*: while a group has the same buckets, each of its keys belongs to one of
//!   them, always the same, whatever happened in between. The group is looked up again under each
//!   lock, so all buckets of a visit were those of one group at the moment they were locked; a key
//!   that was in the table throughout was in its bucket then, and in no other.
//! - *Pages join*: a page ends where the next begins. After doublings that point is a group's
//!   first, too; after halvings the group around it begins earlier, and the caller skips the keys
//!   whose points come before. So each point is met on one page.

use crate::index::geometry::Group;

use super::bucket::LockedBucket;
use super::table::Index;
use super::wait::wait;

impl Index {
    /// The point of a key: the same for ever, and in the order of visits.
    #[cfg(test)]
    pub(crate) fn point_of(&self, hash: u64) -> u64 {
        self.buckets.mark(hash).point(self.buckets.base_bits)
    }

    /// Shows every bucket of the group that has the point `from`, locked, to `each`. Calls `begin`
    /// first, and again whenever it begins anew because the group changed: what was shown before
    /// does not count then. The point where the next group begins; `None` at the end.
    ///
    /// Keys whose point is below `from` may be among those shown, and were on an earlier page.
    pub(crate) fn visit_group(
        &self,
        from: u64,
        mut begin: impl FnMut(),
        mut each: impl FnMut(&LockedBucket<'_>),
    ) -> Option<u64> {
        loop {
            let group = self.geometry().group_at(from);
            let is_same = || self.geometry().group_at(from) == group;
            begin();
            if self.visit_buckets(group, is_same, &mut each) {
                return group.points().1;
            }
        }
    }

    /// False if the group changed before all were locked.
    fn visit_buckets(
        &self,
        group: Group,
        is_same: impl Fn() -> bool,
        each: &mut impl FnMut(&LockedBucket<'_>),
    ) -> bool {
        group.buckets().all(|number| {
            let mut waited = 0;
            loop {
                let locked = LockedBucket::try_take(&self.buckets, number);
                // Under the lock, if it was to be had; and a bucket that is gone is not waited for.
                if !is_same() {
                    return false;
                }
                if let Some(locked) = locked {
                    each(&locked);
                    return true;
                }
                wait(&mut waited);
            }
        })
    }
}
