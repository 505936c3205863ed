//! The Matrix side of a call on matrix-sdk: account, sync, outbox, chat.
