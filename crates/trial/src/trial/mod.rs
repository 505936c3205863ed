//! What the commands do: one module each, and what they share.

pub(crate) mod check;
pub(crate) mod demo;
mod hear;
mod program;
pub(crate) mod stack;
mod verdict;
