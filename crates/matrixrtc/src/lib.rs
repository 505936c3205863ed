//! What Matrix says about a MatrixRTC call: membership, roster, transports, media keys.
