//! The engine of the zbz cache.
