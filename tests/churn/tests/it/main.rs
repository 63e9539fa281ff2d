//! An index that is killed, and that runs out of room, while it is changed: all that was acknowledged is there.

mod killed;
mod told;
