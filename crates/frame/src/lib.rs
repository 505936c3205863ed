//! Encoded media frames and LiveKit's frame encryption.
