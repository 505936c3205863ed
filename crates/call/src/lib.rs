//! A MatrixRTC call as a client library: sockets, timers, workers around the pure crates.
