//! Where the messages of a gRPC body begin and end. Pure.

/// A byte that tells whether the message is compressed, and four of its length.
const HEAD: usize = 5;

/// What has come of a body: its place within the message under way.
#[derive(Debug, Default)]
pub(super) struct Frames {
    head: [u8; HEAD],
    /// Bytes of the head that have come; all of it while the rest comes.
    n_head: usize,
    /// Bytes of the message that are still to come, once its head is there.
    left: usize,
    /// Bytes that have come of the message under way, its head included.
    unfinished: usize,
    n_begun: u64,
}

impl Frames {
    /// Bytes that have come of a message that is not whole.
    pub(super) fn unfinished(&self) -> usize {
        self.unfinished
    }

    /// Messages that have begun.
    pub(super) fn n_begun(&self) -> u64 {
        self.n_begun
    }

    /// Goes on by what came.
    pub(super) fn feed(&mut self, mut data: &[u8]) {
        while let Some((&byte, rest)) = data.split_first() {
            if self.n_head < HEAD {
                self.n_begun += u64::from(self.n_head == 0);
                self.head[self.n_head] = byte;
                self.n_head += 1;
                self.unfinished += 1;
                data = rest;
                if self.n_head == HEAD {
                    let [_, length @ ..] = self.head;
                    self.left = u32::from_be_bytes(length) as usize;
                }
            } else {
                let taken = data.len().min(self.left);
                self.left -= taken;
                self.unfinished = self.unfinished.saturating_add(taken);
                data = &data[taken..];
            }
            if self.n_head == HEAD && self.left == 0 {
                (self.n_head, self.unfinished) = (0, 0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(n: usize) -> Vec<u8> {
        let mut message = vec![0];
        message.extend(u32::try_from(n).unwrap().to_be_bytes());
        message.extend(vec![7; n]);
        message
    }

    #[test]
    fn messages_are_followed_however_they_are_cut() {
        let stream = [message(3), message(0), message(300), message(1)].concat();
        for size in [1, 2, 4, 5, 6, 7, 100, stream.len()] {
            let mut frames = Frames::default();
            stream.chunks(size).for_each(|chunk| frames.feed(chunk));
            assert_eq!((frames.unfinished(), frames.n_begun()), (0, 4), "{size}");
        }
        let mut frames = Frames::default();
        let seen = [0, 4, 5, 7, 8, 9, 12].map(|upto| {
            frames = Frames::default();
            frames.feed(&stream[..upto]);
            (frames.unfinished(), frames.n_begun())
        });
        assert_eq!(seen, [(0, 0), (4, 1), (5, 1), (7, 1), (0, 1), (1, 2), (4, 2)]);
    }
}
