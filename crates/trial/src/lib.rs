//! The real stack on loopback: homeserver, SFU, token service, Element Call in a browser.
