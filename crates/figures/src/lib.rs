//! Measures every figure that the README publishes.
