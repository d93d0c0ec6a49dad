//! The contract of the zbz cache.
