//! What programs share that people run: Ctrl-C, bars, what is printed at the end.

pub mod interrupt;
pub mod output;
pub mod progress;
