//! One connection to one LiveKit SFU, without sockets: signalling, two peer connections, tracks.
