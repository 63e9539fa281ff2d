//! Asks the terminal what it can (primary device attributes, DA1), and never waits for long.

use std::{
    io::{Write, stdout},
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::getpgrp,
    stdio::stdin,
    termios::{OptionalActions, Termios, tcgetattr, tcgetpgrp, tcsetattr},
};

const QUESTION: &[u8] = b"\x1b[c";
/// The attribute that stands for sixel.
const SIXEL: u16 = 4;
const LONGEST_ANSWER: usize = 256;

/// Whether the terminal says that it speaks sixel. Both stdin and stdout must be it.
pub(super) fn speaks_sixel(within: Duration) -> bool {
    attributes(within).is_some_and(|attributes| attributes.contains(&SIXEL))
}

fn attributes(within: Duration) -> Option<Vec<u16>> {
    // A program in the background would be stopped for changing the terminal.
    if tcgetpgrp(stdin()).ok()? != getpgrp() {
        return None;
    }
    let before = tcgetattr(stdin()).ok()?;
    let mut raw = before.clone();
    raw.make_raw();
    let _back = Back(before);
    tcsetattr(stdin(), OptionalActions::Now, &raw).ok()?;
    let mut out = stdout();
    out.write_all(QUESTION).and_then(|()| out.flush()).ok()?;
    let (end, mut answer) = (Instant::now() + within, Vec::new());
    while answer.len() < LONGEST_ANSWER {
        let left = Timespec::try_from(end.checked_duration_since(Instant::now())?).ok()?;
        let stdin = stdin();
        let mut waits = [PollFd::new(&stdin, PollFlags::IN)];
        if poll(&mut waits, Some(&left)).ok()? == 0 {
            return None;
        }
        let mut bytes = [0; 64];
        match rustix::io::read(stdin, &mut bytes).ok()? {
            0 => return None,
            n => answer.extend_from_slice(bytes.get(..n)?),
        }
        if let Some(attributes) = understood(&answer) {
            return Some(attributes);
        }
    }
    None
}

/// Puts the terminal back as it was.
struct Back(Termios);

impl Drop for Back {
    fn drop(&mut self) {
        let _ = tcsetattr(stdin(), OptionalActions::Now, &self.0);
    }
}

/// The attributes in an answer `ESC [ ? 1 ; 2 … c`, once it is whole; keys typed before it are passed over.
fn understood(answer: &[u8]) -> Option<Vec<u16>> {
    let begin = answer.windows(3).rposition(|window| window == b"\x1b[?")? + 3;
    let rest = answer.get(begin..)?;
    let end = rest.iter().position(|&byte| byte == b'c')?;
    let text = str::from_utf8(rest.get(..end)?).ok()?;
    text.split(';').map(|number| number.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn understands_whole_answers_alone() {
        assert_eq!(understood(b"\x1b[?62;4;22c"), Some(vec![62, 4, 22]));
        assert_eq!(understood(b"xy\x1b[?6c"), Some(vec![6]));
        assert_eq!(understood(b"\x1b[?62;4"), None);
        assert_eq!(understood(b"\x1b[?62;x;4c"), None);
        assert_eq!(understood(b""), None);
    }
}
