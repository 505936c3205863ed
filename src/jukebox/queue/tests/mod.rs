//! The queue as its users know it.
