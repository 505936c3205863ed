//! What the commands do: one module each.

pub(crate) mod stack;
